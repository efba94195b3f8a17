# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
"""Remote management over WebSocket (wire reference 2.6, 2.7): JSON and CBOR clients, microcontrollers, queues, displacement."""
import asyncio
import json
import unittest

import cbor2
import websockets

from support import ServerTest, document

STRICT_KEYS = {"path", "label", "hmacKey", "interval", "length", "sensor"}


class Client:
    """A device as the CLI's daemon (JSON), the forwarder (CBOR), or a microcontroller (CBOR, old hello) plays it."""

    def __init__(self, server, device, version=4, binary=False):
        self.server, self.device, self.version, self.binary = server, device, version, binary

    async def connect(self, key=None):
        self.socket = await websockets.connect(f"ws://127.0.0.1:{self.server.ws}/")
        sensor = "Built-in accelerometer" if self.version == 1 else {"name": "Built-in accelerometer", "maxSampleLengthS": 300, "frequencies": [62.5, 100]}
        hello = {"version": self.version, "apiKey": key or self.server.key, "deviceId": self.device, "deviceType": "TEST", "connection": "daemon", "sensors": [sensor]}
        if self.version >= 3:
            hello["supportsSnapshotStreaming"] = True
        if self.version >= 4:
            hello["mode"] = "ingestion"
        await self.send({"hello": hello})
        return await self.receive()

    async def send(self, message):
        await self.socket.send(cbor2.dumps(message) if self.binary else json.dumps(message))

    async def receive(self):
        raw = await asyncio.wait_for(self.socket.recv(), 20)
        assert isinstance(raw, bytes) == self.binary, "answered in another encoding"
        return cbor2.loads(raw) if self.binary else json.loads(raw)

    async def closed(self):
        await asyncio.wait_for(self.socket.wait_closed(), 30)
        return self.socket.close_code

    async def work(self, message, label=None):
        """A whole sample as the daemon reports it; the upload goes to the ingestion listener."""
        request = message["sample"]
        for report in ({"sample": True}, {"sampleStarted": True}, {"sampleReading": True, "progressPercentage": 40}, {"sampleUploading": True}):
            await self.send(report)
        body = document(request["hmacKey"], device=self.device)
        result = await asyncio.to_thread(self.server.ingest, request["path"], body, x_file_name=label or request["label"] + ".1", content_type="application/cbor")
        assert result[0] == 200, result
        await self.send({"sampleFinished": True})


