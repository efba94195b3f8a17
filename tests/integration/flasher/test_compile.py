#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# tml-flash compile and run as processes: files, exit codes, JSON, determinism, and (where they are) the golden models.
import hashlib
import json
import math
import os
import shutil
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

from processes import programs

ROOT = Path(__file__).resolve().parents[3]
NETWORK = ROOT / "tests/fuzz/model/corpus/tflite/network.tflite"
SHARED = Path(os.environ.get("TML_SHARED_DIR") or ROOT.parent / "shared") / "models"
HEADER_HASH, HEADER_BYTES = 224, 256

FAN = """
name = "fan"
[impulse]
axes = [0, 1]
frequency_hz = 50
window_ms = 400
stride_ms = 200
[[dsp]]
type = "flatten"
statistics = ["mean", "deviation"]
[anomaly]
kind = "k_means"
clusters = 2
"""


def wave(size, seed):
    rows = [(size * math.sin(n * 0.7 + seed) + 0.1 * math.sin(n * seed), size * math.cos(n * 0.7)) for n in range(40)]
    return "".join(f"{x:.6f},{y:.6f}\n" for x, y in rows)


class Flash(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tml-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.flash = programs() / "tml-flash"

    def run_flash(self, *arguments, code=0):
        done = subprocess.run([str(self.flash), *map(str, arguments)], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                              env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(self.folder)})
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def events(self, *arguments, code=0):
        lines = self.run_flash(*arguments, "--json", code=code).stdout.splitlines()
        return {event["event"]: event for event in map(json.loads, lines)}

    def put(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def test_compiles_and_runs(self):
        package = self.folder / "network.tmlm"
        labels = self.put("labels.txt", "a\nb\nc\n")
        compiled = self.events("compile", NETWORK, "--labels", labels, "--name", "network", "--model-version", "1.2.3", "--report", "-o", package)["compiled"]
        content = package.read_bytes()
        self.assertEqual(content[:4], b"TMLM")
        self.assertEqual(len(content), compiled["bytes"])
        self.assertEqual(struct.unpack_from("<I", content, 8)[0], len(content))
        self.assertEqual(hashlib.sha256(content[:HEADER_HASH] + content[HEADER_BYTES:]).digest(), content[HEADER_HASH:HEADER_BYTES])
        self.assertEqual([layer["op"] for layer in compiled["report"]["layers"]],
                         ["CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"])
        self.assertEqual(compiled["macs"], sum(layer["macs"] for layer in compiled["report"]["layers"]))
        again = self.folder / "again.tmlm"
        self.run_flash("compile", NETWORK, "--labels", labels, "--name", "network", "--model-version", "1.2.3", "-o", again)
        self.assertEqual(again.read_bytes(), content)

        tensor = self.put("input.bin", bytes(n * 37 % 256 for n in range(72)))
        results = []
        for model in (package, NETWORK):
            for kernels in ("ref", "fast"):
                events = self.events("run", model, "--input", tensor, "--trace", "--kernels", kernels)
                results.append(([score["quantised"] for score in events["result"]["scores"]], events["trace"]["layers"]))
        self.assertTrue(all(result == results[0] for result in results), results)
        self.assertEqual([layer["layer"] for layer in results[0][1]], [0, 1, 2, 4, 5])
        text = self.run_flash("run", package, "--input", tensor).stdout
        self.assertIn("Result: ", text)
        self.assertEqual(len(text.splitlines()), 4)

    def test_fits_and_saves_an_anomaly_detector(self):
        for n in range(8):
            self.put(f"normal/{n}.csv", wave(1.0, n))
        fit = self.put("fit.toml", FAN + 'fit = "normal"\n')
        package, fitted = self.folder / "fan.tmlm", self.folder / "fan.anomaly"
        compiled = self.events("compile", "--impulse", fit, "-o", package, "--fitted", fitted)["compiled"]
        self.assertEqual((compiled["name"], compiled["anomaly"]["windows"], compiled["macs"]), ("fan", 24, 0))
        loaded = self.put("loaded.toml", FAN + 'fitted = "fan.anomaly"\n')
        self.run_flash("compile", "--impulse", loaded, "-o", self.folder / "loaded.tmlm")
        self.assertEqual((self.folder / "loaded.tmlm").read_bytes(), package.read_bytes())
        for size, expected in ((1.0, False), (5.0, True)):
            window = self.put("window.csv", wave(size, 3))
            events = self.events("run", package, "--input", window, "--features")
            self.assertEqual(events["result"]["anomaly"]["is_anomaly"], expected, events)
            self.assertEqual(len(events["features"]["features"]), 4)

    def test_errors_have_codes(self):
        self.assertIn("--help", self.run_flash("compile", "--no-such-flag", code=2).stderr)
        self.run_flash(code=2)
        self.run_flash("compile", code=2)
        self.run_flash("compile", self.folder / "missing.tflite", code=4)
        broken = self.put("broken.tflite", NETWORK.read_bytes()[:500])
        error = self.events("compile", broken, code=1)["error"]
        self.assertEqual(error["code"], "malformed")
        impulse = self.put("bad.toml", FAN.replace("axes", "axis"))
        self.assertIn("axis is not known here", self.events("compile", "--impulse", impulse, code=2)["error"]["message"])
        package = self.folder / "network.tmlm"
        self.run_flash("compile", NETWORK, "-o", package)
        damaged = bytearray(package.read_bytes())
        damaged[-1] ^= 1
        self.run_flash("run", self.put("damaged.tmlm", bytes(damaged)), "--input", self.put("in.bin", bytes(72)), code=9)
        error = self.events("run", package, "--input", self.put("short.bin", bytes(71)), code=2)["error"]
        self.assertIn("71 bytes where the model takes 72", error["message"])
        self.assertIn("tml-flash", self.run_flash("--version").stdout)
        self.assertIn("Exit codes", self.run_flash("--help").stdout)

    def test_fitted_is_refused_before_anything_is_written(self):
        package, fitted = self.folder / "network.tmlm", self.folder / "network.anomaly"
        error = self.events("compile", NETWORK, "-o", package, "--fitted", fitted, code=2)["error"]
        self.assertIn("no fitted anomaly model", error["message"])
        self.assertFalse(package.exists() or fitted.exists())

    def test_default_names_end_with_a_whole_character(self):
        # 30 bytes and a character of two: byte 31 is in the middle of it.
        for stem, name in (("n" * 30 + "\u00fc", "n" * 30), ("n" * 29 + "\u00fc" + "n", "n" * 29 + "\u00fc"), ("n" * 40, "n" * 31)):
            model = self.put(f"{stem}.tflite", NETWORK.read_bytes())
            self.assertEqual(self.events("compile", model)["compiled"]["name"], name)
            self.assertTrue((self.folder / f"{stem}.tmlm").exists())

    def test_camera_packages_take_no_readings(self):
        image = self.put("camera.toml", '[impulse]\n[[dsp]]\ntype = "image"\nimage_width = 6\nimage_height = 6\nimage_channels = 1\n'
                                        '[anomaly]\nkind = "k_means"\nfit = "normal"\n')
        error = self.events("compile", "--impulse", image, code=2)["error"]
        self.assertIn("cannot be fitted to pictures", error["message"])
        network = self.put("network.toml", '[impulse]\n[[dsp]]\ntype = "image"\nimage_width = WIDTH\nimage_height = HEIGHT\nimage_channels = 1\n'
                           .replace("WIDTH", "12").replace("HEIGHT", "6"))
        package = self.folder / "camera.tmlm"
        self.run_flash("compile", NETWORK, "--impulse", network, "-o", package)
        error = self.events("run", package, "--input", self.put("window.csv", wave(1.0, 3)), code=2)["error"]
        self.assertIn("the package classifies pictures of a camera, the file holds readings", error["message"])
        self.assertIn("Give a picture", error["message"] + error.get("hint", ""))

    def test_gates_that_boards_refuse(self):
        self.put("normal/0.csv", wave(1.0, 0))
        level = self.put("level.toml", FAN + 'fit = "normal"\n[gate]\nkind = "level"\naxis = 7\nthreshold = 1\n')
        package = self.folder / "level.tmlm"
        error = self.events("compile", "--impulse", level, "-o", package, code=2)["error"]
        self.assertIn("axis is 7, but a window has 2 axes", error["message"])
        self.assertFalse(package.exists())

    def test_golden_models(self):
        if not SHARED.is_dir():
            self.skipTest(f"no golden models: {SHARED} is not there")
        for folder in sorted(path for path in SHARED.iterdir() if (path / "meta.json").exists()):
            with self.subTest(folder.name):
                meta = json.loads((folder / "meta.json").read_text())
                inputs, outputs = (folder / "inputs.bin").read_bytes(), (folder / "outputs.bin").read_bytes()
                size, made = meta["input"]["bytes"], meta["output"]["bytes"]
                package = self.folder / f"{folder.name}.tmlm"
                compiled = self.events("compile", folder / "model.tflite", "-o", package)["compiled"]
                self.assertEqual(compiled["macs"], meta["model"]["macs"])
                index = len(meta["vectors"]) - 1
                events = self.events("run", package, "--input", self.put("vector.bin", inputs[index * size:(index + 1) * size]), "--trace")
                values = [score["quantised"] & 0xFF for score in events["result"]["scores"]]
                self.assertEqual(bytes(values), outputs[index * made:(index + 1) * made])
                golden = meta["vectors"][index].get("layer_crc32")
                for layer in events["trace"]["layers"] if golden else []:
                    self.assertEqual(layer["crc32"], golden[layer["layer"]])


if __name__ == "__main__":
    unittest.main()
