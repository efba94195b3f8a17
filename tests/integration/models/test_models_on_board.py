# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The committed demonstration models take a user's road: tml-flash compiles them, a board runs them on readings of its own generator.
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

from processes import programs

MODELS = Path(__file__).resolve().parents[3] / "firmware/models"
sys.path.insert(0, str(MODELS))
from board import Board, Refused, compile_package  # noqa: E402

RESULTS = 12


class ModelsOnBoard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="tml-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.gestures, cls.fan = cls.folder / "gestures.tmlm", cls.folder / "fan.tmlm"
        compile_package(programs() / "tml-flash", cls.gestures, MODELS / "gestures.toml", MODELS / "gestures.tflite")
        compile_package(programs() / "tml-flash", cls.fan, MODELS / "fan.toml")

    def board(self, package, *flags):
        return Board(programs() / "tml-board", package, ["--speed", "20", "--seed", "5", *flags])

    def test_gestures_of_the_generator_are_recognised(self):
        for motion in ("circle", "flick", "idle", "updown"):
            with self.subTest(motion), self.board(self.gestures, "--sensor", f"accelerometer=synth:{motion}") as board:
                results = board.watch("AT+RUNIMPULSECONT", "Result: ", RESULTS)
                # The majority of five windows is not there before the third.
                self.assertEqual(set(results[2:]), {f"Result: {motion}"})

    def test_a_window_from_the_host_is_classified(self):
        with self.board(self.gestures) as board:
            scores, anomaly = board.run([0.0, 0.0, 9.8] * 208)
            self.assertEqual(max(scores, key=scores.get), "idle")
            self.assertIsNone(anomaly)
            with self.assertRaisesRegex(Refused, "Expected 624 items, but got 3"):
                board.run([0.0, 0.0, 9.8])

    def test_a_board_at_rest_is_no_running_fan(self):
        with self.board(self.fan, "--sensor", "inertial=synth:idle") as board:
            self.assertEqual(set(board.watch("AT+RUNIMPULSECONT", "Anomaly: ", 3)), {"Anomaly: yes"})


if __name__ == "__main__":
    unittest.main()
