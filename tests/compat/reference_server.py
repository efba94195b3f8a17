#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# A server that follows the wire reference to the letter (2.3, 2.6, 2.8, 5), independent of ours: the judge of tml-daemon.
# In a test: `with ReferenceServer() as server:` runs it on three free ports in threads; as a program it serves until interrupted.
# It can misbehave as networks do: lose an answer after storing, answer 500, refuse hello, be away.
import argparse
import asyncio
import hashlib
import json
import re
import secrets
import socket
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cbor2
import websockets

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "support" / "py")]
import acquisition  # noqa: E402
import reference_files  # noqa: E402
from clients import StrictCbor  # noqa: E402
from fleet import free_base_port  # noqa: E402

PROJECT = 14
CATEGORIES = ("training", "testing", "anomaly", "validation", "post-processing", "split")


def percent_decode(text):
    """Clients percent-encode x-label and x-file-name; malformed escapes mean the raw text (5)."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        return text
    try:
        return urllib.parse.unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


def infer_label(file_name):
    return re.match(r"[a-zA-Z0-9\s\-_]*", file_name)[0]


HELLO_4 = {"version": int, "apiKey": str, "deviceId": str, "deviceType": str, "connection": str, "sensors": list,
           "supportsSnapshotStreaming": bool, "mode": str}
# What may follow what while a sample is under way (2.6, 2.7).
REPORTS = {"asked": ("sample",), "sample": ("sampleStarted",),
           "sampleStarted": ("sampleReading", "sampleProcessing", "sampleUploading"),
           "sampleReading": ("sampleReading", "sampleProcessing", "sampleUploading"),
           "sampleProcessing": ("sampleReading", "sampleProcessing", "sampleUploading"),
           "sampleUploading": ("sampleReading", "sampleUploading", "sampleFinished")}


def decode_frame(frame):
    """One message as a strict decoder reads it: binary frames are plain CBOR of definite lengths, text frames are JSON."""
    return StrictCbor(frame, max_text=1024, short_floats=True, max_depth=6).decode() if isinstance(frame, bytes) else json.loads(frame)


def faults_of_hello(hello):
    """What a server could take offence at in a version 4 hello."""
    if hello.get("version") != 4:
        return []
    faults = [f"{key} is no {kind.__name__}" for key, kind in HELLO_4.items() if not isinstance(hello.get(key), kind)]
    faults += [f"{key} is unknown" for key in set(hello) - set(HELLO_4) - {"inferenceInfo", "availableRecords", "authorization"}]
    if hello.get("connection") not in ("daemon", "ip"):
        faults.append("connection is neither daemon nor ip")
    for sensor in hello.get("sensors", []):
        numbers = [sensor.get("maxSampleLengthS"), *sensor.get("frequencies", [None])]
        if set(sensor) != {"name", "maxSampleLengthS", "frequencies"} or not isinstance(sensor["name"], str) or \
                not all(isinstance(number, (int, float)) and not isinstance(number, bool) and number > 0 for number in numbers):
            faults.append(f"sensor {sensor}")
    return faults


class Refusal(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status, self.text = status, text


class ReferenceServer:
    def __init__(self, base_port=None, address="127.0.0.1"):
        self.base_port = base_port or free_base_port()
        self.address = address
        self.user, self.password = "alice", "wonderland-4"
        self.hmac_key = secrets.token_hex(16)
        self.api_keys = {"ei_" + secrets.token_hex(16): "admin"}
        self.tokens = set()
        self.developer_profile = True
        self.name_devices = True  # False: a new device is named by its id, and the client must ask for a name.
        self.devices = {}
        self.samples = []
        self.events = []
        self.changed = threading.Condition()
        self.connections = {}
        self.under_way = {}  # Device: (last report, requests not answered to the end).
        self.offences = []  # What clients did that the reference forbids.
        self.lose_answers = 0
        self.fail_uploads = 0
        self.refuse_hello = None
        self._loop = asyncio.new_event_loop()
        self._threads = []
        self._servers = []
        self._stop = None

    @property
    def api_key(self):
        return next(iter(self.api_keys))

    @property
    def host(self):
        """As EI_HOST or --host takes it."""
        return f"{self.address}:{self.base_port}"

    # Lifetime.
    def __enter__(self):
        for port, route in ((self.base_port, self.api_route), (self.base_port + 10, self.ingestion_route)):
            server = ThreadingHTTPServer((self.address, port), _handler(self, route))
            server.daemon_threads = True
            self._servers.append(server)
            self._threads.append(threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True))
        ready = threading.Event()
        self._threads.append(threading.Thread(target=self._run_websocket, args=(ready,), daemon=True))
        for thread in self._threads:
            thread.start()
        if not ready.wait(10):
            raise RuntimeError("the WebSocket port did not open")
        return self

    def __exit__(self, *_):
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._loop.call_soon_threadsafe(self._stop.set)
        for thread in self._threads:
            thread.join(10)
        if not self._loop.is_running():
            self._loop.close()

    def note(self, event, **fields):
        with self.changed:
            self.events.append({"event": event, **fields})
            self.changed.notify_all()

    def wait(self, what, predicate, timeout_s=30):
        """Until predicate(self) holds; TimeoutError names what was awaited and the last events."""
        deadline = time.monotonic() + timeout_s
        with self.changed:
            while not predicate(self):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"not within {timeout_s} s: {what}; last events: {self.events[-8:]}")
                self.changed.wait(left)

    # API, 2.3.
    def api_route(self, method, path, headers, body):
        jwt, key = headers.get("x-jwt-token"), headers.get("x-api-key")
        self.note("api", method=method, path=path)
        if re.fullmatch(r"/v1/api-user-need-to-set-password/[^/]+", path) and method == "GET":
            return self.json({"success": True, "needPassword": False})
        if path == "/v1/api-login" and method == "POST":
            request = json.loads(body)
            if request.get("username") != self.user:
                return self.json({"success": False, "error": "User not found"})
            if request.get("password") != self.password:
                return self.json({"success": False, "error": "Password is incorrect"})
            token = secrets.token_urlsafe(24)
            self.tokens.add(token)
            return self.json({"success": True, "token": token})
        if not (jwt in self.tokens or key in self.api_keys):
            return self.json({"success": False, "error": "Invalid API key" if key else "Not authorized"}, 401)
        project = {"id": PROJECT, "name": "benchtop", "owner": self.user, "whitelabelId": None}
        tail = path.removeprefix("/v1/api")
        if (method, tail) == ("GET", "/projects"):
            return self.json({"success": True, "projects": [project]})
        if (method, tail) == ("GET", "/user"):
            organizations = [{"isDeveloperProfile": True, "id": 1}] if self.developer_profile else []
            return self.json({"success": True, "id": 1, "username": self.user, "organizations": organizations})
        if (method, tail) == ("POST", "/user/create-developer-profile"):
            self.developer_profile = True
            return self.json({"success": True})
        if (method, tail) == ("GET", "/organizations"):
            return self.json({"success": True, "organizations": []})
        within = re.fullmatch(r"/(\d+)((?:/.*)?)", tail)
        if not within or int(within[1]) != PROJECT:
            return self.json({"success": False, "error": "Project not found"}, 404)
        return self.project_route(method, within[2], json.loads(body or b"{}"), project)

    def project_route(self, method, path, request, project):
        if (method, path) == ("GET", ""):
            return self.json({"success": True, "project": project})
        if (method, path) == ("GET", "/devkeys/hmac"):
            return self.json({"success": True, "hmacKey": self.hmac_key})
        if (method, path) == ("POST", "/apikeys"):
            if request.get("role") not in ("admin", "readonly", "ingestiononly", "ingestion_deployment") or not request.get("name"):
                return self.json({"success": False, "error": "role or name missing"}, 400)
            key = "ei_" + secrets.token_hex(16)
            self.api_keys[key] = request["role"]
            return self.json({"success": True, "id": len(self.api_keys), "apiKey": key})
        if (method, path) == ("POST", "/devices/create"):
            device_id = request["deviceId"]
            if device_id in self.devices and not request.get("ifNotExists"):
                return self.json({"success": False, "error": "Device already exists"})
            self.create_device(device_id, request["deviceType"])
            return self.json({"success": True})
        match = re.fullmatch(r"/devices?/([^/]+)(/rename|/start-sampling)?", path)
        device = self.devices.get(urllib.parse.unquote(match[1])) if match else None
        if not device:
            return self.json({"success": False, "error": "Device not found"}, 404)
        if method == "GET" and not match[2]:
            return self.json({"success": True, "device": device})
        if method == "POST" and match[2] == "/rename":
            device["name"] = request["name"]
            self.note("renamed", device=device["deviceId"], name=request["name"])
            return self.json({"success": True})
        return self.json({"success": False, "error": "No such call"}, 404)

    def create_device(self, device_id, device_type):
        name = f"bench {len(self.devices) + 1}" if self.name_devices else device_id
        self.devices.setdefault(device_id, {"id": len(self.devices) + 1, "deviceId": device_id, "deviceType": device_type, "name": name,
                                            "sensors": [], "remote_mgmt_connected": False, "supportsSnapshotStreaming": False,
                                            "remoteMgmtMode": "disconnected"})

    @staticmethod
    def json(value, status=200):
        return status, "application/json", json.dumps(value).encode()

    # Ingestion, 5.
    def ingestion_route(self, method, path, headers, body):
        try:
            return self.ingest(method, path, headers, body)
        except Refusal as refusal:
            self.note("upload_refused", status=refusal.status, text=refusal.text)
            return refusal.status, "text/plain", refusal.text.encode()

    def ingest(self, method, path, headers, body):
        files = re.fullmatch(r"/api/([a-z-]+)/files", path)
        if files and method == "POST" and files[1] in CATEGORIES:
            return reference_files.take(self, files[1], headers, body)
        match = re.fullmatch(r"/api/([a-z-]+)/data", path)
        if method != "POST" or not match or match[1] not in CATEGORIES:
            raise Refusal(404, "no such endpoint")
        if self.fail_uploads > 0:
            self.fail_uploads -= 1
            raise Refusal(500, "internal error")
        if headers.get("x-api-key") not in self.api_keys:
            raise Refusal(401, "missing or invalid x-api-key")
        if not headers.get("x-file-name"):
            raise Refusal(421, "missing header x-file-name")
        kind = headers.get("content-type", "").split(";")[0]
        if kind not in ("application/json", "application/cbor", "application/octet-stream"):
            raise Refusal(400, f"content type {kind!r}")
        try:
            document = acquisition.decode(body)
        except ValueError as error:
            raise Refusal(400, f"invalid message: {error}") from error
        expected = {"json": "application/json", "cbor": "application/cbor", "binary": "application/octet-stream"}[document.kind]
        if kind != expected:
            raise Refusal(400, f"a {document.kind} document was sent as {kind}")
        digest = hashlib.sha256(body).hexdigest()
        name = percent_decode(headers["x-file-name"])
        label = percent_decode(headers["x-label"]) if headers.get("x-label") else infer_label(name)
        with self.changed:
            if headers.get("x-disallow-duplicates") and any(sample["sha256"] == digest for sample in self.samples):
                raise Refusal(400, "An item with this hash already exists")
            self.samples.append({"name": name, "label": label, "category": match[1], "sha256": digest, "document": document,
                                 "verified": document.verify(self.hmac_key), "headers": headers})
        self.note("stored", name=name, label=label)
        if self.lose_answers > 0:
            self.lose_answers -= 1
            return None
        return 200, "text/plain", f"{name}.{digest[:8]}".encode()

    @staticmethod
    def label_of(headers, name):
        """As the server would label it; None = unlabeled."""
        if "x-no-label" in headers:
            return None
        return percent_decode(headers["x-label"]) if headers.get("x-label") else infer_label(name)

    # Remote management, 2.6.
    def _run_websocket(self, ready):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._websocket(ready))

    async def _websocket(self, ready):
        self._stop = asyncio.Event()
        async with websockets.serve(self._client, self.address, self.base_port + 2, compression=None, ping_interval=None):
            ready.set()
            await self._stop.wait()

    async def _client(self, connection, path=None):
        binary = None

        def encode(message):
            return cbor2.dumps(message) if binary else json.dumps(message)

        device = None
        try:
            async for frame in connection:
                if frame == "ping":
                    await connection.send("pong")
                    continue
                if binary is None:
                    binary = isinstance(frame, bytes)
                elif binary != isinstance(frame, bytes):
                    self.offend(device, "a frame in another encoding than hello")
                try:
                    message = decode_frame(frame)
                except Exception as error:  # Any garbage at all is answered, never fatal.
                    self.offend(device, f"{type(error).__name__}: {error}")
                    await connection.send(encode({"err": f"Failed to parse message: {error}"}))
                    continue
                if device is None:
                    device = await self._hello(connection, message, encode)
                    if device is None:
                        return
                    continue
                self.follow(device, message)
                self.note("message", device=device, message=message)
        except websockets.ConnectionClosed:
            pass
        finally:
            if device and self.connections.get(device, (None,))[0] is connection:
                del self.connections[device]
                self.note("disconnected", device=device)

    def offend(self, device, what):
        self.offences.append((device, what))
        self.note("offence", device=device, what=what)

    def follow(self, device, message):
        """Watches the order of a sample's reports."""
        kind = next((key for key in message if key.startswith("sample")), None)
        if kind is None:
            return
        before, asked = self.under_way[device]
        failed = kind == "sample" and message["sample"] is False
        if failed and not isinstance(message.get("error"), str):
            self.offend(device, "a failure without words")
        if not failed and kind not in REPORTS.get(before, ()):
            self.offend(device, f"{kind} after {before}")
        if failed and asked > 1:  # The refusal of a further request; the one under way goes on.
            self.under_way[device] = (before, asked - 1)
        else:
            self.under_way[device] = (None, 0) if failed or kind == "sampleFinished" else (kind, asked)

    async def _hello(self, connection, message, encode):
        hello = message.get("hello")
        if not isinstance(hello, dict):
            await connection.send(encode({"err": "expected hello"}))
            return None
        if hello.get("apiKey") not in self.api_keys or self.refuse_hello:
            await connection.send(encode({"hello": False, "err": self.refuse_hello or "Invalid API key"}))
            self.note("hello_refused")
            return None
        missing = [key for key in ("version", "deviceId", "deviceType", "connection", "sensors") if key not in hello]
        if missing:
            await connection.send(encode({"hello": False, "err": f"missing {missing}"}))
            self.note("hello_refused", missing=missing)
            return None
        device = hello["deviceId"]
        for fault in faults_of_hello(hello):
            self.offend(device, f"hello: {fault}")
        self.under_way[device] = (None, 0)
        self.create_device(device, hello["deviceType"])
        self.devices[device]["sensors"] = hello["sensors"]
        older = self.connections.get(device)
        self.connections[device] = (connection, encode, hello)
        await connection.send(encode({"hello": True, "serverTimestamp": int(time.time() * 1000)}))
        if older:
            await older[0].close()
        self.note("hello", device=device, hello=hello)
        return device

    def send(self, device, message):
        connection, encode, _ = self.connections[device]
        asyncio.run_coroutine_threadsafe(connection.send(encode(message)), self._loop).result(10)

    def drop(self, device):
        connection, _, _ = self.connections[device]
        asyncio.run_coroutine_threadsafe(connection.close(), self._loop).result(10)

    def request_sample(self, device, label, length_ms, interval_ms, sensor, category="training", hmac_key=None):
        _, _, hello = self.connections[device]
        sample = {"label": label, "length": length_ms, "interval": interval_ms, "path": f"/api/{category}/data",
                  "hmacKey": hmac_key or self.hmac_key, "sensor": sensor}
        if hello["version"] >= 4:
            sample.update({"labelColor": "#ff8800", "collectedSampleCount": 0, "targetSampleCount": 1})
        before, asked = self.under_way[device]
        self.under_way[device] = (before or "asked", asked + 1)
        self.send(device, {"sample": sample})

    def messages(self, device):
        return [event["message"] for event in self.events if event["event"] == "message" and event["device"] == device]


def _handler(server, route):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self):
            length = self.headers.get("Content-Length")
            if length is not None:
                body = self.rfile.read(int(length))
            elif "chunked" in self.headers.get("Transfer-Encoding", ""):
                body = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            else:
                body = b""
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = route(self.command, urllib.parse.urlsplit(self.path).path, headers, body)
            if answer is None:  # Stored, and the network took the answer.
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            status, kind, content = answer
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = serve

        def log_message(self, *_):
            pass

    return Handler


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--base-port", type=int, default=4800)
    with ReferenceServer(parser.parse_args().base_port) as server:
        print(json.dumps({"api": f"http://127.0.0.1:{server.base_port}", "user": server.user, "password": server.password,
                          "api_key": server.api_key}), flush=True)
        shown = 0
        try:
            while True:
                with server.changed:
                    server.changed.wait(1)
                    fresh, shown = server.events[shown:], len(server.events)
                for event in fresh:
                    print(json.dumps(event, default=str), flush=True)
        except KeyboardInterrupt:
            return 130


if __name__ == "__main__":
    sys.exit(main())
