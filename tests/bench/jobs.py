"""The bench's jobs, as data. A job says what each peer is configured with (a peer without a column
has no such job), which words the load generator gets, and what else differs from the plain case:
  floor    "relay" or "page": what the floor programs do for it
  idle     connections that stand idle beside the load
  threads  workers of the proxy
  maxconn  where 9000 is not enough
  files    name -> text, written beside the configuration
  during   (seconds, command, lua): every so often p.lua is written anew and the command sent
  beside   whom bench-instructions counts too, for a figure of figures.py
  n        requests of a short callgrind run (a long one has three times as many); 0: not counted
{origin}, {port}, {dir}, {top} are filled in by peers.py."""
import fnmatch

SERVER = "    server o 127.0.0.1:{origin}"
STICKY = "    cookie SRV insert indirect\n" + SERVER + " cookie s1"
TRACK = ("    stick-table type ip size 100k expire 10m store http_req_rate(10s)\n"
         "    http-request track-sc0 src\n"
         "    http-request deny if {{ sc_http_req_rate(0) gt 1000000 }}")
NGINX_PROXY = ('proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; '
               "proxy_pass http://app;")

LUA_VAR = "function is_maint() return vars.maint > 0 end\n"
LUA_HEADER = ("function beta(txn)\n"
              "\treturn txn.headers['user-agent'] == 'x' or txn.path:sub(1, 6) == '/beta/'\nend\n")
LUA_WORK = ("function work()\n\tlocal n = 0\n\tfor i = 1, 100000 do n = n + i % 7 end\n"
            "\treturn n < 0\nend\n")
HAPROXY_LUA_VAR = ('core.register_fetches("is_maint", function(txn)\n'
                   '\treturn txn:get_var("proc.maint") > 0\nend)\n')
HAPROXY_LUA_HEADER = ('core.register_fetches("beta", function(txn)\n'
                      '\treturn txn.sf:req_hdr("user-agent") == "x"'
                      ' or txn.sf:path():sub(1, 6) == "/beta/"\nend)\n')
NGINX_LUA_VAR = ("access_by_lua_block {{ if ngx.shared.vars:get('maint') > 0 then "
                 "return ngx.exit(403) end }}")
NGINX_LUA_HEADER = ("access_by_lua_block {{ if ngx.var.http_user_agent == 'x' or "
                    "ngx.var.uri:sub(1, 6) == '/beta/' then return ngx.exit(403) end }}")


def plain(*load, **more):
    return dict({"load": list(load), "n": 2000, "tidegate": {"back": SERVER},
                 "haproxy": {"back": SERVER}, "nginx": {"back": NGINX_PROXY}}, **more)


def ruled(tidegate, haproxy, nginx, *load, **more):
    """Plain proxying with one rule in front; nginx None: it has no such rule."""
    return plain(*load, **dict({
        "tidegate": {"front": tidegate, "back": SERVER},
        "haproxy": {"front": haproxy, "back": SERVER},
        "nginx": nginx and {"front": nginx, "back": NGINX_PROXY}}, **more))


def lua_job(tidegate, haproxy, nginx, *load, **more):
    """tidegate and haproxy: (script, function whose truth denies)."""
    job = ruled("    http-request deny if {{ lua(%s) }}" % tidegate[1],
                "    http-request deny if {{ lua.%s -m bool }}" % haproxy[1], nginx, *load,
                **more)
    job["tidegate"].update(script=tidegate[0], policy="policy p\n    script {dir}/p.lua")
    job["haproxy"].update(script=haproxy[0], policy="    lua-load {dir}/p.lua")
    job["nginx"]["policy"] = "init_by_lua_block {{ ngx.shared.vars:set('maint', 0) }}"
    return job


RETURN_RULE = ('    http-request return status 200 content-type text/plain '
               'string "Hello, world"')


def returned(*load, **more):
    return plain(*load, **dict({
        "tidegate": {"back": RETURN_RULE}, "haproxy": {"back": RETURN_RULE},
        "nginx": {"back": 'default_type text/plain; return 200 "Hello, world";'}}, **more))


def map_lines(n):
    return {"map": lambda: "".join(f"/some/path/{i:07} v{i}\n" for i in range(n))}


def map_job(kind, n, **more):
    rule = "    http-request set-header X-Map %%[path,%s({dir}/map,none)]" % kind
    return ruled(rule, rule, None, "-u", f"/some/path/{n // 2:07}", files=map_lines(n), **more)


def body(size, *load, n=2000, **more):
    return plain(*load, bytes=size, n=n, **more)


def down(size, *load, chunked=False, **more):
    return body(size, "-u", f"/{'chunked' if chunked else 'bytes'}/{size}", *load, **more)


def up(size, *load, chunked=False, **more):
    return body(size, "-b", str(size), *load, *(["-t"] if chunked else []), **more)


