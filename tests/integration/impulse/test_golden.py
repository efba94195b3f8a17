# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Every golden vector of ../shared/models through AT+RUNMODEL on a board: the output, the tensor before the softmax and the checksum of each
# layer, bit for bit. TML_BOARD=qemu runs the same on a Cortex-M4F. TML_GOLDEN_VECTORS limits the vectors per model (0, the default: all).
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/support/py"))
from at_board import Line  # noqa: E402
from boards import board_argv, require_board  # noqa: E402
from processes import Process  # noqa: E402

PROGRAMS = Path(os.environ.get("TML_BIN_DIR", ROOT / "build/test/bin"))
MODELS = Path(os.environ.get("TML_SHARED_DIR", ROOT.parent / "shared")) / "models"
LIMIT = int(os.environ.get("TML_GOLDEN_VECTORS", "0"))


class Golden(unittest.TestCase):
    def check(self, name):
        folder = MODELS / name
        meta = json.loads((folder / "meta.json").read_text())
        inputs = (folder / "inputs.bin").read_bytes()
        outputs = (folder / "outputs.bin").read_bytes()
        in_bytes, out_bytes = meta["input"]["bytes"], meta["output"]["bytes"]
        with tempfile.TemporaryDirectory(prefix="tml-golden-") as temporary:
            package = Path(temporary) / f"{name}.tmlm"
            subprocess.run([PROGRAMS / "tml-flash", "compile", folder / "model.tflite", "-o", package], check=True,
                           stdout=subprocess.DEVNULL)
            link = Path(temporary) / "board"
            flags = ["--json", "--link", link, "--seed", "1", "--model", f"0={package}"]
            board = Process("tml-board", board_argv(PROGRAMS, flags))
            self.addCleanup(board.kill)
            board.wait_named("ready")
            line = Line(link)
            self.addCleanup(line.close)
            line.wake()
            count = min(meta["count"], LIMIT or meta["count"])
            layers_seen = 0
            for n in range(count):
                result = line.run_model("0", inputs[n * in_bytes:(n + 1) * in_bytes])
                expected = outputs[n * out_bytes:(n + 1) * out_bytes]
                self.assertEqual(result["output"], expected, f"{name}, vector {n}: {result['lines'][-6:]}")
                layers_seen = len(result["layers"])
                golden = meta["vectors"][n].get("layer_crc32")
                if golden is None:
                    continue
                for layer, (_, crc) in result["layers"].items():
                    self.assertEqual(crc, golden[layer], f"{name}, vector {n}, layer {layer} {meta['layers'][layer]['op']}")
                layers_seen = len(result["layers"])
                self.assertEqual(max(result["layers"]), len(golden) - 1)
            # A RESHAPE is no step; everything else must have been looked at.
            computed = sum(1 for layer in meta["layers"] if layer["op"] != "RESHAPE")
            if layers_seen:
                self.assertEqual(layers_seen, computed, name)
            print(f"{name}: {count} vectors, {layers_seen} layers each, work of the last run {result['work']}")
            self.doCleanups()

    def test_hello_world(self):
        self.check("hello_world")

    def test_ad01(self):
        self.check("ad01")

    def test_kws(self):
        self.check("kws")

    def test_micro_speech(self):
        self.check("micro_speech")

    def test_vww(self):
        self.check("vww")


if __name__ == "__main__":
    require_board(PROGRAMS)
    if not MODELS.is_dir():
        print(f"SKIPPED: no golden vectors, {MODELS} is missing", file=sys.stderr)
        sys.exit(77)
    if not (PROGRAMS / "tml-flash").exists():
        print(f"SKIPPED: no tml-flash in {PROGRAMS}", file=sys.stderr)
        sys.exit(77)
    unittest.main()
