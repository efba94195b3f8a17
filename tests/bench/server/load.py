#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
"""Loads ingestion from many kept-alive connections and prints rate, latency and the server's memory as JSON.

Usage: TML_SERVER=PROGRAM load.py [data|files] [--count N] [--connections N] ...; see --help.
One process with non-blocking sockets: on two cores the client must not take more than it has to from the server.
"""
import argparse
import hmac
import json
import os
import random
import selectors
import socket
import sys
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "integration", "server"))
from support import Server, document, multipart  # noqa: E402


def documents(server, as_json):
    """Signed documents of 10 KB, one per request."""
    rows = 620 if as_json else 540
    kind = "application/json" if as_json else "application/cbor"
    bodies = [document(server.hmac_key, values=[[i * 0.1 + k, i * -0.3] for i in range(rows)], as_json=as_json) for k in range(50)]

    def request(number):
        body = bodies[number % len(bodies)]
        return (f"POST /api/training/data HTTP/1.1\r\nhost: x\r\nx-api-key: {server.key}\r\nx-file-name: bench.{number}\r\n"
                f"x-tml-envelope: {uuid.UUID(int=number)}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n").encode() + body

    return request, len(bodies[0])


def small_files(server, batch, size, part_headers, labels=8):
    """multipart requests of `batch` CSV files, all of another content."""

    def request(number):
        generator = random.Random(number)
        parts = []
        for index in range(batch):
            data = b"timestamp,x,y,z\n" + generator.randbytes(size // 2 - 8).hex().encode()
            label = f"class{index % labels}"
            own = {"x-label": label, "x-tml-envelope": uuid.UUID(int=generator.getrandbits(128)),
                   "x-tml-signature": hmac.digest(server.hmac_key.encode(), data, "sha256").hex()} if part_headers else {}
            parts.append(("data", f"{label}.{number}.{index}.csv", "text/csv", data, own))
        body, kind = multipart(parts)
        envelope = "" if part_headers else f"x-tml-envelope: {uuid.UUID(int=number)}\r\n"
        return (f"POST /api/training/files HTTP/1.1\r\nhost: x\r\nx-api-key: {server.key}\r\n{envelope}x-disallow-duplicates: 1\r\n"
                f"content-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n").encode() + body

    return request


class Channel:
    """One connection with one request under way."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answer = b""

    def send(self, request):
        self.began = time.perf_counter()
        self.socket.sendall(request)

    def receive(self):
        """The answer once it is there in full."""
        piece = self.socket.recv(1 << 20)
        if not piece:
            raise RuntimeError("the server closed a connection: " + self.answer[:200].decode(errors="replace"))
        self.answer += piece
        head, end, body = self.answer.partition(b"\r\n\r\n")
        if not end:
            return None
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(body) < length:
            return None
        answer, self.answer = self.answer, b""
        return answer


def drive(port, request, total, connections):
    """Sends `total` requests; (seconds, latencies of each). RuntimeError when one of them is refused."""
    selector = selectors.DefaultSelector()
    latencies = []
    begin = time.perf_counter()
    sent = min(connections, total)
    for number in range(sent):
        channel = Channel(port)
        channel.send(request(number))
        selector.register(channel.socket, selectors.EVENT_READ, channel)
    while len(latencies) < total:
        for event, _ in selector.select():
            channel = event.data
            answer = channel.receive()
            if answer is None:
                continue
            if not answer.startswith(b"HTTP/1.1 20") or b'"success":false' in answer:
                raise RuntimeError(answer[:1000].decode(errors="replace"))
            latencies.append(time.perf_counter() - channel.began)
            if sent < total:
                channel.send(request(sent))
                sent += 1
    return time.perf_counter() - begin, sorted(latencies)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("VmHWM")).split()[1]) / 1024


def measure(what, count, connections, as_json=False, batch=200, size=1500, part_headers=False, flags=()):
    """Starts a server of its own, loads it and returns the figures."""
    server = Server(*flags).start()
    try:
        if what == "files":
            requests = -(-count // batch)
            make, size_bytes, total = small_files(server, batch, size, part_headers), size, requests * batch
            # Made before the clock starts: a client in Python must not be what is measured.
            request = [make(number) for number in range(requests)].__getitem__
        else:
            request, size_bytes = documents(server, as_json)
            requests = total = count
        before, client_before = cpu_seconds(server.process.pid), time.process_time()
        seconds, latencies = drive(server.ingestion, request, requests, connections)
        result = {"what": what, "count": total, "connections": connections, "bytes": size_bytes, "per_s": round(total / seconds),
                  "p50_ms": round(latencies[len(latencies) // 2] * 1e3, 2), "p99_ms": round(latencies[int(len(latencies) * 0.99)] * 1e3, 2),
                  "server_cpu_us_each": round((cpu_seconds(server.process.pid) - before) / total * 1e6, 1),
                  "client_cpu_us_each": round((time.process_time() - client_before) / total * 1e6, 1),
                  "rss_peak_mb": round(peak_mb(server.process.pid), 1)}
        if what == "files":
            result.update(files_per_request=batch, part_headers=part_headers)
        else:
            result["kind"] = "json" if as_json else "cbor"
        stored = server.samples("?limit=1")["totalCount"]
        assert stored == total, (stored, total)
        return result
    finally:
        server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("data", "files"), nargs="?", default="data")
    parser.add_argument("--count", type=int, default=20_000, help="documents or files")
    parser.add_argument("--connections", type=int, default=None, help="64 for data, 4 for files")
    parser.add_argument("--json", action="store_true", help="data: JSON documents instead of CBOR")
    parser.add_argument("--batch", type=int, default=200, help="files: how many in a request")
    parser.add_argument("--size", type=int, default=1500, help="files: bytes of each")
    parser.add_argument("--part-headers", action="store_true", help="files: label, envelope and signature on each part")
    arguments = parser.parse_args()
    connections = arguments.connections or (64 if arguments.what == "data" else 4)
    print(json.dumps(measure(arguments.what, arguments.count, connections, arguments.json, arguments.batch, arguments.size,
                             arguments.part_headers)))


if __name__ == "__main__":
    main()
