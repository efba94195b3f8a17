#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The incumbent's data forwarder with our server: what `EI_HOST=127.0.0.1 edge-impulse-data-forwarder` does with a board that prints
# lines (tml-board as such a board, and one that counts), from login to a sample that is stored and verified. Our own forwarder does the
# same with the same board.
import bench  # First: it makes the others importable.
import fleet
from line_board import plugged_in
from processes import wait_until

SERIAL, DEVICE = "14913140", "14:91:31:40"
AXES = ["accX", "gyrY", "audio"]
SENSOR = "Sensor with 3 axes (accX, gyrY, audio)"


class IncumbentForwarder(bench.BenchTest):
    def setUp(self):
        super().setUp()
        self.tml_server = self.server()

    def forward(self, link, answers=None, flags=(), name="incumbent"):
        server = self.tml_server
        answers = (server.user, server.password, ", ".join(AXES)) if answers is None else answers
        self.host = self.incumbent(server.base_port, link, answers, ("--usb-serial", SERIAL, *flags), name, "forwarder")
        self.host.wait_did("device_ready")

    def line_board(self):
        return plugged_in(self, self.folder / "lines")

    def capture(self, label, length_ms, count, category="training"):
        answer = self.tml_server.start_sampling(DEVICE, label, length_ms, 10, SENSOR, category)
        self.assertTrue(answer["success"], answer)
        finished = self.host.wait_did("sample_finished", 30, count)
        self.assertEqual(finished["label"], label)
        document = self.check_stored(label, category)
        frequency = 1000 / document.payload["interval_ms"]
        self.assertLessEqual(document.readings, int(round(frequency, 6) * length_ms / 1000))
        return document

    def check_stored(self, label, category):
        sample = self.tml_server.samples()[0]
        document = self.assert_verified(self.tml_server, sample, label, category)
        payload = document.payload
        self.assertEqual((payload["device_name"], payload["device_type"]), (DEVICE, "DATA_FORWARDER"))
        self.assertEqual([axis["name"] for axis in payload["sensors"]], AXES)
        self.assertEqual([axis["units"] for axis in payload["sensors"]], ["m/s2", "N/A", "wav"])
        return document

    def test_csv_board(self):
        board = self.board("--profile", "csv", "--no-header", "--stream", "accelerometer,104")
        server = self.tml_server
        self.forward(board.link, (server.user, server.password, "accX, gyrY, audio"))
        document = self.capture("idle", 2000, 1)
        self.assertAlmostEqual(document.readings, 208, delta=20)

    def test_csv_board_with_our_forwarder(self):
        board = self.board("--profile", "csv", "--stream", "accelerometer,104")
        server = self.tml_server
        host = self.started_process(fleet.Forwarder(
            self.bin, self.folder / "forwarder", ("--port", board.link, "--device-id", DEVICE, "--axes", ",".join(AXES)),
            server.host, server.api_key))
        host.wait_named("remote_connected", 30)
        answer = server.start_sampling(DEVICE, "wave hand/left", 2000, 10, SENSOR, "testing")
        self.assertTrue(answer["success"], answer)
        host.wait_named("stored", 30)
        wait_until("the sample", server.samples, 20, 0.1)
        document = self.check_stored("wave hand/left", "testing")
        self.assertEqual(document.readings, 208)
        self.assertAlmostEqual(document.payload["interval_ms"], 1000 / 104, delta=0.01)

    def assert_consecutive(self, document):
        indices = [row[0] for row in document.payload["values"]]
        self.assertEqual(indices, list(range(int(indices[0]), int(indices[0]) + len(indices))))

    def test_sample_on_request(self):
        self.line_board()
        self.forward(self.folder / "lines")
        detected = self.host.wait_did("detected")
        self.assertEqual(detected["axes"], 3)
        document = self.capture("wave hand/left", 2000, 1, "testing")
        self.assert_consecutive(document)
        # Its own rate is whatever one second of arrivals happened to hold (weakness 3), so the length of a sample is only about right.
        self.assertAlmostEqual(document.readings, 200, delta=20)
        self.assertEqual(self.tml_server.samples()[0]["label"], "wave hand/left")
        device = self.tml_server.device(DEVICE)
        self.assertTrue(device["name"] and device["name"] != DEVICE, device)
        self.assertEqual(device["sensors"][0]["name"], SENSOR)

    def test_api_key(self):
        self.line_board()
        self.forward(self.folder / "lines", (", ".join(AXES),), ("--api-key", self.tml_server.api_key))
        self.capture("keyed", 1000, 1)
        self.host.stop()
        # The axes are kept, and a key of one's own makes the incumbent ask again all the same (3.2).
        self.forward(self.folder / "lines", (", ".join(AXES),), ("--api-key", self.tml_server.api_key))
        self.assertTrue([event for event in self.host.did() if event["event"] == "question" and "sensor axes" in event["text"]])

    def test_requests_queue_per_device(self):
        self.line_board()
        self.forward(self.folder / "lines")
        for index in range(2):
            answer = self.tml_server.start_sampling(DEVICE, f"queued{index}", 500, 10, SENSOR)
            self.assertTrue(answer["success"], answer)
        self.host.wait_did("sample_finished", 30, 2)
        self.assertFalse([event for event in self.host.did() if event["event"] == "overlapping_sample_requests"])
        self.assertEqual(sorted(sample["label"] for sample in self.tml_server.samples()), ["queued0", "queued1"])

    def test_return_of_the_server(self):
        self.line_board()
        self.forward(self.folder / "lines", flags=("--ping-s", "1"))
        self.tml_server.kill()
        self.host.wait_did("ws_closed", 20)
        ready = len([event for event in self.host.did() if event["event"] == "device_ready"])
        self.tml_server.start()
        self.tml_server.wait_ready()
        self.host.wait_did("device_ready", 30, ready + 1)
        self.capture("again", 1000, 1)


if __name__ == "__main__":
    bench.main()