def lua_bound(threads):
    """A page behind 100,000 turns of a Lua loop: the generator is idle, so that workers show."""
    return {"load": ["-c", "64"], "n": 0, "threads": threads, "tidegate": {
        "script": LUA_WORK, "policy": "policy p\n    script {dir}/p.lua\n    budget 1s",
        "front": "    http-request deny if {{ lua(work) }}", "back": RETURN_RULE}}


def under_reload(command):
    job = lua_job((LUA_VAR, "is_maint"), (HAPROXY_LUA_VAR, "is_maint"), NGINX_LUA_VAR)
    return {"load": [], "n": 0, "tidegate": job["tidegate"], "during": (0.05, command, LUA_VAR)}


KIB, MIB = 1 << 10, 1 << 20
MAINT = "    http-request deny if {{ var(%s.maint) -m int gt 0 }}"

JOBS = {
    "small": plain(floor="relay", beside=["haproxy"]),
    "acl-variable": ruled(MAINT % "shm", MAINT % "proc",
                          "set $maint 0; if ($maint) {{ return 403; }}"),
    "lua-variable": lua_job((LUA_VAR, "is_maint"), (HAPROXY_LUA_VAR, "is_maint"), NGINX_LUA_VAR,
                            beside=["haproxy"]),
    "lua-argument": lua_job((LUA_VAR, "is_maint,word"), (HAPROXY_LUA_VAR, "is_maint(word)"),
                            NGINX_LUA_VAR, beside=["haproxy"]),
    "lua-header-path": lua_job((LUA_HEADER, "beta"), (HAPROXY_LUA_HEADER, "beta"),
                               NGINX_LUA_HEADER, beside=["haproxy"]),
    "lua-path-new": lua_job((LUA_HEADER, "beta"), (HAPROXY_LUA_HEADER, "beta"),
                            NGINX_LUA_HEADER, "-u", "/app/########", beside=["haproxy"]),
    "return": returned(floor="page"),
    "connection-each": plain("-k", n=500),
    "cookie": plain("-H", "Cookie: theme=dark; SRV=s1; lang=en",
                    tidegate={"back": STICKY}, haproxy={"back": STICKY}, nginx=None),
    "track": ruled(TRACK, TRACK, None, beside=["haproxy"]),
    "headers-40": plain(*(w for i in range(40) for w in ("-H", f"X-Header-{i}: value number {i}"))),
    "pipeline-16": plain("-w", "16"),
    "return-pipeline-16": returned("-w", "16"),
    "idle-3000": plain(idle=3000),
    "map-str-1000": map_job("map_str", 1000),
    "map-str-100000": map_job("map_str", 100000),
    "map-beg-1000": map_job("map_beg", 1000),
    "map-beg-100000": map_job("map_beg", 100000),
    "down-64k": down(64 * KIB, n=400),
    "down-1m": down(MIB, n=40),
    "down-64m": down(64 * MIB, "-c", "4", n=0),
    "down-chunked-64k": down(64 * KIB, chunked=True, n=400),
    "down-chunked-1m": down(MIB, chunked=True, n=40),
    "down-chunked-64m": down(64 * MIB, "-c", "4", chunked=True, n=0),
    "up-64k": up(64 * KIB, n=400),
    "up-1m": up(MIB, n=40),
    "up-64m": up(64 * MIB, "-c", "4", n=0),
    "up-chunked-64k": up(64 * KIB, chunked=True, n=400),
    "up-chunked-1m": up(MIB, chunked=True, n=40),
    "up-chunked-64m": up(64 * MIB, "-c", "4", chunked=True, n=0),
    "reload-none": under_reload("show version"),
    "reload-each-50ms": under_reload("policy load p"),
    "workers-2": plain(threads=2, n=0, nginx=None),
    "workers-lua-1": lua_bound(1),
    "workers-lua-2": lua_bound(2),
}

PARTS = ("vars-hot", "policy-call", "reload", "commit")  # without peers: hot, reload, commit.py
CORE = ["small", "acl-variable", "lua-variable", "lua-header-path", "return", "down-1m", "up-1m",
        "idle-3000"]


def chosen(words, usual):
    """The jobs that JOBS= asks for: names, patterns, `core`, `growth`, `all`; nothing: usual."""
    from growth import GROWTH_JOBS
    every = {**JOBS, **GROWTH_JOBS}
    groups = {"core": CORE, "growth": list(GROWTH_JOBS), "all": list(every)}
    names = []
    for word in words:
        found = groups.get(word) or fnmatch.filter(every, word)
        if not found and word not in PARTS:
            raise SystemExit(f"bench: no job is named {word}; there are:\n  "
                             + " ".join([*every, *PARTS]))
        names += [n for n in found if n not in names]
    return {n: every[n] for n in (names if words else usual)}
