"""What the test programs share: start a real tidegate, talk to it, end it by its pid."""
import contextlib
import http.client
import http.server
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]


# What takes longer than this is said never to happen. On a machine that does much else, a program may wait
# for tens of seconds before it runs at all; who waits for something good loses nothing by patience.
PATIENCE = 60.0

leases = []  # by free_port, held until this process ends


def free_port():
    """Below the ports that the system gives to clients, so that no connection of another test takes it before
    it is bound. A name of the abstract kind is held for each, so that no other test is given it either: it
    may be long before a program binds it."""
    while True:
        port = random.randrange(10240, 32768)
        lease = socket.socket(socket.AF_UNIX)
        try:
            lease.bind(f"\0tidegate-test-port-{port}")
            with socket.socket() as s, socket.socket() as mine:
                if s.connect_ex(("127.0.0.1", port)) != 0:
                    mine.bind(("127.0.0.1", port))
                    leases.append(lease)
                    return port
        except OSError:
            pass
        lease.close()


def stops_runaways(out):
    """Not in a build with gcc's or clang's thread sanitizer, which keeps a signal back until the thread calls a
    function of the C library: Lua that loops does not."""
    stops = b"__tsan_init" not in (pathlib.Path(out) / "tidegate").read_bytes()
    if not stops:
        print("left out under the thread sanitizer: runaway scripts, whose stop it keeps back")
    return stops


def load_generator(out):
    """The bench's, built when it is missing or old; many may ask at once."""
    source, program = TOP / "tests/bench/load.c", pathlib.Path(out) / "bench/load"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        program.parent.mkdir(exist_ok=True)
        mine = program.with_name(f"load.{os.getpid()}")
        subprocess.run(["gcc", "-O2", "-D_GNU_SOURCE", str(source), "-o", str(mine)], check=True)
        mine.rename(program)
    return program


def wait_for(what, condition, seconds=PATIENCE):
    """Calls condition until it is true; an assertion that names `what` when it never is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError(f"not seen within {seconds:g} s: {what}")


def hold(pid):
    """SIGSTOP; returns once no thread runs any more. The first one to take the signal tells the others, and may
    have to wait for a processor while they answer."""
    def all_stopped():
        stats = [f.read_text() for f in pathlib.Path(f"/proc/{pid}/task").glob("*/stat")]
        return all(s.rsplit(")", 1)[1].split()[0] in "TZX" for s in stats)
    os.kill(pid, signal.SIGSTOP)
    with contextlib.suppress(OSError):  # it has ended
        wait_for("it stands still", all_stopped)


class Proxy:
    """A tidegate of its own folder, with its CLI socket and variable file in it."""

    def __init__(self, out, config, **env):
        self.out = pathlib.Path(out).resolve()
        self.config = config
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tide."))
        self.socket = self.dir / "sock"
        self.vars = self.dir / "vars"
        self.port = free_port()
        self.log = self.dir / "log"
        self.env = dict(
            os.environ,
            TIDEGATE_SOCKET=str(self.socket),
            TIDEGATE_VARS=str(self.vars),
            TIDEGATE_BIND=f"127.0.0.1:{self.port}",
            **{k: str(v) for k, v in env.items()},
        )
        self.process = None

    def workers(self):
        """Worker processes of a master (-W), the eldest first."""
        with contextlib.suppress(OSError):
            tasks = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
            return [int(pid) for pid in pathlib.Path(tasks).read_text().split()]
        return []

    def start(self, *args):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.out / "tidegate", "-f", str(self.config), *args],
                cwd=TOP, env=self.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_for("the proxy listens", self.listens)
        return self

    def listens(self):
        if self.process.poll() is not None:
            raise AssertionError(
                f"tidegate ended with {self.process.returncode}:\n{self.log.read_text()}")
        return self.socket.exists() and self.connects() and self.ctl("cli", "show version")[0] == 0

    def connects(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def kill(self):
        """SIGKILL; returns once the kernel has taken the listening sockets down too, which for a
        process with an io_uring happens a moment after its end."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        wait_for("the port is free", lambda: not self.connects())

    def stop(self):
        """Ends it politely; returns its exit status. The folder stays until clean()."""
        if self.process is None or self.process.poll() is not None:
            return self.process.returncode if self.process else None
        self.process.terminate()
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("tidegate did not stop on SIGTERM")

    def clean(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.clean()

    def ctl(self, *args, stdin=None):
        """tidectl against its socket: (exit status, output)."""
        r = subprocess.run([self.out / "tidectl", "-S", str(self.socket), *map(str, args)],
                           cwd=TOP, env=self.env, input=stdin, text=True, timeout=PATIENCE,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return r.returncode, r.stdout

    def ctl_file(self, *args, stdin=None):
        """tidectl on the variable file, without the proxy."""
        r = subprocess.run([self.out / "tidectl", "--file", str(self.vars), *map(str, args)],
                           cwd=TOP, env=self.env, input=stdin, text=True, timeout=PATIENCE,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return r.returncode, r.stdout

    def rss_kib(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0

    def connection(self, source=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE,
                                       source_address=(source, 0) if source else None)
        return c


def get(connection, path="/", headers=None):
    """One request on a kept connection: (status, headers, body)."""
    connection.request("GET", path, headers=headers or {})
    r = connection.getresponse()
    return r.status, r.headers, r.read().decode()


class Origin:
    """A server that answers 200 with its name, on a port of its own; while held, it keeps requests
    waiting."""

    def __init__(self, name):
        body = name.encode()
        go = self.go = threading.Event()
        go.set()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65536  # head and body in one segment

            def do_GET(self):  # noqa: N802
                go.wait(PATIENCE)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def hold(self):
        self.go.clear()

    def release(self):
        self.go.set()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
