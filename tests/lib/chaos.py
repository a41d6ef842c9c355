#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clients and servers that break off anywhere. chaos.py server PORT: an origin that closes, resets,
stalls or talks rubbish at random places. chaos.py clients PORT N SEED: N clients doing the same.
Nothing is expected of the answers but that the proxy survives; bounded in time and number."""
import random
import socket
import struct
import sys
import threading
import time


def hard_close(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def dribble(s, data, rng):
    """Sends data in random pieces; may break off. False when it did."""
    while data:
        n = rng.choice([1, 7, 100, 4096, len(data)])
        s.sendall(data[:n])
        data = data[n:]
        dice = rng.random()
        if dice < 0.03:
            hard_close(s)
            return False
        if dice < 0.06:
            s.close()
            return False
        if dice < 0.1:
            time.sleep(rng.random() * 0.02)
    return True


def some_request(rng):
    body = b"x" * rng.choice([0, 0, 0, 10, 5000, 200000])
    path = rng.choice([b"/", b"/a?b=c", b"/" + b"l" * rng.choice([10, 3000, 20000])])
    fields = b"".join(b"X-%d: %s\r\n" % (i, b"v" * rng.choice([1, 50, 400]))
                      for i in range(rng.choice([0, 3, 30, 120])))
    head = b"%s %s HTTP/1.%d\r\nHost: h\r\n%s" % (
        rng.choice([b"GET", b"POST", b"HEAD", b"DELETE", b"CONNECT", b"\x00"]), path,
        rng.choice([0, 1, 1, 1]), fields)
    kind = rng.random()
    if kind < 0.3 and body:
        half = len(body) // 2
        return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (
            half, body[:half], len(body) - half, body[half:])
    if kind < 0.35:
        return head + b"Connection: Upgrade\r\nUpgrade: chat\r\n\r\n"
    if kind < 0.4:
        return head + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello"
    if kind < 0.45:
        return bytes(rng.randrange(256) for _ in range(rng.choice([10, 1000])))
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def client(port, seed):
    rng = random.Random(seed)
    try:
        s = socket.create_connection(("127.0.0.1", port), 5)
        s.settimeout(1.0)
        for _ in range(rng.randrange(1, 5)):
            count = rng.choice([1, 1, 3])
            if not dribble(s, b"".join(some_request(rng) for _ in range(count)), rng):
                return
            dice = rng.random()
            if dice < 0.2:
                return hard_close(s)
            if dice < 0.3:
                s.shutdown(socket.SHUT_WR)
            for _ in range(rng.choice([0, 1, 5])):
                if not s.recv(rng.choice([10, 65536])):
                    return
        s.close()
    except (OSError, socket.timeout):
        pass


def some_response(rng):
    body = b"y" * rng.choice([0, 5, 3000, 300000])
    kind = rng.random()
    if kind < 0.4:
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    if kind < 0.6:
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (
            b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    if kind < 0.7:
        return b"HTTP/1.0 200 OK\r\n\r\n" + body
    if kind < 0.75:
        return b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\nhi"
    if kind < 0.8:
        return b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
    if kind < 0.9:
        return bytes(rng.randrange(256) for _ in range(200))
    return b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcEXTRA"


def serve(s, seed):
    rng = random.Random(seed)
    s.settimeout(1.0)
    try:
        while s.recv(65536):
            dice = rng.random()
            if dice < 0.05:
                return hard_close(s)
            if dice < 0.1:
                return s.close()
            if not dribble(s, some_response(rng), rng):
                return
        s.close()
    except (OSError, socket.timeout):
        s.close()


def server(port):
    listener = socket.create_server(("127.0.0.1", port), backlog=512)
    print(listener.getsockname()[1], flush=True)
    seed = 0
    while True:
        s, _ = listener.accept()
        seed += 1
        threading.Thread(target=serve, args=(s, seed), daemon=True).start()


def clients(port, n, seed):
    todo = iter(range(n))
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                i = next(todo, None)
            if i is None:
                return
            client(port, seed * 1000003 + i)

    threads = [threading.Thread(target=work) for _ in range(24)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


if __name__ == "__main__":
    if sys.argv[1] == "server":
        server(int(sys.argv[2]))
    clients(int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
