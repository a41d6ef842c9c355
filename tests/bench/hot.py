"""The job vars-hot: a variable read by two threads while a third writes it without a pause, and the
same with nginx's shared dictionary (worker processes, LuaJIT). CPU time of one call, ns."""
import pathlib
import re
import subprocess
import tempfile

from peers import build, wait_for

READERS = 2

# Each worker plays its part at start and appends a line; worker 0 reads alone before the others go.
NGINX = """
daemon off; worker_processes %d; pid {dir}/nginx.pid; error_log /dev/null crit; user root;
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
events {{ worker_connections 64; }}
http {{
    lua_shared_dict vars 1m;
    init_by_lua_block {{ ngx.shared.vars:set("hot", 1) ngx.shared.vars:set("done", 0) }}
    init_worker_by_lua_block {{
        local d, id, readers, n = ngx.shared.vars, ngx.worker.id(), %d, 3000000
        local function say(what, start, calls)
            local f = io.open("{dir}/result", "a")
            f:write(what, " ", (os.clock() - start) / calls * 1e9, "\\n")
            f:close()
        end
        local function read(what)
            local start, sum = os.clock(), 0
            for i = 1, n do sum = sum + d:get("hot") end
            say(what, start, n)
        end
        local function write()
            local start, calls = os.clock(), 0
            repeat
                for i = 1, 1000 do d:set("hot", i) end
                calls = calls + 1000
            until d:get("done") == readers
            say("write_beside_ns", start, calls)
        end
        assert(ngx.timer.at(0, function()
            if id == 0 then read("read_ns") d:set("go", true) end
            while not d:get("go") do ngx.sleep(0.01) end
            if id == readers then return write() end
            read("read_beside_ns")
            d:incr("done", 1)
        end))
    }}
}}
""" % (READERS + 1, READERS)


def nginx():
    with tempfile.TemporaryDirectory(prefix="bench.") as d:
        result = pathlib.Path(d) / "result"
        (pathlib.Path(d) / "cfg").write_text(NGINX.format(dir=d))
        p = subprocess.Popen(["/usr/sbin/nginx", "-p", d, "-c", f"{d}/cfg"],
                             stderr=subprocess.DEVNULL)
        try:
            wait_for("nginx's workers are done", lambda: result.exists() and
                     len(result.read_text().splitlines()) == READERS + 2, 120)
            return parse(result.read_text())
        finally:
            p.terminate()
            p.wait()


def tidegate(out):
    program = build(out, "vars_read", out / "libtidevars.a", "-lm", "-pthread")
    return parse(subprocess.run([program, str(READERS)], stdout=subprocess.PIPE, text=True,
                                check=True, timeout=120).stdout)


def parse(text):
    """Lines `name ns` to {name: ns}; of several readers the slowest."""
    result = {}
    for name, ns in re.findall(r"^(\w+) +([\d.e+]+)$", text, re.M):
        result[name] = max(result.get(name, 0), float(ns))
    return result


def measure(out):
    return {"tidegate": tidegate(out), "nginx": nginx()}


def table(result):
    names = ["read_ns", "read_beside_ns", "write_beside_ns", "write_ns", "read_text_ns"]
    lines = [f"{'vars-hot, ns per call':22}" + "".join(f"{n[:-3].replace('_', ' '):>14}" for n in names)]
    for peer, figures in result.items():
        lines.append(f"{peer:22}" + "".join(
            f"{figures[n]:14.1f}" if n in figures else f"{'-':>14}" for n in names))
    return lines
