"""Programs side by side: one configuration with a frontend for each case, through haproxy or tidegate."""
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading

import tide


# Hundreds of listeners at once: on an address of this process alone, below the ports that the kernel gives
# to connections, none can be taken meanwhile.
PID = os.getpid()
ADDRESS = f"127.{64 + (PID >> 14) % 64}.{PID >> 7 & 127}.{1 + (PID & 127)}"
PORTS = iter(range(20000, 32000))


def origin(answer):
    """A server that calls answer(socket, head) for each connection's first request; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(s):
        with s, contextlib.suppress(OSError):
            s.settimeout(tide.PATIENCE)
            head = b""
            while b"\r\n\r\n" not in head:
                piece = s.recv(65536)
                if not piece:
                    return
                head += piece
            answer(s, head)

    def run():
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
    threading.Thread(target=run, daemon=True).start()
    return listener.getsockname()[1]


class Side:
    """A program; `frontends` are the lines of each frontend, in `rest` stands what they use."""

    def __init__(self, command, begin, frontends, rest, **names):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tide."))
        self.log = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.log.bind(("127.0.0.1", 0))
        self.ports = [next(PORTS) for _ in frontends]
        text = begin
        for i, (lines, port) in enumerate(zip(frontends, self.ports)):
            text += f"\nfrontend f{i}\n    bind {ADDRESS}:{port}\n    {lines}\n"
        text += rest
        for name, value in {**names, "log": self.log.getsockname()[1]}.items():
            text = text.replace(f"@{name}@", str(value))
        (self.dir / "cfg").write_text(text)
        self.process = subprocess.Popen(
            [*command, "-f", self.dir / "cfg"], stdout=subprocess.DEVNULL,
            stderr=open(self.dir / "err", "wb"), env=dict(os.environ, TZ="Europe/Paris"))
        try:
            tide.wait_for("it listens", self.listens)
        except AssertionError:
            self.end()
            raise

    def listens(self):
        if self.process.poll() is not None:
            raise AssertionError((self.dir / "err").read_text())
        with contextlib.suppress(OSError), socket.create_connection(
                (ADDRESS, self.ports[-1]), 1):
            return True
        return False

    def ask(self, i, data, seconds=tide.PATIENCE):
        """All that frontend i answers to these bytes; a reset or a longer silence ends it."""
        answer = b""
        with contextlib.suppress(ConnectionResetError, TimeoutError), socket.create_connection(
                (ADDRESS, self.ports[i]), tide.PATIENCE) as s:
            s.settimeout(seconds)
            s.sendall(data)
            while piece := s.recv(65536):
                answer += piece
        return answer

    def line(self, mark):
        """The next log line that holds the mark; others' (of start and end) are passed over."""
        self.log.settimeout(tide.PATIENCE)
        while mark not in (line := self.log.recv(65536)):
            pass
        return line.rstrip(b"\n")

    def end(self):
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.dir)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def same(cases, differ):
    """differ(cases) plays them on both sides and returns {case: what differs}. What differs by chance, as when
    one of the programs had to wait for its turn on a busy machine, does not differ each time."""
    for _ in range(5):
        found = differ(cases)
        if not found:
            return
        cases = [case for case in cases if case in found]
    for case, what in found.items():
        print(f"{case}: {what}")
    raise AssertionError("what differs stands above, the other program's before ours")
