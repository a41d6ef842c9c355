"""CPU time and latency: one round is one peer under one job's load for some seconds. Rounds go in
turn A B C A B C, so that what drifts (clock, heat, neighbours) meets all peers alike."""
import json
import os
import pathlib
import statistics
import subprocess
import threading
import time

from peers import Peer, has_job, say

TICK = os.sysconf("SC_CLK_TCK")
DISTURBED = 0.08  # of one core, used by others: a round above it is repeated
SATURATED = 0.93  # of its cores: below it the generator or the origin was the limit


def cpu_ns(pid):
    """CPU time of all threads of a process, ns (the scheduler's own account)."""
    return sum(int((t / "schedstat").read_text().split()[0])
               for t in pathlib.Path(f"/proc/{pid}/task").iterdir())


def user_share(pid, since=(0, 0)):
    """(user, system) ticks of a process, less those of `since`."""
    f = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(f[11]) - since[0], int(f[12]) - since[1]


def busy_s():
    """Seconds that all cores together were busy, or stolen, since boot."""
    f = [int(x) for x in open("/proc/stat").readline().split()[1:]]
    return (sum(f[:3]) + sum(f[5:8])) / TICK


def own_s():
    return sum(os.times()[:4])


def rss_bytes(pid):
    for line in open(f"/proc/{pid}/smaps_rollup"):
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    return 0


def generate(peer, words):
    """Runs the load generator on core 1 against a peer; what it counted."""
    r = subprocess.run(["taskset", "-c", "1", peer.out / "bench/load", "-p", str(peer.port), *words],
                       stdout=subprocess.PIPE, text=True, timeout=600)
    if not r.stdout:
        raise AssertionError(f"{peer.name}: the load generator failed")
    return json.loads(r.stdout)


class Idle:
    """A job's idle connections: each has served one request, and stands until the end."""

    def __init__(self, peer):
        self.process = None
        if n := peer.job.get("idle"):
            self.process = subprocess.Popen(
                ["taskset", "-c", "1", peer.out / "bench/load", "-p", str(peer.port), "-i", str(n)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            if self.process.stdout.readline() != b"ready\n":
                raise AssertionError(f"{peer.name}: {n} idle connections cannot be had")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.communicate()


class Commands:
    """A job's command, sent every so often beside the load, with its script written anew."""

    def __init__(self, peer):
        self.peer, self.over, self.sent = peer, threading.Event(), 0
        self.during = peer.job.get("during")
        self.thread = threading.Thread(target=self.command) if self.during else None

    def __enter__(self):
        if self.thread:
            self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        if self.thread:
            self.thread.join()

    def command(self):
        every, text, script = self.during
        while not self.over.wait(every):
            self.sent += 1
            (self.peer.dir / "p.lua").write_text(f"{script}-- {self.sent}\n")
            answer = self.peer.command(text)
            if "error" in answer or not answer.strip():
                raise AssertionError(f"{text}: {answer}")


def one_round(name, job, out, origin, seconds):
    """Figures of one round of one peer; `others` is the share of a core that others used."""
    peer = Peer(name, job, out, origin.port)
    try:
        generate(peer, ["-n", "500"])
        warm = rss_bytes(peer.pid)
        with Idle(peer):
            grown = rss_bytes(peer.pid) - warm
            figures = loaded(peer, origin, seconds)
        if job.get("idle"):
            figures["bytes_per_idle"] = grown / job["idle"]
        return figures
    finally:
        peer.end()


def loaded(peer, origin, seconds):
    """Figures of one load on a running peer."""
    job, origin_ns, busy, own = peer.job, cpu_ns(origin.pid), busy_s(), own_s()
    cpu, ticks, wall = cpu_ns(peer.pid), user_share(peer.pid), time.monotonic()
    with Commands(peer) as commands:
        result = generate(peer, ["-s", str(seconds), *job["load"]])
    wall, cpu = time.monotonic() - wall, cpu_ns(peer.pid) - cpu
    user, system = user_share(peer.pid, ticks)
    ours = (cpu + cpu_ns(origin.pid) - origin_ns) / 1e9 + own_s() - own
    figures = per_request(result, cpu, user / max(1, user + system))
    figures["others"] = max(0.0, busy_s() - busy - ours) / wall
    figures["used"] = cpu / 1e9 / result["seconds"] / job.get("threads", 1)
    if job.get("bytes"):
        figures["ns_per_kib"] = cpu / result["requests"] / job["bytes"] * 1024
    if job.get("during"):
        figures["commands"] = commands.sent
    return figures


def per_request(result, cpu, user):
    n = result["requests"]
    cpu_us = cpu / 1e3 / n
    return dict({k: result[k] for k in ("p50_us", "p99_us", "p999_us", "max_us", "errors")},
                cpu_us=cpu_us, user_us=cpu_us * user, system_us=cpu_us * (1 - user),
                rps=n / result["seconds"])


def undisturbed(where, play, repeats, tally):
    """Plays a round until others leave the cores alone, some times at most; the calmest."""
    tries = []
    while not tries or (tries[-1]["others"] > DISTURBED and len(tries) <= repeats):
        tries.append(play())
        if tries[-1]["others"] > DISTURBED:
            say(f"  {where}: other processes used {tries[-1]['others']:.0%} of a core")
    best = min(tries, key=lambda f: f["others"])
    tally["repeated"] += len(tries) - 1
    tally["kept disturbed"] += best["others"] > DISTURBED
    return best


def measure(jobs, peers, out, origin, settings):
    """{job: {peer: medians of the rounds}}, and how many rounds were disturbed."""
    table, tally, begun = {}, {"repeated": 0, "kept disturbed": 0}, time.monotonic()
    for at, (job_name, job) in enumerate(jobs.items()):
        rounds = {p: [] for p in peers if has_job(p, job)}
        for r in range(settings["rounds"]):
            for peer, figures in rounds.items():
                figures.append(undisturbed(
                    f"{job_name}/{peer}",
                    lambda: one_round(peer, job, out, origin, settings["seconds"]),
                    settings["repeats"], tally))
        table[job_name] = {p: {k: statistics.median(f[k] for f in fs) for k in fs[0]}
                           for p, fs in rounds.items()}
        say(f"[{time.monotonic() - begun:4.0f} s] {at + 1} of {len(jobs)}: {job_name}, "
            f"{settings['rounds']} rounds of {len(rounds)} proxies")
    return table, tally
