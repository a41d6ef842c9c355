"""A proxy under test: its configuration's frame, its start and its end. What differs between jobs
is filled in from the job's rows: {policy} (global matters), {front}, {back}, {more} (sections)."""
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path.insert(0, str(TOP / "tests/lib"))
from tide import free_port, wait_for  # noqa: E402

BODY = """
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 5s
    timeout http-keep-alive 60s
frontend bench
    bind 127.0.0.1:{port}
    maxconn {maxconn}
{front}
    default_backend app
backend app
{back}
{more}
"""

TIDE_HEAD = """
global
    nbthread {threads}
    io-engine {engine}
    maxconn {maxconn}
    stats socket {dir}/sock level admin mode 600
vars
    var maint int default 0
{policy}
""" + BODY

HAPROXY_HEAD = """
global
    nbthread {threads}
    maxconn {maxconn}
    set-var proc.maint int(0)
{policy}
""" + BODY

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


def say(text):
    print(text, file=sys.stderr, flush=True)


def listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def kind_of(name):
    """tidegate-epoll and tidegate-uring are both configured by a job's column 'tidegate'."""
    return name.split("-")[0]


def has_job(name, job):
    return bool(job.get(kind_of(name)))


class Peer:
    """One proxy, configured for one job, running on core 0 (with two workers on both)."""

    def __init__(self, name, job, out, origin, wrap=()):
        self.name, self.job, self.out, self.origin = name, job, out, origin
        self.port = free_port()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="bench."))
        self.log = self.dir / "log"
        for file, text in job.get("files", {}).items():
            (self.dir / file).write_text(text() if callable(text) else text)
        command = getattr(self, kind_of(name))()
        cores = "0" if job.get("threads", 1) == 1 else "0,1"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(["taskset", "-c", cores, *wrap, *map(str, command)],
                                            cwd=TOP, stdout=log, stderr=log)
        self.pid = self.process.pid
        try:
            wait_for(f"{name} listens", self.up, 60 if wrap else 15)
        except AssertionError:
            self.end()
            raise

    def up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n"
                                 + self.log.read_text()[-2000:])
        return listening(self.port)

    def fill(self, head, **more):
        words = self.job[kind_of(self.name)]
        if "script" in words:
            (self.dir / "p.lua").write_text(words["script"])
        values = dict(origin=self.origin, port=self.port, dir=self.dir, top=TOP,
                      threads=self.job.get("threads", 1), maxconn=self.job.get("maxconn", 9000),
                      **more)
        lines = {k: words.get(k, "").format(**values) for k in ("policy", "front", "back", "more")}
        (self.dir / "cfg").write_text(head.format(**values, **lines))
        return self.dir / "cfg"

    def tidegate(self):
        return [self.out / "tidegate", "-f", self.fill(TIDE_HEAD, engine=self.name.split("-")[1])]

    def haproxy(self):
        return ["/usr/sbin/haproxy", "-db", "-f", self.fill(HAPROXY_HEAD)]

    def nginx(self):
        return ["/usr/sbin/nginx", "-p", self.dir, "-c", self.fill(NGINX_HEAD)]

    def floor(self):
        program = self.out / "bench" / self.name.replace("-", "_")
        return [program, self.port, self.origin if self.job["floor"] == "relay" else 0]

    def command(self, text):
        """One command of tidegate's runtime socket; its answer."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(str(self.dir / "sock"))
            s.sendall(text.encode() + b"\n")
            return b"".join(iter(lambda: s.recv(65536), b"")).decode()

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Origin:
    """The bench's origin server on core 1, for all jobs of a run."""

    def __init__(self, out):
        self.process = subprocess.Popen(["taskset", "-c", "1", out / "bench/origin", "0"],
                                        stdout=subprocess.PIPE, text=True)
        self.pid, self.port = self.process.pid, int(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def build(out, name, *flags):
    """Compiles tests/bench/NAME.c into OUT/bench unless it is newer than its source."""
    binary, source = out / "bench" / name, HERE / f"{name}.c"
    binary.parent.mkdir(parents=True, exist_ok=True)
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["gcc", "-O2", "-std=gnu17", "-D_GNU_SOURCE", "-I", TOP / "include",
                        source, "-o", binary, *map(str, flags)], check=True)
    return binary


ENGINE_LIBS = "-pthread -llua5.4 -lcrypto -lm -ljansson -lpcre2-8 -lssl -lcrypt -lseccomp -luring"


def build_engine(out, name):
    """The same for one that calls the engine of OUT itself; made anew with it."""
    library, binary = out / "libtidegate.a", out / "bench" / name
    if binary.exists() and binary.stat().st_mtime < library.stat().st_mtime:
        binary.unlink()
    return build(out, name, "-flto=auto", "-I", TOP / "src", "-I", TOP / "tests/unit", library,
                 *ENGINE_LIBS.split())


def numbers(program, *args):
    """What a program prints, lines `name number`, as a dict; of a name that comes twice the most."""
    r = subprocess.run([program, *map(str, args)], stdout=subprocess.PIPE, text=True, check=True,
                       timeout=300)
    return parse(r.stdout)


def parse(text):
    result = {}
    for line in text.splitlines():
        name, number = line.split()
        result[name] = max(result.get(name, 0), float(number))
    return result
