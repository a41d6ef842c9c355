"""The job reload: a script of 500 lines loaded anew, with 1, 2 and 4 workers. How long the operator
waits for the answer of `policy load`, beside a full load of requests, and how long a worker is held up
by it at most (policy_reload.c says how that is told from a busy machine)."""
import statistics
import tempfile
import threading
import time

from jobs import RETURN_RULE
from peers import Peer, build_engine, numbers, say
from rounds import generate

WORKERS = (1, 2, 4)
LINES, RELOADS = 500, 200
FUNCTION = """function rule_{i}(txn)
	local path = txn.path
	if path:sub(1, 8) == "/area{i:03}" then return vars.maint > {i} end
	return txn.headers["x-area"] == "{i}" and vars.maint > 0
end
"""
TEST = """test("closed", function(t)
	t.vars.maint = 1
	assert(is_maint())
end)
"""
SCRIPT = "function is_maint() return vars.maint > 0 end\n" + TEST
SCRIPT += "".join(FUNCTION.format(i=i) for i in range((LINES - 5) // 5))
assert SCRIPT.count("\n") == LINES


def stalls(out, workers):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as f:
        f.write(SCRIPT)
        f.flush()
        return numbers(build_engine(out, "policy_reload"), f.name, "is_maint", workers, RELOADS)


def answers(out, workers):
    """Seconds that `policy load` took to be confirmed by every worker, beside a load."""
    job = {"threads": workers, "tidegate": {
        "script": SCRIPT, "policy": "policy p\n    script {dir}/p.lua",
        "front": "    http-request deny if {{ lua(is_maint) }}", "back": RETURN_RULE}}
    peer, took = Peer("tidegate-uring", job, out, 0), []
    try:
        load = threading.Thread(target=generate, args=(peer, ["-s", "4"]))
        load.start()
        for i in range(RELOADS):
            (peer.dir / "p.lua").write_text(f"{SCRIPT}-- {i}\n")
            start = time.monotonic()
            answer = peer.command("policy load p")
            took.append(time.monotonic() - start)
            if f"workers {workers}/{workers}" not in answer:
                raise AssertionError(f"policy load: {answer}")
        load.join()
    finally:
        peer.end()
    return sorted(took)


def measure(out):
    """{"reload-N": {"tidegate": figures}}, as the other jobs have them."""
    result = {}
    for n in WORKERS:
        took, own = answers(out, n), stalls(out, n)
        result[f"reload-{n}"] = {"tidegate": {
            "answer_ms": statistics.median(took) * 1e3, "answer_max_ms": took[-1] * 1e3,
            "stall_p99_us": own["stall_p99_us"], "stall_max_us": own["stall_max_us"]}}
        say(f"reload with {n} workers: {RELOADS} times")
    return result


def table(result):
    lines = [f"{'reload of 500 lines':22}" + "".join(
        f"{n:>14}" for n in ("answer ms", "max ms", "stall p99 us", "stall max us"))]
    return lines + [f"{job + ' workers':22}" + "".join(f"{v:14.2f}" for v in rows["tidegate"].values())
                    for job, rows in result.items()]
