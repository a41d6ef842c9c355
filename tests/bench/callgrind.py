"""User-space instructions per request, and where they go. A proxy starts under callgrind, counting
is switched on, and two loads of different length are counted apart: their difference is what the
requests cost, without connections and start. Counted is the thread that works most: the others have
nothing to do with requests, but what they do by the clock (the watchdog of scripts looks each
millisecond) would count many times, as a program under callgrind takes so much longer. valgrind has no
io_uring, so tidegate is on epoll."""
import json
import pathlib
import re
import statistics
import subprocess
import tempfile

from peers import HERE, Peer, has_job, say
from rounds import Idle, generate

TABLE = HERE / "instructions.json"
PROFILES = HERE / "profiles"
MOVED = 0.03
TOP_FUNCTIONS = 25


def control(pid, *words):
    r = subprocess.run(["callgrind_control", *words, str(pid)], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=120)
    if "OK." not in r.stdout:
        raise AssertionError(f"callgrind_control {' '.join(words)}: {r.stdout}")


def total(path):
    return int(re.search(r"^totals: (\d+)", path.read_text(), re.M)[1])


def busiest(folder, dump):
    """The file of the thread that did most, of that dump (from 1): cg.DUMP-THREAD."""
    return max(folder.glob(f"cg.{dump}-*"), key=total)


def count(name, job, out, origin, keep=None):
    """Instructions per request of one peer under one job; keep(path, requests) sees the dump."""
    n = job["n"]
    with tempfile.TemporaryDirectory(prefix="bench.") as d:
        file = pathlib.Path(d) / "cg"
        peer = Peer(name, job, out, origin.port,
                    ["valgrind", "--tool=callgrind", "--instr-atstart=no", "-q",
                     "--separate-threads=yes", f"--callgrind-out-file={file}"])
        try:
            generate(peer, ["-n", "500"])
            with Idle(peer):
                control(peer.pid, "-i", "on")
                for requests in (n, 3 * n):
                    generate(peer, ["-n", str(requests), *job["load"]])
                    control(peer.pid, "-d")
            short, long = (busiest(file.parent, i) for i in (1, 2))
            if keep:
                keep(long, 3 * n)
            return round((total(long) - total(short)) / (2 * n))
        finally:
            peer.end()


def profile(path, name, job_name, requests):
    """Writes profiles/JOB.txt: the functions that cost most, and their share."""
    text = subprocess.run(["callgrind_annotate", "--auto=no", "--threshold=100", path],
                          stdout=subprocess.PIPE, text=True, check=True, timeout=120).stdout
    cost = {}
    for m in re.finditer(r"^\s*([\d,]+) \(\s*[\d.]+%\)\s+(\S+):(\S+)", text, re.M):
        cost[m[3], m[2]] = cost.get((m[3], m[2]), 0) + int(m[1].replace(",", ""))
    all_of_it = total(path)
    lines = [f"{job_name}, {name}: where the user-space instructions of a request go",
             f"{'share':>6} {'instructions':>12}  function (file)"]
    for (function, file), n in sorted(cost.items(), key=lambda c: -c[1])[:TOP_FUNCTIONS]:
        file = re.sub(r"^.*/(?=(src|include)/)|^\?\?\?$|^\./.*/", "", file)
        lines.append(f"{n / all_of_it:6.1%} {n / requests:12.0f}  {function}"
                     + (f" ({file})" if file else ""))
    PROFILES.mkdir(exist_ok=True)
    (PROFILES / f"{job_name}.txt").write_text("\n".join(lines) + "\n")


def count_all(jobs, peers, out, origin, profiles):
    """{job: {peer: instructions per request}} of the jobs that can be counted."""
    result = {}
    for job_name, job in jobs.items():
        for peer in peers + [p for p in job.get("beside", []) if p not in peers]:
            if not job["n"] or not has_job(peer, job):
                continue
            keep = profiles and peer == "tidegate-epoll" and \
                (lambda path, n: profile(path, peer, job_name, n))
            # Lua seeds its hashes anew in each process: chains differ in length.
            counts = [count(peer, job, out, origin, keep) for _ in range(3 if "lua" in job_name else 1)]
            n = statistics.median(counts)
            result.setdefault(job_name, {})[peer] = n
            say(f"{job_name} {peer}: {n} instructions per request")
    return result


def committed():
    return json.loads(TABLE.read_text()) if TABLE.exists() else {}


def update(result):
    known = committed()
    for job, peers in result.items():
        known.setdefault(job, {}).update(peers)
    TABLE.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def compare(result):
    """Prints all against the committed table; the jobs of tidegate that grew by 3 percent."""
    known, moved = committed(), {}
    for job, peers in result.items():
        for peer, n in peers.items():
            old = known.get(job, {}).get(peer)
            change = (n - old) / old if old else 0
            print(f"{job:26} {peer:15} {n:9} instructions/request  "
                  + (f"{change:+.1%} against {old}" if old else "not in the table yet"))
            if peer.startswith("tidegate") and abs(change) >= MOVED:
                moved[job] = change
    for job, change in moved.items():
        print(f"{job} moved: {change:+.1%}")
    if not moved:
        print(f"no job of tidegate moved by {MOVED:.0%}")
    elif max(moved.values()) < 0:
        print("all that moved got faster: UPDATE=1 writes the new table")
    return [job for job, change in moved.items() if change > 0]
