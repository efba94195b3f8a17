#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# tml-forwarder against a server that follows the wire reference to the letter, decodes CBOR strictly and takes note of every offence.
import bench  # First: it makes the others importable.
import fleet
from line_board import plugged_in
from reference_server import ReferenceServer

DEVICE, AXES = "14:91:31:40", ["accX", "accY", "accZ"]
SENSOR = "Sensor with 3 axes (accX, accY, accZ)"


class ForwarderAgainstReference(bench.BenchTest):
    def forward(self, server, *flags, api_key=None):
        board = plugged_in(self, self.folder / "lines")
        self.host = self.started_process(fleet.Forwarder(
            self.bin, self.folder / "forwarder",
            ("--port", board.link, "--device-id", DEVICE, "--axes", ",".join(AXES), "--frequency", 100, *flags),
            server.host, api_key or server.api_key))

    def serve(self, server, *flags):
        self.forward(server, *flags)
        server.wait("hello", lambda s: DEVICE in s.connections)

    def capture(self, server, label, length_ms, category="training", hmac_key=None):
        before, stored = len(server.messages(DEVICE)), len(server.samples)
        server.request_sample(DEVICE, label, length_ms, 10, SENSOR, category, hmac_key)
        server.wait("the end of a sample", lambda s: any(
            "sampleFinished" in m or m.get("sample") is False for m in s.messages(DEVICE)[before:]), 60)
        messages = server.messages(DEVICE)[before:]
        kinds = [key for message in messages for key in message if key != "progressPercentage"]
        self.assertEqual([kinds[0], kinds[-1]], ["sample", "sampleFinished"], messages)
        self.assertEqual(len(server.samples), stored + 1)
        sample = server.samples[-1]
        self.assertEqual((sample["label"], sample["category"], sample["document"].readings), (label, category, length_ms // 10))
        return sample

    def test_hello_and_samples(self):
        with ReferenceServer() as server:
            self.serve(server)
            hello = next(event["hello"] for event in server.events if event["event"] == "hello")
            self.assertEqual((hello["version"], hello["connection"], hello["mode"], hello["deviceType"]),
                             (4, "daemon", "ingestion", "DATA_FORWARDER"))
            self.assertEqual(hello["sensors"], [{"name": SENSOR, "maxSampleLengthS": 3600, "frequencies": [100]}])
            self.assertIsInstance(server.connections[DEVICE][1]({}), bytes, "the connection is not in CBOR")
            sample = self.capture(server, "wave & hum", 2000, "testing")
            self.assertTrue(sample["verified"])
            self.assertEqual(sample["headers"]["content-type"], "application/json")
            self.assertEqual(sample["document"].payload["interval_ms"], 10)
            # Its own project key would verify too; this one only fits if the request's key was taken.
            sample = self.capture(server, "keyed", 1000, hmac_key="a key of this request alone")
            self.assertFalse(sample["verified"])
            self.assert_signed(sample["document"], "a key of this request alone", 100)
            self.assertEqual(server.offences, [])

    def test_one_request_at_a_time(self):
        with ReferenceServer() as server:
            self.serve(server)
            server.request_sample(DEVICE, "first", 2000, 10, SENSOR)
            server.wait("start", lambda s: {"sampleStarted": True} in s.messages(DEVICE))
            server.request_sample(DEVICE, "second", 500, 10, SENSOR)
            server.wait("refusal", lambda s: any(m.get("sample") is False for m in s.messages(DEVICE)))
            server.wait("end", lambda s: {"sampleFinished": True} in s.messages(DEVICE))
            self.assertEqual([sample["label"] for sample in server.samples], ["first"])
            self.assertEqual(server.offences, [])

    def test_connection_lost_and_answer_lost(self):
        with ReferenceServer() as server:
            self.serve(server)
            server.drop(DEVICE)
            server.wait("hello again", lambda s: len([e for e in s.events if e["event"] == "hello"]) == 2)
            server.lose_answers = 1
            before = len(server.samples)
            server.request_sample(DEVICE, "twice", 500, 10, SENSOR)
            server.wait("the end", lambda s: {"sampleFinished": True} in s.messages(DEVICE), 60)
            # A foreign server is told of the retry (x-disallow-duplicates) and refuses the second copy.
            self.assertEqual((len(server.samples), server.lose_answers), (before + 1, 0))
            self.assertEqual(server.offences, [])

    def test_ended_while_it_waits_for_the_receipt(self):
        with ReferenceServer() as server:
            self.serve(server)
            server.fail_uploads = 1_000_000
            server.request_sample(DEVICE, "later", 500, 10, SENSOR)
            self.host.wait_named("delivery_retry", 30)
            self.assertEqual(self.host.stop(), 0)
            self.assertEqual(server.samples, [])
            # What was stored is delivered by the next run, asked or not.
            server.fail_uploads = 0
            self.host.start()
            server.wait("the sample", lambda s: s.samples, 30)
            self.assertTrue(server.samples[0]["verified"])
            self.assertEqual(server.offences, [])

    def test_device_is_named_only_by_people(self):
        with ReferenceServer() as server:
            server.name_devices = False
            self.serve(server)
            self.capture(server, "idle", 500)
            self.assertEqual(server.devices[DEVICE]["name"], DEVICE)

    def test_refused_key_ends_with_its_exit_code(self):
        with ReferenceServer() as server:
            self.forward(server, api_key="ei_" + "0" * 32)
            self.assertEqual(self.host.process.process.wait(30), 7)
            self.host.process.join()


if __name__ == "__main__":
    bench.main()
