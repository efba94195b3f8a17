#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# tml-daemon infer against boards that follow the wire reference and know nothing of our firmware.
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / part) for part in ("compat", "support/py")]
from reference_board import ReferenceBoard  # noqa: E402
from reference_impulse import AXES, READINGS, ReferenceImpulse  # noqa: E402
from terminal import Terminal  # noqa: E402

DAEMON = Path(os.environ["TML_BIN_DIR"]) / "tml-daemon"


class Infer(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.port = self.folder / "port"
        self.env = dict(os.environ, HOME=holder.name, XDG_CONFIG_HOME=holder.name, XDG_STATE_HOME=holder.name, NO_COLOR="1", TERM="xterm")

    def infer(self, *arguments):
        done = subprocess.run([DAEMON, "infer", self.port, "--json", *map(str, arguments)], env=self.env, capture_output=True, text=True, timeout=60)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, events, done.stderr

    def results(self, events):
        return [event for event in events if event["event"] == "inference"]

    def test_results_from_the_sensor(self):
        for style in ("current", "older"):
            with self.subTest(style), ReferenceImpulse(self.port, style=style):
                code, events, errors = self.infer("--results", 4)
                self.assertEqual(code, 0, errors)
                results = self.results(events)
                self.assertEqual([result["best"] for result in results], ["wave", "idle", "wave", "idle"])
                self.assertAlmostEqual(results[0]["anomaly"], 1.0)
                self.assertEqual(results[0]["timing_ms"]["dsp"], 12)
                self.assertEqual(results[0]["timing_ms"]["inference"], 0.3 if style == "current" else 3)
                self.assertAlmostEqual(sum(results[1]["scores"].values()), 1, 4)

    def test_continuous_and_its_refusal(self):
        with ReferenceImpulse(self.port) as board:
            code, events, errors = self.infer("--continuous", "--results", 3)
            self.assertEqual((code, len(self.results(events))), (0, 3), errors)
            self.assertIn("AT+RUNIMPULSECONT", board.commands)
        with ReferenceImpulse(self.port, continuous=False):
            code, events, errors = self.infer("--continuous", "--results", 3)
            self.assertEqual(code, 11)
            self.assertIn("no continuous classification", events[-1]["message"])

    def test_a_board_without_inference(self):
        with ReferenceBoard(self.port):
            code, events, _ = self.infer("--results", 1)
            self.assertEqual(code, 11)
            self.assertEqual(events[-1]["event"], "error")

    def recording(self, readings):
        rows = [[(-1.0 if row < READINGS else 0.5) + axis / 100 for axis in range(AXES)] for row in range(readings)]
        path = self.folder / "recording.json"
        path.write_text(json.dumps({
            "protected": {"ver": "v1", "alg": "none"}, "signature": "0" * 64,
            "payload": {"device_type": "T", "interval_ms": 16, "sensors": [{"name": f"acc{axis}", "units": "m/s2"} for axis in "XYZ"],
                        "values": rows}}))
        return path, rows

    def test_windows_of_a_recording(self):
        path, rows = self.recording(READINGS * 2 + 5)
        with ReferenceImpulse(self.port) as board:
            code, events, errors = self.infer("--static", path)
            self.assertEqual(code, 0, errors)
            results = self.results(events)
            self.assertEqual([result["best"] for result in results], ["idle", "wave", "wave"])
            self.assertEqual([result["source"] for result in results],
                             ["window 1 at 0.00 s", "window 2 at 0.40 s", "window 3 at 0.48 s"])
            flat = [value for row in rows[5 + READINGS:] for value in row]
            self.assertEqual(len(board.windows), 4)  # The first one asked for the size.
            for sent, arrived in zip(flat, board.windows[-1]):
                self.assertAlmostEqual(sent, arrived, 6)

    def test_a_recording_that_does_not_fit(self):
        path, _ = self.recording(READINGS - 1)
        with ReferenceImpulse(self.port):
            code, events, _ = self.infer("--static", path)
            self.assertEqual(code, 2)
            self.assertIn("75 values", events[-1]["message"])
        path.write_text("x")
        with ReferenceImpulse(self.port):
            code, events, _ = self.infer("--static", path)
            self.assertNotEqual(code, 0)
            self.assertIn(str(path), events[-1]["message"])

    def test_bars_on_a_terminal_and_ctrl_c(self):
        with ReferenceImpulse(self.port) as board:
            terminal = Terminal([DAEMON, "infer", self.port], self.env, columns=60)
            terminal.expect("result 1")
            terminal.expect("█")
            terminal.expect("anomaly 1.000")
            terminal.expect("result 2")
            terminal.kill(signal.SIGINT)
            terminal.rest()
            self.assertEqual(terminal.code, 130)
            for line in terminal.text.splitlines():
                self.assertLessEqual(len(line.split("\x1b[0J")[-1]), 60)
            self.assertEqual(board.stops, 1)


if __name__ == "__main__":
    unittest.main()
