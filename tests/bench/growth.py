"""What a request costs as things around it grow, as data: per axis the sizes, what may be added per
step, and how a job of one size is made. A flat axis must stay within 10 percent from its first to
its last size; the others grow by what the request itself is made of, and the cost of one is shown."""
from jobs import MAINT, RETURN_RULE, SERVER, map_job, plain


def lines(n, text):
    return "\n".join(text.replace("#", str(i)) for i in range(n))


def tide(*load, n=1000, **words):
    """A job of tidegate and haproxy alike; {more} etc. as in peers.py."""
    column = dict({"back": SERVER}, **words)
    return plain(*load, tidegate=column, haproxy=column, nginx=None, n=n)


def acls_elsewhere(n):
    rules = lines(n, "    acl a# path_beg /deny/#\n    http-request deny if a#")
    return tide(more="frontend other\n    bind unix@{dir}/other\n" + rules)


def rules(n):
    return tide(front=lines(n, "    http-request deny if {{ path_beg /deny/# }}"))


def variable_rules(n):
    return dict(tide(front=lines(n, MAINT % "shm")), haproxy=None)


def variables(n):
    return dict(tide(policy=lines(n, "    var grown# int default 0"), front=MAINT % "shm"),
                haproxy=None)


def headers(n):
    return tide(*(w for i in range(n) for w in ("-H", f"X-Header-{i}: value number {i}")))


def backends(n):
    return tide(front="    use_backend b%s if {{ path / }}" % (n - 1),
                more=lines(n, "backend b#\n" + SERVER))


def servers(n):
    return tide(back="    balance roundrobin\n" +
                lines(n, "    server s# 127.0.0.1:{origin}"))


def connections(n):
    """Idle keep-alive connections beside 10 active ones; pages, so that descriptors suffice."""
    column = {"back": RETURN_RULE}
    return dict(tide("-c", "10", idle=n - 10), tidegate=column, haproxy=column, maxconn=12000)


def map_entries(kind):
    return lambda n: dict(map_job(kind, n), n=1000)


# axis: (sizes, flat, job of a size)
GROWTH = {
    "connections": ((10, 100, 1000, 10000), True, connections),
    "map-str": ((1, 1000, 100000, 1000000), True, map_entries("map_str")),
    "map-beg": ((1, 1000, 100000, 1000000), True, map_entries("map_beg")),
    "acls-elsewhere": ((1, 10, 100, 1000), True, acls_elsewhere),
    "backends": ((1, 20, 200), True, backends),
    "servers": ((1, 20, 200), True, servers),
    "variables": ((1, 100, 1000), True, variables),
    "headers": ((1, 10, 40, 80), False, headers),
    "rules": ((1, 10, 100, 1000), False, rules),
    "variable-rules": ((1, 10, 100, 1000), False, variable_rules),
}

GROWTH_JOBS = {f"growth-{axis}-{size}": make(size)
               for axis, (sizes, _, make) in GROWTH.items() for size in sizes}


def growth_table(cost):
    """Lines of the table: cost(job) gives a job's figure, or None when it was not measured."""
    out = [f"{'growth of':16} {'from':>8} {'cost':>8} {'to':>8} {'cost':>8} {'ratio':>6} "
           f"{'each adds':>10}  verdict"]
    for axis, (sizes, flat, _) in GROWTH.items():
        seen = [(s, cost(f"growth-{axis}-{s}")) for s in sizes]
        seen = [(s, c) for s, c in seen if c]
        if len(seen) < 2:
            continue
        (first, a), (last, b) = seen[0], seen[-1]
        verdict = ("flat" if b <= a * 1.10 else "GROWS") if flat else "by design"
        out.append(f"{axis:16} {first:8} {a:8.0f} {last:8} {b:8.0f} {b / a:6.2f} "
                   f"{(b - a) / (last - first):10.2f}  {verdict}")
    return out
