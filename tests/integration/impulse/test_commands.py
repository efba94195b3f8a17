# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The inference commands of a board on real packages: the demonstration model compiled by tml-flash, the board's sensors, a cascade, a camera
# model; and the incumbent's run-impulse on the other end. TML_BOARD=qemu runs the same on a Cortex-M4F.
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/support/py"))
sys.path.insert(0, str(ROOT / "tests/compat"))
import incumbent_impulse  # noqa: E402
from at_board import Line  # noqa: E402
from boards import board_argv, on_qemu, require_board  # noqa: E402
from processes import Process  # noqa: E402

PROGRAMS = Path(os.environ.get("TML_BIN_DIR", ROOT / "build/test/bin"))
MODELS = Path(os.environ.get("TML_SHARED_DIR", ROOT.parent / "shared")) / "models"
GESTURES = ROOT / "firmware/models/gestures.tflite"
LABELS = ["circle", "flick", "idle", "updown"]
IMPULSE = """
name = "{name}"
labels = ["circle", "flick", "idle", "updown"]
[impulse]
sensor = "Built-in accelerometer"
frequency_hz = 104
window_ms = 2000
stride_ms = 250
[[dsp]]
type = "raw"
"""
CAMERA = """
name = "person"
labels = ["no person", "person"]
[impulse]
[[dsp]]
type = "image"
image_width = 96
image_height = 96
image_channels = 3
scale = 0.00392156862745098
"""


class ImpulseTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="tml-impulse-")
        self.addCleanup(self.folder.cleanup)
        self.path = Path(self.folder.name)

    def compile(self, name, impulse, model=GESTURES):
        (self.path / f"{name}.toml").write_text(impulse)
        package = self.path / f"{name}.tmlm"
        done = subprocess.run([PROGRAMS / "tml-flash", "compile", model, "--impulse", self.path / f"{name}.toml", "-o", package],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return package

    def gestures(self, name="gestures", more=""):
        return self.compile(name, IMPULSE.format(name=name) + more)

    def start(self, *flags):
        link = self.path / "board"
        board = Process("tml-board", board_argv(PROGRAMS, ["--json", "--link", link, "--seed", "1", *flags]))
        self.addCleanup(board.kill)
        board.wait_named("ready")
        line = Line(link)
        self.addCleanup(line.close)
        line.wake()
        return line

    def host_run(self, package, payload):
        """What the host's player gives: [quantised], {layer: (bytes, crc32)}"""
        file = self.path / "input.bin"
        file.write_bytes(payload)
        done = subprocess.run([PROGRAMS / "tml-flash", "--json", "run", package, "--input", file, "--tensor", "--trace"],
                              capture_output=True, text=True, check=True)
        events = [json.loads(text) for text in done.stdout.splitlines()]
        layers = next(event["layers"] for event in events if event["event"] == "trace")
        scores = next(event["scores"] for event in events if event["event"] == "result")
        return [score["quantised"] for score in scores], {e["layer"]: (e["bytes"], e["crc32"]) for e in layers}


class Commands(ImpulseTest):
    def test_modelinfo_and_info(self):
        line = self.start("--model", f"0={self.gestures()}")
        text = "\n".join(line.command("AT+MODELINFO?"))
        self.assertIn("Slot 0A: valid, active\n\tName: gestures\n", text)
        self.assertIn("\tSensor: Built-in accelerometer, axes 0 1 2, 104.00 Hz, window 208, stride 26\n", text)
        self.assertIn("\tOn this board: runs\n\tLabel 0: circle\n", text)
        self.assertIn("Slot 1B: empty", text)
        self.assertIn("ML model name        : gestures", line.command("AT+INFO"))

    def test_board_and_host_agree_bit_for_bit(self):
        package = self.gestures()
        line = self.start("--model", f"0={package}")
        generator = random.Random(5)
        for _ in range(5):
            payload = generator.randbytes(624)
            board = line.run_model("0A", payload)
            scores, layers = self.host_run(package, payload)
            self.assertEqual([value - 256 if value > 127 else value for value in board["output"]], scores)
            self.assertEqual(board["layers"], layers)
            self.assertGreater(board["work"][0], 0)

    def test_static_windows(self):
        line = self.start("--model", f"0={self.gestures()}")
        window = [0.0, 0.0, 9.81] * 208
        lines = line.run_static(window)
        at = lines.index("TRANSFER COMPLETED 624")
        self.assertRegex(lines[at + 1], r"^Timing: DSP \d+ (ms|us), inference \d+ (ms|us), anomaly 0 ms$")
        self.assertEqual(lines[at + 2], "Predictions:")
        scores = dict(text.strip().split(": ") for text in lines[at + 3:at + 7])
        self.assertEqual(list(scores), LABELS)
        self.assertEqual(max(scores, key=lambda label: float(scores[label])), "idle")
        self.assertEqual(lines[-2:], ["RESULT 0", "END OUTPUT"])
        debug = line.run_static(window, debug=True)
        features = next(text for text in debug if text.startswith("Features: "))
        self.assertEqual(len(features.split()), 625)
        self.assertEqual(line.command("AT+RUNIMPULSESTATIC=n,5"),
                         ["ERROR: The size of the input buffer is not correct.", "Expected 624 items, but got 5"])

    def test_a_recording_of_another_rate_is_refused_alike_on_board_and_host(self):
        package = self.gestures()
        self.start("--model", f"0={package}").close()
        for rate, code in ((104, 0), (50, 2)):
            recording = self.path / "recording.json"
            recording.write_text(json.dumps({
                "protected": {"ver": "v1", "alg": "none"}, "signature": "0" * 64,
                "payload": {"device_type": "T", "interval_ms": 1000 / rate, "values": [[0.0, 0.0, 9.8]] * 208,
                            "sensors": [{"name": f"acc{axis}", "units": "m/s2"} for axis in "XYZ"]}}))
            home = {"HOME": self.folder.name, "XDG_CONFIG_HOME": self.folder.name, "XDG_STATE_HOME": self.folder.name}
            board = subprocess.run([PROGRAMS / "tml-daemon", "--json", "infer", self.path / "board", "--static", recording],
                                   capture_output=True, text=True, check=False, env={**os.environ, **home})
            host = subprocess.run([PROGRAMS / "tml-flash", "--json", "run", package, "--input", recording], capture_output=True, text=True, check=False)
            self.assertEqual((board.returncode, host.returncode), (code, code), board.stdout + host.stdout)
            if code:
                self.assertIn("50 Hz where the package works at 104 Hz", board.stdout)

    def test_runs_on_its_sensor(self):
        line = self.start("--model", f"0={self.gestures()}", "--sensor", "accelerometer=synth:idle", "--speed", "1" if on_qemu() else "8")
        once = line.run_until("AT+RUNIMPULSE", lambda text: text.count("  updown: ") == 1 and text.endswith("\n"))
        self.assertEqual(once[:6], ["Inferencing settings:", "\tInterval: 9.62 ms.", "\tFrame size: 624", "\tSample length: 2000 ms.",
                                    "\tNo. of classes: 4", "Starting inferencing, press 'b' to break"])
        self.assertEqual(once[6:8], ["Starting inferencing in 2 seconds...", "Sampling..."])
        self.assertEqual(once[-1], "Inferencing stopped by user")
        line.command("AT+DRIFT=RESET")
        often = line.run_until("AT+RUNIMPULSECONT", lambda text: text.count("  updown: ") >= 3)
        self.assertFalse([text for text in often if text.startswith(("ERR", "Overrun"))])
        drift = line.command("AT+DRIFT?")
        windows = int(re.match(r"Windows: (\d+) of", drift[1]).group(1))
        self.assertGreaterEqual(windows, 9)
        self.assertIn("Overrun: 0 windows skipped, 0 readings lost", drift)
        histogram = next(text for text in drift if text.startswith("Label idle: "))
        self.assertEqual(sum(int(count) for count in histogram.split(": ")[1].split()), windows)

    def test_a_cascade_saves_the_second_stage(self):
        first = self.gestures("first")
        second = self.gestures("second", '[gate]\nkind = "label"\nlabel = 1\nthreshold = 0.9\n')
        line = self.start("--model", f"0={first}", "--model", f"1={second}", "--sensor", "accelerometer=synth:idle",
                          "--speed", "1" if on_qemu() else "8")
        seen = line.run_until("AT+RUNIMPULSECONT", lambda text: text.count("Cascade: ") >= 3)
        self.assertTrue(any(re.match(r"Cascade: gate 0\.\d+, closed, second stage ran 0 of \d+ windows$", text) for text in seen), seen)
        told = "\n".join(line.command("AT+CASCADE?"))
        self.assertRegex(told, r"^Gate: label 1, threshold 0.900000, hold 1\nFirst stage: ran \d+ windows, work [1-9]\d* ")
        self.assertRegex(told, r"Second stage: ran 0 of [1-9]\d* windows \(0.0 %\), work 0 ")

    def test_damaged_packages_are_refused_and_the_other_bank_runs(self):
        good = self.gestures()
        damaged = self.path / "damaged.tmlm"
        content = bytearray(good.read_bytes())
        content[-100] ^= 1
        damaged.write_bytes(content)
        line = self.start("--model", f"0a={damaged}", "--model", f"0b={good}")
        lines = line.command("AT+MODELINFO?")
        self.assertEqual(lines[0], "Slot 0A: refused, fault 6: damaged: the content does not match its hash")
        self.assertEqual(lines[1], "Slot 0B: valid, active")
        self.assertEqual(line.run_static([0.0] * 624)[-2], "RESULT 0")

    def test_the_incumbents_run_impulse(self):
        line = self.start("--model", f"0={self.gestures()}", "--speed", "1" if on_qemu() else "8")
        client = incumbent_impulse.RunImpulse(line)
        client.connect()
        for command in ("AT+RUNIMPULSE", "AT+RUNIMPULSEDEBUG=n", "AT+RUNIMPULSECONT"):
            text = client.run(command, lambda seen: seen.count("  updown: ") >= 1)
            self.assertIn("#Classification predictions:\r\n  circle: ", text)
            self.assertTrue(text.endswith("Inferencing stopped by user\r\n> "), text[-200:])


KEYWORDS = """
name = "keywords"
labels = ["silence", "unknown", "yes", "no"]
[impulse]
sensor = "Built-in microphone"
frequency_hz = 16000
window_ms = 1000
stride_ms = 250
[[dsp]]
type = "log_mel"
"""


@unittest.skipUnless(MODELS.is_dir(), f"{MODELS} is missing")
class Keywords(ImpulseTest):
    def test_four_slices_a_second_keep_up(self):
        package = self.compile("keywords", KEYWORDS, MODELS / "micro_speech/model.tflite")
        # Instructions as the clock: what the board counts is what it executed, whatever else this machine does.
        line = self.start("--model", f"0={package}", "--sensor", "microphone=synth:yes", *(["--icount"] if on_qemu() else []))
        seen = line.run_until("AT+RUNIMPULSECONT", lambda text: text.count("  no: ") >= 4)
        self.assertFalse([text for text in seen if text.startswith(("ERR", "Overrun"))])
        drift = line.command("AT+DRIFT?")
        self.assertIn("Overrun: 0 windows skipped, 0 readings lost", drift)
        windows = int(re.match(r"Windows: (\d+) of", drift[1]).group(1))
        self.assertGreaterEqual(windows, 7)
        most, unit = re.match(r"Work: min \d+, mean \d+, max (\d+) (\S+)", drift[4]).groups()
        print(f"keyword spotting: at most {most} {unit} per slice, signal processing and model")
        if on_qemu():
            self.assertEqual(unit, "instructions")
            # 60 % of 100 M instructions per second
            self.assertLess(4 * int(most), 60_000_000)


@unittest.skipUnless(MODELS.is_dir(), f"{MODELS} is missing")
class Cameras(ImpulseTest):
    def test_pictures_are_classified_and_framed(self):
        package = self.compile("person", CAMERA, MODELS / "vww/model.tflite")
        line = self.start("--model", f"0={package}", "--sensor", "camera=synth:moving", "--speed", "1" if on_qemu() else "8")
        client = incumbent_impulse.RunImpulse(line)
        client.connect()
        text = client.run("AT+RUNIMPULSEDEBUG=n", lambda seen: seen.count("End output") >= 2)
        self.assertIn("\tImage resolution: 96x96\r\n", text)
        frames = incumbent_impulse.browser_frames(text)
        self.assertGreaterEqual(len(frames), 2)
        for frame in frames[:2]:
            self.assertEqual(frame["jpeg"][:2], b"\xff\xd8")
            self.assertEqual(frame["jpeg"][-2:], b"\xff\xd9")
            self.assertEqual(frame["mode"], "#Classification predictions:")
            self.assertEqual(set(frame["classes"]), {"no person", "person"})
            self.assertAlmostEqual(sum(frame["classes"].values()), 1, delta=0.01)
            self.assertFalse(frame["warnings"])
        self.assertEqual(line.command("AT+RUNIMPULSECONT"), ["Error no continuous classification available for current model"])


if __name__ == "__main__":
    require_board(PROGRAMS)
    if not (PROGRAMS / "tml-flash").exists():
        print(f"SKIPPED: no tml-flash in {PROGRAMS}", file=sys.stderr)
        sys.exit(77)
    unittest.main()
