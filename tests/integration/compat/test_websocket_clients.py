#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# A strict microcontroller and the incumbent's forwarder against tml-server, both in CBOR.
import asyncio
import json

import bench  # First: it makes the others importable.
import acquisition
import websockets
from clients import ForwarderClient, McuClient


class WebSocketClients(bench.BenchTest):
    def setUp(self):
        super().setUp()
        self.tml_server = self.server()

    async def serve(self, client, requests):
        """Runs a client while `requests` are made one after the other; (start-sampling answers, what the client raised)."""
        running = asyncio.ensure_future(client.run(len(requests)))
        waiting = asyncio.ensure_future(client.connected.wait())
        await asyncio.wait({running, waiting}, timeout=15, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
            self.fail(f"the client ended before it was connected: {client.hello_answer}")
        answers = [await asyncio.to_thread(self.tml_server.start_sampling, client.device_id, **request) for request in requests]
        await asyncio.wait_for(running, 30)
        return answers

    def mcu(self, **options):
        server = self.tml_server
        return McuClient(server.mgmt_url, server.ingestion_url, server.api_key, **options)

    def check_mcu(self, version):
        client = self.mcu(version=version)
        request = {"label": "idle", "length_ms": 1000, "interval_ms": 62.5, "sensor": "Built-in accelerometer",
                   "extra": {"labelColor": "#ff0000", "collectedSampleCount": 1, "targetSampleCount": 5}}
        # Three at once: a device gets one after the other, never two.
        answers = asyncio.run(self.serve(client, [request] * 3))
        self.assertTrue(all(answer["success"] for answer in answers), answers)
        self.assertEqual([upload["status"] for upload in client.uploads], [200] * 3)
        self.assertEqual({r["path"] for r in client.requests}, {"/api/training/data"})
        stored = self.tml_server.samples()
        self.assertEqual([(s["label"], s["signature"]) for s in stored], [("idle", "verified")] * 3)

    def test_mcu_hello_version_3(self):
        self.check_mcu(3)

    def test_mcu_hello_version_2_without_connection(self):
        self.check_mcu(2)

    def test_mcu_hello_version_1(self):
        self.check_mcu(1)

    def test_mcu_integer_interval(self):
        client = self.mcu()
        asyncio.run(self.serve(client, [{"label": "idle", "length_ms": 500, "interval_ms": 10, "sensor": "Built-in accelerometer"}]))
        self.assertEqual(client.uploads[0]["status"], 200)

    def test_mcu_wrong_key_is_refused_in_kind(self):
        client = self.mcu()
        client.api_key = "ei_" + "0" * 32
        asyncio.run(asyncio.wait_for(client.run(1), 15))
        self.assertIs(client.hello_answer["hello"], False)
        self.assertIsInstance(client.hello_answer["err"], str)

    def test_forwarder(self):
        server = self.tml_server
        client = ForwarderClient(server.mgmt_url, server.api_url, server.ingestion_url, server.project, server.api_key, server.hmac_key)
        request = {"label": "wave hand/left", "length_ms": 2000, "interval_ms": 16, "category": "testing",
                   "sensor": "Sensor with 3 axes (accX, accY, accZ)"}
        asyncio.run(self.serve(client, [request, request]))
        self.assertTrue(client.device["name"] and client.device["name"] != client.device_id, client.device)
        self.assertEqual([upload["status"] for upload in client.uploads], [200, 200])
        stored = server.samples()
        self.assertEqual([(s["label"], s["category"], s["signature"]) for s in stored], [("wave hand/left", "testing", "verified")] * 2)
        for sample, upload in zip(sorted(stored, key=lambda s: s["id"]), client.uploads):
            self.assertEqual(server.raw(sample["id"]), upload["document"])
            self.assertTrue(acquisition.decode(server.raw(sample["id"])).verify(server.hmac_key))

    def test_json_and_text_ping(self):
        async def mobile():
            async with websockets.connect(self.tml_server.mgmt_url, ping_interval=None, compression=None) as connection:
                await connection.send(json.dumps({"hello": {"version": 3, "apiKey": self.tml_server.api_key, "deviceId": "phone_1",
                                                            "deviceType": "MOBILE_CLIENT", "connection": "ip", "sensors": [],
                                                            "supportsSnapshotStreaming": True}}))
                answer = json.loads(await asyncio.wait_for(connection.recv(), 10))
                self.assertIs(answer["hello"], True)
                self.assertIsInstance(answer["serverTimestamp"], int)
                await connection.send("ping")
                self.assertEqual(await asyncio.wait_for(connection.recv(), 10), "pong")
                await connection.send("this is no JSON")
                answer = json.loads(await asyncio.wait_for(connection.recv(), 10))
                self.assertTrue(answer["err"].startswith("Failed to parse"), answer)
                await asyncio.wait_for(await connection.ping(), 6)

        asyncio.run(mobile())

    def test_newer_connection_displaces_the_older(self):
        async def both():
            older, newer = self.mcu(), self.mcu()
            first = asyncio.ensure_future(older.run(1))
            await asyncio.wait_for(older.connected.wait(), 10)
            answers = await self.serve(newer, [{"label": "idle", "length_ms": 500, "interval_ms": 10, "sensor": "Built-in accelerometer"}])
            self.assertTrue(answers[0]["success"])
            with self.assertRaises(websockets.ConnectionClosed):
                await asyncio.wait_for(first, 10)
            self.assertEqual((len(older.requests), len(newer.requests)), (0, 1))

        asyncio.run(both())


if __name__ == "__main__":
    bench.main()
