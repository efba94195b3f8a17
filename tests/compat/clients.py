# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Two more inhabitants of the ecosystem, for a server to serve: a microcontroller that talks CBOR with a strict decoder and little
# memory (wire reference 2.6, 5), and the incumbent's forwarder (3.3). Each runs one capture when asked and reports what it saw.
import asyncio
import json
import struct
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import cbor2
import websockets

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support" / "py"))
import acquisition  # noqa: E402


class Strictness(Exception):
    """The server sent what a small device cannot take."""


class StrictCbor:
    """Decodes as a small device does: definite lengths, short texts, no tags; a float is a double or it is refused (a server takes
    every width)."""

    def __init__(self, data, max_text=127, short_floats=False, max_depth=4):
        self.data, self.at, self.max_text, self.short_floats, self.max_depth = data, 0, max_text, short_floats, max_depth

    def decode(self):
        value = self._item(0)
        if self.at != len(self.data):
            raise Strictness(f"{len(self.data) - self.at} bytes after the message")
        return value

    def _take(self, size):
        if self.at + size > len(self.data):
            raise Strictness("truncated CBOR")
        self.at += size
        return self.data[self.at - size:self.at]

    def _item(self, depth):
        if depth > self.max_depth:
            raise Strictness("nested too deeply for a small device")
        head = self._take(1)[0]
        major, info = head >> 5, head & 31
        if info == 31:
            raise Strictness("indefinite length")
        if major == 7:
            if info in (20, 21):
                return info == 21
            if info == 27:
                return struct.unpack(">d", self._take(8))[0]
            if info in (25, 26) and self.short_floats:
                return struct.unpack(">e" if info == 25 else ">f", self._take(2 if info == 25 else 4))[0]
            raise Strictness(f"simple value or short float 0x{head:02x}")
        if info < 24:
            number = info
        elif info <= 27:
            number = int.from_bytes(self._take(1 << (info - 24)), "big")
        else:
            raise Strictness("reserved head")
        if major == 0:
            return number
        if major == 1:
            return -1 - number
        if major == 3:
            if number > self.max_text:
                raise Strictness(f"text of {number} bytes")
            return self._take(number).decode()
        if major == 4:
            return [self._item(depth + 1) for _ in range(number)]
        if major == 5:
            result = {}
            for _ in range(number):
                key = self._item(depth + 1)
                result[key] = self._item(depth + 1)
            return result
        raise Strictness(f"major type {major}")


def post(url, headers, body):
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class McuClient:
    """An ST-like board with its own WiFi: hello version 2 or 3, 512 bytes per frame, uploads by itself."""

    KEYS = {"path", "label", "hmacKey", "interval", "length", "sensor"}
    MAX_FRAME = 512

    def __init__(self, mgmt_url, ingestion_url, api_key, device_id="30:AE:A4:00:00:01", version=3):
        self.mgmt_url, self.ingestion_url, self.api_key = mgmt_url, ingestion_url, api_key
        self.device_id, self.version = device_id, version
        self.requests, self.uploads, self.hello_answer = [], [], None
        self.connected = asyncio.Event()

    def hello(self):
        hello = {"version": self.version, "apiKey": self.api_key, "deviceId": self.device_id, "deviceType": "DISCO-L475VG-IOT01A"}
        if self.version == 1:
            hello.update(connection="ip", sensors=["Built-in accelerometer"])
        else:
            hello["sensors"] = [{"name": "Built-in accelerometer", "maxSampleLengthS": 300, "frequencies": [62.5, 100.0]}]
        if self.version == 3:
            hello.update(connection="ip", supportsSnapshotStreaming=False)
        return acquisition.cbor({"hello": hello})

    def decode(self, frame):
        if not isinstance(frame, bytes):
            raise Strictness("a text frame for a CBOR client")
        if len(frame) > self.MAX_FRAME:
            raise Strictness(f"a frame of {len(frame)} bytes")
        return StrictCbor(frame).decode()

    async def run(self, samples):
        """Serves `samples` requests, then closes. Raises Strictness where a real device would refuse."""
        async with websockets.connect(self.mgmt_url, ping_interval=None, compression=None) as connection:
            await connection.send(self.hello())
            self.hello_answer = self.decode(await connection.recv())
            if self.hello_answer.get("hello") is not True:
                return
            self.connected.set()
            while len(self.uploads) < samples:
                message = self.decode(await connection.recv())
                if "sample" in message:
                    await self.sample(connection, message["sample"])

    async def sample(self, connection, request):
        self.requests.append(request)
        unknown = set(request) - self.KEYS
        if unknown:
            await connection.send(acquisition.cbor({"sample": False, "error": sorted(unknown)[0]}))
            raise Strictness(f"unknown keys in sample: {sorted(unknown)}")
        if not isinstance(request["length"], int) or isinstance(request["length"], bool):
            raise Strictness("length is no CBOR integer")
        for key in ("path", "label", "hmacKey"):
            if not isinstance(request.get(key), str):
                raise Strictness(f"{key} is no text")
        await connection.send(acquisition.cbor({"sample": True}))
        await connection.send(acquisition.cbor({"sampleStarted": True}))
        axes = [{"name": f"acc{axis}", "units": "m/s2"} for axis in "XYZ"]
        rows = [[0.5 * i, -9.81, 0.25] for i in range(int(request["length"] / request["interval"]))]
        document = acquisition.signed_cbor(request["hmacKey"], self.device_id, "DISCO-L475VG-IOT01A", request["interval"], axes, rows,
                                           {"nonce": f"{len(self.uploads):032x}"})
        await connection.send(acquisition.cbor({"sampleUploading": True}))
        headers = {"X-File-Name": f"{request['label']}.{len(self.uploads)}", "X-API-Key": self.api_key,
                   "Content-Type": "application/cbor"}
        status, body = await asyncio.to_thread(post, self.ingestion_url + request["path"], headers, document)
        self.uploads.append({"status": status, "body": body, "document": document})
        await connection.send(acquisition.cbor({"sampleFinished": True}))


