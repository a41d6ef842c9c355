"""The job commit: a map of a million entries takes the place of another beside a load of requests.
How long the operator waits for `commit map`, and what the requests meanwhile took. Worker and load
generator run under SCHED_FIFO when this process may say so, with one connection, which leaves half of
each core to the others: that takes the waiting for a processor off the figures, and what is left is
the proxy's and the memory's. What a worker itself is held up, other processes' work taken off,
pattern_commit.c tells."""
import os
import pathlib
import statistics
import threading
import time

from jobs import RETURN_RULE
from peers import Peer, build_engine, numbers, say
from rounds import generate

ENTRIES, PIECE, COMMITS, OWN_COMMITS = 1000000, 2000, 3, 11
LOAD = ["-c", "1", "-u", "/some/path/0500000"]
RULE = "    http-request set-var(txn.m) path,map_str({dir}/map,none)"
FIFO = 10
TURNS = ("p999_us", "max_us", "median_max_us", "over_1ms", "slept", "turns")


def first(thread):
    """That thread before everything else, and what it starts; 0: this one. Not allowed: as it is."""
    try:
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(FIFO))
    except PermissionError:
        pass


def spread(peer):
    """The worker on core 0, before everything else; the other threads where there is room."""
    for task in pathlib.Path(f"/proc/{peer.pid}/task").iterdir():
        worker = (task / "comm").read_text().startswith("worker")
        os.sched_setaffinity(int(task.name), {0} if worker else {0, 1})
        if worker:
            first(int(task.name))


def fill(peer, turn):
    version = peer.command(f"prepare map {peer.dir}/map").split()[-1]
    for at in range(0, ENTRIES, PIECE):
        lines = "".join(f"/some/path/{i:07} v{turn}\n" for i in range(at, at + PIECE))
        answer = peer.command(f"add map @{version} {peer.dir}/map <<\n{lines}")
        if answer.strip():
            raise AssertionError(f"add map: {answer}")
    return version


def beside(peer, seconds, act):
    """What the load counted, and what act() gave meanwhile."""
    result = []

    def run():
        first(0)
        result.append(generate(peer, ["-s", str(seconds), *LOAD]))
    load = threading.Thread(target=run)
    load.start()
    time.sleep(0.5)
    gave = act()
    load.join()
    return result[0], gave


def requests(out):
    """The answer's time and, of each commit, what the load counted before and meanwhile."""
    job = {"files": {"map": "/some/path/0500000 v\n"},
           "tidegate": {"front": RULE, "back": RETURN_RULE}}
    peer, rows, took = Peer("tidegate-epoll", job, out, 0), [], []

    def commit():
        start = time.monotonic()
        if answer := peer.command(f"commit map @{version} {peer.dir}/map").strip():
            raise AssertionError(f"commit map: {answer}")
        return time.monotonic() - start
    try:
        spread(peer)
        for turn in range(COMMITS):
            version = fill(peer, turn)
            quiet, _ = beside(peer, 2, lambda: None)
            during, spent = beside(peer, 2, commit)
            took.append(spent)
            rows.append((quiet, during))
    finally:
        peer.end()
    return statistics.median(took), rows


def measure(out):
    """{"commit": {"tidegate": figures}}; of the requests the median commit's."""
    answer, rows = requests(out)
    own = numbers(build_engine(out, "pattern_commit"), "str", ENTRIES, OWN_COMMITS)
    say(f"commit of {ENTRIES} entries: {COMMITS} times beside requests, {OWN_COMMITS} beside a worker")

    def middle(i):
        return {k: statistics.median(r[i][k] for r in rows) for k in ("p99_us", "p999_us", "max_us")}
    return {"commit": {"tidegate": {
        "answer_ms": answer * 1e3, **middle(1), **{"quiet_" + k: v for k, v in middle(0).items()},
        **{"stall_" + k: own["commit_" + k] for k in TURNS},
        **{"quiet_stall_" + k: own["quiet_" + k] for k in TURNS}}}}


def table(result):
    f = result["commit"]["tidegate"]

    def row(name, *columns):
        return f"{name:30}" + "".join(f"{c if isinstance(c, str) else round(c):>12}" for c in columns)
    return [f"commit of {ENTRIES} map entries, answered in {f['answer_ms']:.0f} ms",
            row("", "p99.9 us", "max us", "median max", "over 1 ms", "slept", "of"),
            row("a request beside it", f["p999_us"], f["max_us"]),
            row("the same before it", f["quiet_p999_us"], f["quiet_max_us"]),
            row("a worker's turn beside it", *(f["stall_" + k] for k in TURNS)),
            row("the same before it", *(f["quiet_stall_" + k] for k in TURNS))]
