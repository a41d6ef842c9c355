"""The bench's jobs, as data: what each peer is configured with and what load it gets. A peer
whose column is None has no such job. {origin}, {port}, {top}, {dir} are filled in by run."""

TIDE_HEAD = """
global
    nbthread {threads}
    io-engine {engine}
    maxconn 9000
vars
    var maint int default 0
{policy}
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 5s
    timeout http-keep-alive 60s
frontend bench
    bind 127.0.0.1:{port}
    maxconn 9000
{front}
    default_backend app
backend app
{back}
"""

HAPROXY_HEAD = """
global
    nbthread 1
    maxconn 9000
    set-var proc.maint int(0)
{policy}
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 5s
    timeout http-keep-alive 60s
frontend bench
    bind 127.0.0.1:{port}
    maxconn 9000
{front}
    default_backend app
backend app
{back}
"""

NGINX_HEAD = """
daemon off; master_process off; worker_processes 1; pid {dir}/nginx.pid;
error_log /dev/null crit;
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
events {{ worker_connections 18000; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 60s;
    client_max_body_size 0; client_body_buffer_size 64k; proxy_request_buffering off;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/f;
    uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
    lua_shared_dict vars 1m;
    {policy}
    upstream app {{ server 127.0.0.1:{origin}; keepalive 512; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            {front}
            {back}
        }}
    }}
}}
"""

SERVER = "    server o 127.0.0.1:{origin}"
NGINX_PROXY = ('proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; '
               "proxy_pass http://app;")

LUA_VAR = "function is_maint() return vars.maint > 0 end\n"
LUA_HEADER = ("function beta(txn)\n"
              "\treturn txn.headers['user-agent'] == 'x' or txn.path:sub(1, 6) == '/beta/'\nend\n")
HAPROXY_LUA_VAR = ('core.register_fetches("is_maint", function(txn)\n'
                   '\treturn txn:get_var("proc.maint") > 0\nend)\n')
HAPROXY_LUA_HEADER = ('core.register_fetches("beta", function(txn)\n'
                      '\treturn txn.sf:req_hdr("user-agent") == "x"'
                      ' or txn.sf:path():sub(1, 6) == "/beta/"\nend)\n')


def lua_job(tide_script, tide_fn, haproxy_script, haproxy_fn, nginx):
    return {
        "tidegate": {"script": tide_script, "policy": "policy p\n    script {dir}/p.lua",
                     "front": "    http-request deny if {{ lua(%s) }}" % tide_fn, "back": SERVER},
        "haproxy": {"script": haproxy_script, "policy": "    lua-load {dir}/p.lua",
                    "front": "    http-request deny if {{ lua.%s -m bool }}" % haproxy_fn,
                    "back": SERVER},
        "nginx": {"policy": "init_by_lua_block {{ ngx.shared.vars:set('maint', 0) }}",
                  "front": nginx, "back": NGINX_PROXY},
    }


def plain(load, n, **more):
    return dict({
        "load": load, "n": n,
        "tidegate": {"back": SERVER}, "haproxy": {"back": SERVER}, "nginx": {"back": NGINX_PROXY},
        "floor": True,
    }, **more)


RETURN = {
    "tidegate": {"back": '    http-request return status 200 content-type text/plain '
                         'string "Hello, world"'},
    "haproxy": {"back": '    http-request return status 200 content-type text/plain '
                        'string "Hello, world"'},
    "nginx": {"back": 'default_type text/plain; return 200 "Hello, world";'},
}


def map_job(n):
    fetch = "    http-request deny if {{ path,map_str({dir}/map{n}) -m found }}".replace("{n}", str(n))
    return plain([], 60000, map=n, nginx=None, floor=False,
                 tidegate={"front": fetch, "back": SERVER},
                 haproxy={"front": fetch, "back": SERVER})


# name: load generator's words, number of requests, and each peer's lines
JOBS = {
    "small": plain([], 100000),
    "acl-variable": dict(plain([], 100000), floor=False,
                         tidegate={"front": "    http-request deny if {{ var(shm.maint) -m int gt 0 }}",
                                   "back": SERVER},
                         haproxy={"front": "    http-request deny if {{ var(proc.maint) -m int gt 0 }}",
                                  "back": SERVER},
                         nginx={"front": "set $maint 0; if ($maint) {{ return 403; }}",
                                "back": NGINX_PROXY}),
    "lua-variable": dict(plain([], 60000), floor=False, **lua_job(
        LUA_VAR, "is_maint", HAPROXY_LUA_VAR, "is_maint",
        "access_by_lua_block {{ if ngx.shared.vars:get('maint') > 0 then "
        "return ngx.exit(403) end }}")),
    "lua-header-path": dict(plain([], 60000), floor=False, **lua_job(
        LUA_HEADER, "beta", HAPROXY_LUA_HEADER, "beta",
        "access_by_lua_block {{ if ngx.var.http_user_agent == 'x' or "
        "ngx.var.uri:sub(1, 6) == '/beta/' then return ngx.exit(403) end }}")),
    "return": dict(plain([], 150000), floor=False, **RETURN),
    "connection-each": plain(["-k"], 20000, floor=False),
    "headers-40": plain([w for i in range(40) for w in ("-H", f"X-Header-{i}: value number {i}")],
                        60000, floor=False),
    "pipeline-16": dict(plain(["-w", "16"], 200000), floor=False, **RETURN),
    "down-64k": plain(["-u", "/bytes/65536"], 20000, floor=False),
    "down-1m": plain(["-u", "/bytes/1048576"], 2000, floor=False),
    "down-64m": plain(["-u", "/bytes/67108864", "-c", "4"], 24, floor=False),
    "down-chunked-1m": plain(["-u", "/chunked/1048576"], 1500, floor=False),
    "up-64k": plain(["-b", "65536"], 20000, floor=False),
    "up-1m": plain(["-b", "1048576"], 2000, floor=False),
    "up-64m": plain(["-b", "67108864", "-c", "4"], 24, floor=False),
    "up-chunked-1m": plain(["-b", "1048576", "-t"], 1500, floor=False),
    "idle-3000": plain(["-i", "3000"], 60000, floor=False, idle=3000),
    "map-1000": map_job(1000),
    "map-100000": map_job(100000),
}