class Remote(ServerTest):
    async def call(self, *arguments, **named):
        return await asyncio.to_thread(self.server.call, *arguments, **named)

    async def start(self, device, **more):
        body = {"label": "idle", "lengthMs": 500, "category": "training", "intervalMs": 10, "sensor": "Built-in accelerometer", **more}
        return await self.call("POST", f"/v1/api/1/device/{device}/start-sampling", body)

    async def until(self, request, state):
        for _ in range(400):
            _, answer, _ = await self.call("GET", f"/v1/api/1/requests/{request}")
            if answer["request"]["state"] == state:
                return answer["request"]
            await asyncio.sleep(0.02)
        self.fail(f"never {state}: {answer}")

    def test_sample_flow_in_both_encodings(self):
        async def flow(binary, version):
            device = f"flow-{binary}-{version}"
            client = Client(self.server, device, version, binary)
            hello = await client.connect()
            self.assertIs(hello["hello"], True)
            self.assertIsInstance(hello["serverTimestamp"], int)
            _, answer, _ = await self.call("GET", f"/v1/api/1/device/{device}")
            self.assertTrue(answer["device"]["remote_mgmt_connected"])
            self.assertEqual(answer["device"]["remoteMgmtMode"], "ingestion")
            self.assertEqual(answer["device"]["sensors"][0]["frequencies"], [62.5, 100])
            self.assertEqual(answer["device"]["sensors"][0]["maxSampleLengthS"], 300)
            status, answer, _ = await self.start(device, labelColor="#fff", targetSampleCount=3)
            self.assertEqual(status, 200, answer)
            message = await client.receive()
            extra = {"labelColor", "targetSampleCount"} if version >= 4 else set()
            self.assertEqual(set(message["sample"]), STRICT_KEYS | extra)
            self.assertIsInstance(message["sample"]["length"], int)
            self.assertEqual(message["sample"]["path"], "/api/training/data")
            self.assertEqual(message["sample"]["hmacKey"], self.server.hmac_key)
            await client.work(message)
            done = await self.until(answer["id"], "finished")
            sample = self.server.samples("?limit=1")["samples"][0]
            self.assertEqual(done["sampleId"], sample["id"])
            self.assertEqual((sample["signature"], sample["label"], sample["deviceName"]), ("verified", "idle", device))
            await client.socket.close()

        for binary, version in ((False, 4), (True, 4), (True, 3), (True, 2), (False, 1), (True, 1)):
            with self.subTest(binary=binary, version=version):
                asyncio.run(flow(binary, version))

    def test_one_request_at_a_time(self):
        async def flow():
            client = Client(self.server, "queue")
            await client.connect()
            ids = [(await self.start("queue", label=f"l{i}"))[1]["id"] for i in range(17)]
            status, answer, _ = await self.start("queue")
            self.assertEqual(status, 429)
            self.assertIn("waiting", answer["error"])
            first = await client.receive()
            self.assertEqual(first["sample"]["label"], "l0")
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(client.socket.recv(), 0.5)
            await client.work(first)
            second = await client.receive()
            self.assertEqual(second["sample"]["label"], "l1")
            await client.send({"sample": False, "error": "sensor is missing"})
            failed = await self.until(ids[1], "failed")
            self.assertEqual(failed["error"], "sensor is missing")
            await client.receive()
            await client.socket.close()
            self.assertIn("disconnected", (await self.until(ids[2], "failed"))["error"])
            again = Client(self.server, "queue")
            await again.connect()
            self.assertEqual((await again.receive())["sample"]["label"], "l3")
            await again.socket.close()
        asyncio.run(flow())

    def test_newer_connection_displaces_the_older(self):
        async def flow():
            old, new = Client(self.server, "twin"), Client(self.server, "twin", binary=True)
            await old.connect()
            self.assertTrue((await new.connect())["hello"])
            self.assertEqual(await old.closed(), 1008)
            await self.start("twin")
            self.assertIn("sample", await new.receive())
            await new.socket.close()
        asyncio.run(flow())

    def test_hello_refused(self):
        async def flow():
            for binary in (False, True):
                client = Client(self.server, "stranger", binary=binary)
                answer = await client.connect(key="ei_" + "1" * 64)
                self.assertEqual((answer["hello"], answer["err"]), (False, "Invalid API key"))
                await client.closed()
            status, _, _ = await self.call("GET", "/v1/api/1/device/stranger")
            self.assertEqual(status, 404)
            status, _, _ = await self.start("stranger")
            self.assertEqual(status, 404)
        asyncio.run(flow())

    def test_garbage(self):
        async def flow():
            for junk in ("nonsense", b"\xff\xff", "[" * 10_000, b"\x81" * 100_000, json.dumps({"sample": True}), b"\xbf" * 5000):
                async with websockets.connect(f"ws://127.0.0.1:{self.server.ws}/") as socket:
                    await socket.send(junk)
                    raw = await asyncio.wait_for(socket.recv(), 20)
                    self.assertEqual(isinstance(raw, bytes), isinstance(junk, bytes))
                    self.assertIn("err", cbor2.loads(raw) if isinstance(raw, bytes) else json.loads(raw))
            client = Client(self.server, "noisy")
            await client.connect()
            await client.socket.send("{{{")
            self.assertTrue((await client.receive())["err"].startswith("Failed to parse"))
            await client.socket.close()
        asyncio.run(flow())

    def test_pings(self):
        async def flow():
            client = Client(self.server, "mobile")
            await client.connect()
            await asyncio.wait_for(await client.socket.ping(), 6)
            await client.socket.send("ping")
            self.assertEqual(await asyncio.wait_for(client.socket.recv(), 6), "pong")
            await client.socket.close()
        asyncio.run(flow())

    def test_silent_client_is_dropped(self):
        async def flow():
            socket = await websockets.connect(f"ws://127.0.0.1:{self.server.ws}/")
            await asyncio.wait_for(socket.wait_closed(), 25)
            self.assertEqual(socket.close_code, 1008)
        asyncio.run(flow())

    def test_revoked_key_ends_the_connection(self):
        async def flow():
            _, lines = await asyncio.to_thread(self.server.run, "key", "create", "--role", "ingestiononly")
            for _ in range(100):
                client = Client(self.server, "revoked")
                if (await client.connect(key=lines[0]["key"]))["hello"]:
                    break
                await client.closed()
                await asyncio.sleep(0.05)
            await asyncio.to_thread(self.server.run, "key", "revoke", str(lines[0]["id"]))
            self.assertEqual(await client.closed(), 1008)
        asyncio.run(flow())


if __name__ == "__main__":
    unittest.main(verbosity=2)