class ForwarderClient:
    """The incumbent's data forwarder without its serial side: hello version 4 in CBOR, JSON samples, its stored HMAC key."""

    def __init__(self, mgmt_url, api_url, ingestion_url, project, api_key, hmac_key, device_id="14:91:31:40", frequency=62.5):
        self.mgmt_url, self.api_url, self.ingestion_url = mgmt_url, api_url, ingestion_url
        self.project, self.api_key, self.hmac_key, self.device_id, self.frequency = project, api_key, hmac_key, device_id, frequency
        self.requests, self.uploads, self.hello_answer, self.device = [], [], None, None
        self.connected = asyncio.Event()

    def hello(self):
        return cbor2.dumps({"hello": {
            "apiKey": self.api_key, "deviceId": self.device_id, "deviceType": "DATA_FORWARDER", "connection": "daemon",
            "sensors": [{"name": "Sensor with 3 axes (accX, accY, accZ)", "maxSampleLengthS": 300000, "frequencies": [self.frequency]}],
            "supportsSnapshotStreaming": False, "mode": "ingestion", "version": 4}})

    def api(self, path):
        request = urllib.request.Request(f"{self.api_url}/v1/api/{self.project}{path}", headers={
            "User-Agent": "EDGE_IMPULSE_CLI", "Content-Type": "application/json", "Accept": "application/json", "x-api-key": self.api_key})
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.loads(response.read())

    async def run(self, samples):
        async with websockets.connect(self.mgmt_url, ping_interval=1, ping_timeout=6, compression=None) as connection:
            await connection.send(self.hello())
            # Every frame is decoded as CBOR without a guard: text or garbage throws.
            self.hello_answer = cbor2.loads(await connection.recv())
            if self.hello_answer.get("hello") is not True:
                return
            # It makes no devices/create call, yet asks for the device at once.
            self.device = (await asyncio.to_thread(self.api, f"/device/{urllib.parse.quote(self.device_id, safe='')}"))["device"]
            self.connected.set()
            while len(self.uploads) < samples:
                message = cbor2.loads(await connection.recv())
                if "sample" in message:
                    await self.sample(connection, message["sample"])

    async def sample(self, connection, request):
        self.requests.append(request)
        await connection.send(cbor2.dumps({"sample": True}))
        await connection.send(cbor2.dumps({"sampleStarted": True}))
        axes = [{"name": f"acc{axis}", "units": "m/s2"} for axis in "XYZ"]
        rows = [[round(0.01 * i, 2), -9.81, len(self.uploads)] for i in range(int(self.frequency * request["length"] / 1000))]
        document = acquisition.signed_json(self.hmac_key, self.device_id, "DATA_FORWARDER", 1000 / self.frequency, axes, rows,
                                           int(time.time()))
        await connection.send(cbor2.dumps({"sampleUploading": True}))
        encoded = urllib.parse.quote(request["label"], safe="-_.!~*'()")
        headers = {"x-api-key": self.api_key, "x-file-name": encoded + ".json", "x-label": encoded,
                   "x-upload-source": "EDGE_IMPULSE_CLI_FORWARDER", "Content-Type": "application/json"}
        status, body = await asyncio.to_thread(post, self.ingestion_url + request["path"], headers, document)
        self.uploads.append({"status": status, "body": body, "document": document})
        if status // 100 == 2:
            await connection.send(cbor2.dumps({"sampleFinished": True}))
        else:
            await connection.send(cbor2.dumps({"sample": False, "error": f"Failed to upload sample: {status} {body[:100]}"}))
