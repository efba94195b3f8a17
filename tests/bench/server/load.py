#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
"""Sends signed 10 KB CBOR documents from many kept-alive connections and prints rate and latency as JSON.

Usage: TML_SERVER=PROGRAM load.py [documents] [connections] [json]
One process with non-blocking sockets: on two cores the client must not take more than it has to from the server.
"""
import json
import os
import selectors
import socket
import sys
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "integration", "server"))
from support import Server, document  # noqa: E402


def main():
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    connections = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    as_json = len(sys.argv) > 3 and sys.argv[3] == "json"
    server = Server().start()
    rows = 620 if as_json else 540
    kind = "application/json" if as_json else "application/cbor"
    bodies = [document(server.hmac_key, values=[[i * 0.1 + k, i * -0.3] for i in range(rows)], as_json=as_json) for k in range(50)]

    def request(number):
        body = bodies[number % len(bodies)]
        return (f"POST /api/training/data HTTP/1.1\r\nhost: x\r\nx-api-key: {server.key}\r\nx-file-name: bench.{number}\r\n"
                f"x-tml-envelope: {uuid.UUID(int=number)}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n").encode() + body

    selector = selectors.DefaultSelector()
    sent, done, latencies = 0, 0, []
    begin = time.perf_counter()
    for _ in range(min(connections, total)):
        channel = socket.create_connection(("127.0.0.1", server.ingestion))
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        channel.sendall(request(sent))
        selector.register(channel, selectors.EVENT_READ, [time.perf_counter()])
        sent += 1
    while done < total:
        for event, _ in selector.select():
            channel = event.fileobj
            answer = channel.recv(4096)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(answer[:300])
            now = time.perf_counter()
            latencies.append(now - event.data[0])
            done += 1
            if sent < total:
                event.data[0] = now
                channel.sendall(request(sent))
                sent += 1
    seconds = time.perf_counter() - begin
    latencies.sort()
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as file:
        rss_kb = int(next(line for line in file if line.startswith("VmHWM")).split()[1])
    stored = server.samples("?limit=1")["totalCount"]
    assert stored == total, stored
    print(json.dumps({"documents": total, "connections": connections, "kind": kind, "bytes": len(bodies[0]), "per_s": round(total / seconds),
                      "p50_ms": round(latencies[len(latencies) // 2] * 1e3, 2), "p99_ms": round(latencies[int(len(latencies) * 0.99)] * 1e3, 2),
                      "rss_peak_mb": round(rss_kb / 1024, 1)}))
    server.close()


if __name__ == "__main__":
    main()
