# SPDX-License-Identifier: MIT
"""HTTP/1 by the letter of RFC 9112, for tests: what a byte stream says when nothing is guessed.
Written apart from the proxy's parser and slow on purpose. A stream is read to the first byte that
two readers could understand differently; what stands before that is certain."""
import dataclasses
import re

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST_LINE = re.compile(rb"(%s) ([\x21\x22\x24-\x7e]+) HTTP/1\.([0-9])" % TOKEN)
STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?")
FIELD = re.compile(rb"(%s):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*"
                   % TOKEN)
HOST = re.compile(rb"(\[[0-9a-fA-F:.]+\]|\[v[0-9a-zA-Z._~!$&'()*+,;=:-]+\]|"
                  rb"(?:[0-9a-zA-Z._~!$&'()*+,;=-]|%[0-9a-fA-F]{2})*)(?::([0-9]*))?")
EXTENSION = rb"[ \t]*;[ \t]*%s(?:[ \t]*=[ \t]*(?:%s|\"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*\"))?" % (
    TOKEN, TOKEN)
CHUNK_LINE = re.compile(rb"([0-9a-fA-F]{1,16})((?:%s)*)" % EXTENSION)
# Fields that must not come late (RFC 9110 section 6.5.1).
NOT_LATE = {b"transfer-encoding", b"content-length", b"host", b"connection", b"te", b"upgrade",
            b"trailer", b"cookie", b"set-cookie", b"authorization", b"content-type", b"expect"}


class Unclear(Exception):
    """The stream cannot be read on: whoever guesses may guess differently."""


class Incomplete(Exception):
    """All of it is good and more is to come."""


@dataclasses.dataclass
class Message:
    start: tuple          # (method, target) or (status,)
    fields: list          # (lower-case name, value)
    minor: int
    body: bytes = b""
    closes: bool = False  # no message follows on this connection

    def all(self, name):
        return [v for n, v in self.fields if n == name]

    def tokens(self, name):
        return [t.strip(b" \t").lower() for v in self.all(name) for t in v.split(b",")
                if t.strip(b" \t")]


def read_line(data, at):
    """A line without its CRLF, and where the next begins."""
    end = data.find(b"\n", at)
    line = data[at:] if end < 0 else data[at:end]
    if b"\0" in line or b"\r" in line[:-1]:
        raise Unclear("NUL or bare CR")
    if end < 0:
        raise Incomplete
    if not line.endswith(b"\r"):
        raise Unclear("bare LF")
    return line[:-1], end + 1


def read_fields(data, at):
    fields = []
    while True:
        line, at = read_line(data, at)
        if not line:
            return fields, at
        m = FIELD.fullmatch(line)
        if not m:
            raise Unclear(f"field line {line[:60]!r}")
        fields.append((m[1].lower(), m[2]))


def read_chunked(data, at):
    body = b""
    while True:
        line, at = read_line(data, at)
        m = CHUNK_LINE.fullmatch(line)
        if not m or int(m[1], 16) >= 1 << 63 or len(m[2]) > 256:
            raise Unclear("chunk size")
        n = int(m[1], 16)
        if n == 0:
            break
        if len(data) < at + n + 2:
            if data[at + n:] not in (b"", b"\r"):
                raise Unclear("chunk end")
            raise Incomplete
        if data[at + n:at + n + 2] != b"\r\n":
            raise Unclear("chunk end")
        body += data[at:at + n]
        at += n + 2
    trailers, at = read_fields(data, at)
    if any(name in NOT_LATE for name, _ in trailers):
        raise Unclear("trailer")
    return body, at


def length_of(m):
    """Content-Length as a number; None without one."""
    values = m.all(b"content-length")
    if not values:
        return None
    if len(values) > 1 or not re.fullmatch(rb"[0-9]+", values[0]) or int(values[0]) >= 1 << 63:
        raise Unclear("Content-Length")
    return int(values[0])


def is_chunked(m):
    if not m.all(b"transfer-encoding"):
        return False
    if m.minor == 0 or m.all(b"content-length") or m.tokens(b"transfer-encoding") != [b"chunked"]:
        raise Unclear("Transfer-Encoding")
    return True


def read_length(data, at, n):
    if len(data) < at + n:
        raise Incomplete
    return data[at:at + n], at + n


def check_host(m, text, port_needed=False):
    h = HOST.fullmatch(text)
    if not h or (h[2] and int(h[2]) > 65535) or (port_needed and not (h[1] and h[2])):
        raise Unclear("host")
    if not h[1] and text:
        raise Unclear("host without a name")


def check_target(m):
    """Form and Host; the target as an origin server gets it."""
    method, target = m.start
    hosts = m.all(b"host")
    if len(hosts) > 1 or (not hosts and m.minor > 0):
        raise Unclear("Host")
    for h in hosts:
        check_host(m, h)
    if method == b"CONNECT":
        check_host(m, target, True)
        return target, target
    if target.startswith(b"/"):
        return target, hosts[0] if hosts else b""
    if target == b"*":
        if method != b"OPTIONS":
            raise Unclear("asterisk")
        return target, hosts[0] if hosts else b""
    a = re.fullmatch(rb"https?://([^/?@]*)((?:[/?].*)?)", target, re.I)
    if not a or not a[1]:
        raise Unclear("target")
    check_host(m, a[1])
    path = a[2]
    if not path:
        path = b"*" if method == b"OPTIONS" else b"/"
    return b"/" + path if path.startswith(b"?") else path, a[1]


def read_request(data, at):
    if data[at:at + 2] == b"\r\n":
        at += 2
    line, at = read_line(data, at)
    start = REQUEST_LINE.fullmatch(line)
    if not start:
        raise Unclear(f"request line {line[:60]!r}")
    fields, at = read_fields(data, at)
    m = Message((start[1], start[2]), fields, int(start[3]))
    target, m.host = check_target(m)
    m.start = (start[1], target)
    options = m.tokens(b"connection")
    m.closes = b"close" in options or (m.minor == 0 and b"keep-alive" not in options)
    chunked, n = is_chunked(m), length_of(m)
    if (chunked or n) and start[1] in (b"CONNECT", b"TRACE"):
        raise Unclear("a body")
    if chunked:
        m.body, at = read_chunked(data, at)
    elif n:
        m.body, at = read_length(data, at, n)
    return m, at


def read_response(data, at, method, ended):
    """The final response to `method`, behind its interim ones; ended: the server has closed."""
    while True:
        line, at = read_line(data, at)
        start = STATUS_LINE.fullmatch(line)
        if not start:
            raise Unclear(f"status line {line[:60]!r}")
        fields, at = read_fields(data, at)
        m = Message((int(start[2]),), fields, int(start[1]))
        chunked, n = is_chunked(m), length_of(m)
        status = m.start[0]
        if status == 101:
            raise Unclear("101 unasked")
        if status >= 200:
            break
    options = m.tokens(b"connection")
    m.closes = b"close" in options or (m.minor == 0 and b"keep-alive" not in options)
    if method == b"HEAD" or status in (204, 304):
        return m, at
    if chunked:
        m.body, at = read_chunked(data, at)
    elif n is not None:
        m.body, at = read_length(data, at, n)
    else:
        m.closes = True
        if not ended:
            raise Incomplete
        m.body, at = data[at:], len(data)
    return m, at


def requests(data):
    """(the complete requests of a client's stream, why it goes no further or None)"""
    found, at = [], 0
    while at < len(data):
        try:
            m, at = read_request(data, at)
        except (Unclear, Incomplete) as e:
            return found, e
        found.append(m)
        if m.closes:
            break
    return found, None
