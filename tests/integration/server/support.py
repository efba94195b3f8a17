# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
"""Starts the real tml-server on free ports and speaks to it as its clients do."""
import hashlib
import hmac
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request
import uuid

import cbor2

PROGRAM = os.environ["TML_SERVER"]


class Server:
    """One data folder and, while started, one process on it."""

    def __init__(self, *flags):
        self.data = tempfile.mkdtemp(prefix="tml-server-test-")
        self.flags = list(flags)
        self.process = None

    def start(self):
        self.errors = open(os.path.join(self.data, "stderr.log"), "ab")
        command = [PROGRAM, "serve", "--json", "--verbose", "--data", os.path.join(self.data, "d"), "--api-port", "0",
                   "--ws-port", "0", "--ingestion-port", "0"] + self.flags
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the server did not start: " + self.log())
        self.event = json.loads(line)
        if self.event["event"] != "started":
            raise RuntimeError(line)
        self.api, self.ws, self.ingestion = (self.event[k] for k in ("api_port", "ws_port", "ingestion_port"))
        with open(self.event["credentials"], encoding="utf-8") as file:
            self.credentials = json.load(file)
        self.key = self.credentials["apiKey"]
        self.hmac_key = self.credentials["hmacKey"]
        return self

    def log(self):
        with open(os.path.join(self.data, "stderr.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        self.process.stdout.close()
        self.errors.close()
        return code

    def close(self):
        if self.process and self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.data, ignore_errors=True)

    def run(self, *arguments):
        """Another command of the program on the same data: (exit code, JSON lines)."""
        command = [PROGRAM] + list(arguments) + ["--json", "--data", os.path.join(self.data, "d")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines() if line]

    def call(self, method, path, body=None, key=None, token=None, headers=None, port=None):
        """(status, parsed body, headers) of an API call."""
        all_headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token:
            all_headers["x-jwt-token"] = token
        elif key != "":
            all_headers["x-api-key"] = key or self.key
        all_headers.update(headers or {})
        data = None if body is None else json.dumps(body).encode()
        status, content, answer_headers = self.http(method, port or self.api, path, data, all_headers)
        try:
            return status, json.loads(content), answer_headers
        except ValueError:
            return status, content, answer_headers

    def ingest(self, path, body, **headers):
        """(status, body bytes) of an ingestion call; header names with _ for -."""
        all_headers = {"x-api-key": self.key}
        all_headers.update({name.replace("_", "-"): value for name, value in headers.items() if value is not None})
        status, content, _ = self.http("POST", self.ingestion, path, body, all_headers)
        return status, content

    @staticmethod
    def http(method, port, path, data, headers):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), dict(error.headers)

    def samples(self, query=""):
        status, answer, _ = self.call("GET", "/v1/api/1/raw-data" + query)
        assert status == 200, answer
        return answer


def document(key, values=None, device="board-1", nonce=None, as_json=False, signed=True):
    """An acquisition document signed by a signer of its own (wire reference 6.2)."""
    protected = {"ver": "v1", "alg": "HS256", "nonce": nonce or uuid.uuid4().hex}
    payload = {"device_name": device, "device_type": "TEST", "interval_ms": 10,
               "sensors": [{"name": "x", "units": "m/s2"}, {"name": "y", "units": "m/s2"}],
               "values": values or [[0.5, 1.5], [2.5, -3.5]]}
    whole = {"protected": protected, "signature": "0" * 64, "payload": payload}
    blank = json.dumps(whole, separators=(",", ":")).encode() if as_json else cbor2.dumps(whole)
    if not signed:
        return blank
    mac = hmac.new(key.encode(), blank, hashlib.sha256).hexdigest().encode()
    return blank.replace(b"0" * 64, mac, 1)


def multipart(parts):
    """parts: (name, file name, content type, bytes[, header fields of the part]). Returns (body, content type)."""
    boundary = uuid.uuid4().hex
    out = []
    for name, file_name, content_type, data, *fields in parts:
        own = "".join(f"{field}: {value}\r\n" for field, value in (fields[0] if fields else {}).items())
        out += [(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
                 f"Content-Type: {content_type}\r\n{own}\r\n").encode(), data, b"\r\n"]
    return b"".join(out) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def wait_for(condition, seconds=20):
    """Polls until the condition holds; returns its value, or fails the test."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("condition not reached in time")
        time.sleep(0.02)


class ServerTest(unittest.TestCase):
    """One server per test class."""
    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.flags).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
