"""The job vars-hot: a variable read by two threads while a third writes it without a pause, and the
same with nginx's shared dictionary (worker processes, LuaJIT). CPU time of one call, ns. Beside it
what others pay: a Lua program, and a shell that runs tidectl, ms of the clock. And the job
policy-call: the engine's part of a call, without a request around it."""
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

from peers import build, build_engine, numbers, parse, wait_for

READERS, SETS = 2, 300
JSON = '{"tidegate-vars": 1, "variables": [{"name": "hot", "type": "int", "value": 1}]}'

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


LUA = """
package.cpath = "{out}/lua5.4/?.so"
local t, calls = assert(require "tidevars".open("{file}")), 5000000
assert(t:get("hot") == 1)
local start = os.clock()
for i = 1, calls do local v = t:get("hot") end
print("lua_read_ns", (os.clock() - start) / calls * 1e9)
"""


def from_outside(out):
    """Reads of a Lua program, and tidectl as a process: both on a table's file, without a proxy."""
    with tempfile.TemporaryDirectory(prefix="bench.") as d:
        file = f"{d}/vars"
        (pathlib.Path(d) / "hot.json").write_text(JSON)
        subprocess.run([out / "tidectl", "vars", "restore", file, f"{d}/hot.json"], check=True,
                       stdout=subprocess.DEVNULL)
        result = {"set_ms": statistics.median(set_once(out, file) for _ in range(SETS)) * 1e3}
        (pathlib.Path(d) / "hot.lua").write_text(LUA.format(out=out, file=file))
        return dict(result, **numbers("lua5.4", f"{d}/hot.lua"))


def set_once(out, file):
    """Seconds from the start of `tidectl set` to its end."""
    command = [str(out / "tidectl"), "--file", file, "set", "hot", "1"]
    start = time.monotonic()
    _, status = os.waitpid(os.posix_spawn(command[0], command, os.environ), 0)
    took = time.monotonic() - start
    if status != 0:
        raise AssertionError(f"{' '.join(command)}: status {status}")
    return took


def tidegate(out):
    program = build(out, "vars_read", out / "libtidevars.a", "-lm", "-pthread")
    return dict(numbers(program, READERS), **from_outside(out))


def policy_calls(out):
    return {"tidegate": numbers(build_engine(out, "policy_call"))}


def measure(out):
    return {"tidegate": tidegate(out), "nginx": nginx()}


def table(result):
    names = ["read_ns", "read_beside_ns", "write_beside_ns", "write_ns", "read_text_ns", "lua_read_ns"]
    lines = [f"{'vars-hot, ns per call':22}" + "".join(f"{n[:-3].replace('_', ' '):>14}" for n in names)]
    for peer, figures in result.items():
        lines.append(f"{peer:22}" + "".join(
            f"{figures[n]:14.1f}" if n in figures else f"{'-':>14}" for n in names))
    return lines


def calls_table(result):
    return [f"{'policy-call, ns per call':26}" + "".join(
        f"{name[:-3]:>8} {ns:.1f}" for name, ns in result["tidegate"].items())]
