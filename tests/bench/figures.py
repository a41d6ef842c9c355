"""The figures to reach, as data, and what this run says about each. `of` is measured, divided by
`against` where there is one: a peer, `peers` (the better of haproxy and nginx), or job/peer; with `-`
in front it is taken off. `base`: a job that is taken off both sides first."""

EPOLL, URING = "tidegate-epoll", "tidegate-uring"
MISSED, LEAST, GOAL = "MISSED", "least reached", "goal reached"


def figure(text, job, metric, of, against, least, goal=None, more=False, base=None):
    """more: the figure is to be at least that, not at most."""
    return dict(text=text, job=job, metric=metric, of=of, against=against, least=least,
                goal=least if goal is None else goal, more=more, base=base)


FIGURES = [
    figure("CPU, io_uring / better peer", "small", "cpu_us", URING, "peers", 0.75, 0.65),
    figure("CPU, io_uring / its floor", "small", "cpu_us", URING, "floor-uring", 1.25),
    figure("CPU, epoll / better peer", "small", "cpu_us", EPOLL, "peers", 0.95, 0.90),
    figure("CPU, epoll / its floor", "small", "cpu_us", EPOLL, "floor-epoll", 1.25),
    figure("page CPU, io_uring / haproxy", "return", "cpu_us", URING, "haproxy", 0.60),
    figure("page CPU, epoll / haproxy", "return", "cpu_us", EPOLL, "haproxy", 0.60),
    figure("1 MiB down, CPU / better peer", "down-1m", "ns_per_kib", URING, "peers", 0.90),
    figure("1 MiB up, CPU / better peer", "up-1m", "ns_per_kib", URING, "peers", 0.90),
    figure("1 MiB chunked down / better peer", "down-chunked-1m", "ns_per_kib", URING, "peers", 0.90),
    figure("1 MiB chunked up / better peer", "up-chunked-1m", "ns_per_kib", URING, "peers", 0.90),
    figure("idle connection, io_uring, bytes", "idle-3000", "bytes_per_idle", URING, None, 500),
    figure("idle connection, epoll, bytes", "idle-3000", "bytes_per_idle", EPOLL, None, 500),
    figure("2 workers / 1, requests/s in Lua", "workers-lua-2", "rps", URING,
           f"workers-lua-1/{URING}", 1.9, more=True),
    figure("instructions, proxied", "small", "instructions", EPOLL, None, 6000),
    figure("instructions, page", "return", "instructions", EPOLL, None, 3500),
    figure("Lua variable adds, instructions", "lua-variable", "instructions", EPOLL,
           f"-small/{EPOLL}", 1300),
    figure("Lua header + path adds", "lua-header-path", "instructions", EPOLL,
           f"-small/{EPOLL}", 3000),
    figure("the same, another path each time", "lua-path-new", "instructions", EPOLL,
           f"-small/{EPOLL}", 3000),
    *(figure(f"Lua {text} adds / haproxy", job, "instructions", EPOLL, "haproxy", 0.05, base="small")
      for text, job in (("variable", "lua-variable"), ("argument", "lua-argument"),
                        ("header + path", "lua-header-path"),
                        ("header + new path", "lua-path-new"))),
    *(figure(f"policy call, {text}, ns", "policy-call", metric, "tidegate", None, least)
      for text, metric, least in (("memo", "memo_ns", 15), ("one variable", "var_ns", 100),
                                  ("header + path", "header_ns", 250))),
    *(figure(f"variable, {text}", "vars-hot", metric, "tidegate", None, least)
      for text, metric, least in (
          ("int read in C, ns", "read_ns", 6), ("beside a writer, ns", "read_beside_ns", 6),
          ("text of 64 read, ns", "read_text_ns", 40), ("write, ns", "write_ns", 200),
          ("read in Lua, ns", "lua_read_ns", 60), ("set by tidectl, ms", "set_ms", 3))),
    *(figure(f"reload, {n} workers, {text}", f"reload-{n}", metric, "tidegate", None, least)
      for n in (1, 2, 4)
      for text, metric, least in (("ms", "answer_ms", 50), ("stall us", "stall_max_us", 1000))),
    figure("commit of 1,000,000, stall us", "commit", "stall_median_max_us", "tidegate", None, 1000),
]


def look_up(table, job, metric, peer):
    return table.get(job, {}).get(peer, {}).get(metric)


def measured(table, f):
    """The figure as measured in this table; None when this run does not have it."""
    def look(job, peer):
        n = look_up(table, job, f["metric"], peer)
        base = look_up(table, f["base"], f["metric"], peer) if f["base"] else 0
        return None if n is None or base is None else n - base
    value = look(f["job"], f["of"])
    against = f["against"]
    if against is None or value is None:
        return value
    if against == "peers":
        rivals = [look(f["job"], p) for p in ("haproxy", "nginx")]
        other = min((r for r in rivals if r), default=None)
    else:
        job, _, peer = against.lstrip("-").rpartition("/")
        other = look(job or f["job"], peer)
    if not other:
        return None
    return value - other if against.startswith("-") else value / other


def verdict(f, value):
    def reached(limit):
        return value >= limit if f["more"] else value <= limit
    return GOAL if reached(f["goal"]) else LEAST if reached(f["least"]) else MISSED


def judge(table, instructions):
    """Rows of what this run, and the committed table of instructions, say about the figures."""
    both = {job: {p: dict(v) for p, v in peers.items()} for job, peers in table.items()}
    for job, peers in instructions.items():
        for peer, n in peers.items():
            both.setdefault(job, {}).setdefault(peer, {})["instructions"] = n
    rows = []
    for f in FIGURES:
        value = measured(both, f)
        if value is not None:
            rows.append(dict(f, measured=value, verdict=verdict(f, value)))
    return rows


def figures_table(rows):
    def number(x):
        return f"{x:.2f}" if x < 100 else f"{x:.0f}"
    out = [f"{'figure':34} {'least':>8} {'goal':>8} {'measured':>9}  verdict"]
    for r in rows:
        sign = ">=" if r["more"] else "<="
        out.append(f"{r['text']:34} {sign + number(r['least']):>8} {sign + number(r['goal']):>8} "
                   f"{number(r['measured']):>9}  {r['verdict']}")
    return out
