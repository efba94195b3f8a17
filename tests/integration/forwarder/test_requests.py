#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Samples that the server asks tml-forwarder for: a board that prints lines, our server's JSON API, and everything that may go away
# in between.
import sys
import unittest
import urllib.request
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS / "compat"), str(TESTS / "support" / "py")]

import fleet  # noqa: E402
import tmltest  # noqa: E402
from line_board import plugged_in  # noqa: E402
from tmltest import wait_until  # noqa: E402

DEVICE = "desk-1"
AXES = ["accX", "gyrY", "temp"]
SENSOR = "Sensor with 3 axes (accX, gyrY, temp)"


class Requests(tmltest.BenchTest):
    def setUp(self):
        super().setUp()
        self.link = self.folder / "lines"
        self.tml_server = self.server()

    def line_board(self):
        return plugged_in(self, self.link)

    def forward(self, *flags, connected=True):
        server = self.tml_server
        self.host = self.started_process(fleet.Forwarder(
            self.bin, self.folder / "forwarder", ("--port", self.link, "--device-id", DEVICE, "--axes", ",".join(AXES), *flags),
            server.host, server.api_key))
        if connected:
            self.host.wait_named("remote_connected", 30)

    def ask(self, label, length_ms, category="training"):
        answer = self.tml_server.start_sampling(DEVICE, label, length_ms, 10, SENSOR, category)
        self.assertTrue(answer["success"], answer)
        return answer["id"]

    def request(self, request_id):
        return self.tml_server.call("GET", f"/requests/{request_id}")["request"]

    def stored(self, label, timeout_s=40):
        found = wait_until(f"sample {label}", lambda: [s for s in self.tml_server.samples() if s["label"] == label], timeout_s, 0.1)
        self.assertEqual(len(found), 1, found)
        return found[0]

    def check(self, label, readings, category="training", interval_ms=10):
        document = self.assert_verified(self.tml_server, self.stored(label), label, category)
        payload = document.payload
        self.assertEqual((payload["device_name"], payload["device_type"]), (DEVICE, "DATA_FORWARDER"))
        self.assertEqual([axis["name"] for axis in payload["sensors"]], AXES)
        self.assertEqual([axis["units"] for axis in payload["sensors"]], ["m/s2", "N/A", "N/A"])
        self.assertAlmostEqual(payload["interval_ms"], interval_ms, delta=interval_ms / 100)
        self.assertAlmostEqual(document.readings, readings, delta=max(1, readings // 100))
        indices = [row[0] for row in payload["values"]]
        self.assertEqual(indices, list(range(int(indices[0]), int(indices[0]) + len(indices))), "readings are missing or out of order")
        return document

    def test_fitted_rate_and_several_requests(self):
        self.line_board()
        self.forward()
        sensor = self.tml_server.device(DEVICE)["sensors"][0]
        self.assertEqual((sensor["name"], sensor["frequencies"]), (SENSOR, [100]))
        self.ask("wave/left", 2000, "testing")
        self.ask("idle", 1000)
        self.check("wave/left", 200, "testing")
        self.check("idle", 100)

    def test_request_for_a_server_that_was_away(self):
        self.line_board()
        self.forward("--frequency", 100)
        self.tml_server.kill()
        self.host.wait_named("remote_disconnected", 20)
        connected = len(self.host.events)
        self.tml_server.start()
        self.tml_server.wait_ready()
        self.host.wait_event("connected again", lambda event: event.get("event") == "remote_connected", 40, connected)
        self.ask("again", 500)
        self.check("again", 50)

    def test_server_killed_during_the_sample(self):
        self.line_board()
        self.forward("--frequency", 100)
        self.ask("orphan", 3000)
        self.host.wait_named("sample_started", 20)
        self.tml_server.kill()
        self.host.wait_named("stored", 20)
        self.tml_server.start()
        self.tml_server.wait_ready()
        self.check("orphan", 300)

    def test_board_unplugged_during_the_sample(self):
        board = self.line_board()
        self.forward("--frequency", 100)
        request = self.ask("torn", 30000)
        self.host.wait_named("sample_started", 20)
        board.unplug()
        failed = self.host.wait_named("sample_failed", 20)
        wait_until("the server knows", lambda: self.request(request)["state"] == "failed", 20, 0.1)
        self.assertIn(failed["code"], ("unplugged", "io"))
        self.line_board()
        self.ask("whole", 500)
        self.check("whole", 50)
        self.assertEqual(len(self.tml_server.samples()), 1)

    def test_frames_board_names_its_axes(self):
        board = self.board("--profile", "frames", "--stream", "accelerometer,100,batch")
        server = self.tml_server
        host = self.started_process(fleet.Forwarder(self.bin, self.folder / "frames", ("--port", board.link, "--device-id", DEVICE),
                                                    server.host, server.api_key))
        host.wait_named("remote_connected", 30)
        self.assertEqual(server.device(DEVICE)["sensors"][0]["name"], "Sensor with 3 axes (accX, accY, accZ)")
        self.ask("idle", 2000)
        document = self.assert_verified(server, self.stored("idle"), "idle")
        self.assertEqual(document.readings, 200)
        self.assertEqual([axis["name"] for axis in document.payload["sensors"]], ["accX", "accY", "accZ"])

    def test_without_names_it_ends_and_names_the_flag(self):
        self.line_board()
        server = self.tml_server
        host = self.started_process(fleet.Forwarder(self.bin, self.folder / "unnamed", ("--port", self.link, "--frequency", 100),
                                                    server.host, server.api_key))
        self.assertEqual(host.process.process.wait(30), 2)
        host.process.join()
        self.assertIn("--axes", host.report())

    def test_metrics(self):
        self.line_board()
        self.forward("--frequency", 100, "--metrics", "127.0.0.1:0")
        port = self.host.wait_named("metrics")["port"]

        def metrics():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
                lines = response.read().decode().splitlines()
            return {line.split("{")[0].split(" ")[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}

        self.ask("one", 500)
        self.stored("one")
        wait_until("a sample counted", lambda: metrics()["tml_forwarder_samples_total"] == 1, 20, 0.1)
        now = metrics()
        self.assertGreater(now["tml_forwarder_readings_total"], 50)
        self.assertEqual((now["tml_forwarder_missing_readings_total"], now["tml_forwarder_remote_connected"], now["tml_forwarder_up"]),
                         (0, 1, 1))
        self.assertEqual(now["tml_forwarder_rate_hz"], 100)


if __name__ == "__main__":
    unittest.main(verbosity=2)
