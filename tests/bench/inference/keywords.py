#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
"""Continuous keyword spotting on the emulated Cortex-M4F: 16 kHz, a window of one second, four slices per second, signal processing included.

The firmware application runs in QEMU under -icount and counts its own instructions (hal::Clock::work). The keyword model stands in slot 0; a
second package that never opens stands in slot 1, so that each result tells the work of its parts. Printed per model: instructions per slice of
each part, windows skipped, and the share of a core of 100 million instructions per second that four slices take.

    keywords.py [--programs DIR] [--firmware ELF] [--results N] [--json]

Part of scripts/bench inference. Exit code 77 when there is nothing to measure with.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/support/py"))
from at_board import Line  # noqa: E402
from processes import Process  # noqa: E402

SHARED = Path(os.environ.get("TML_SHARED_DIR", ROOT.parent / "shared"))
SLICES_PER_S, CORE = 4, 100e6
GOAL = 0.6
IMPULSE = """name = "{name}"
labels = {labels}
[impulse]
sensor = "Built-in microphone"
frequency_hz = 16000
window_ms = 1000
stride_ms = 250
{dsp}
"""
NEVER = '[gate]\nkind = "label"\nlabel = 0\nthreshold = 2.0\n'
MFCC = '[[dsp]]\ntype = "mfcc"\nframe_length = 480\nframe_stride = 320\nfft_length = 512\nmel_filters = 40\ncoefficients = 10\n'
MODELS = {
    "micro_speech": (["silence", "unknown", "yes", "no"], '[[dsp]]\ntype = "log_mel"\n'),
    "kws": ([f"word{n}" for n in range(12)], MFCC),
}
WORK = re.compile(r"Work: DSP (\d+), inference (\d+), anomaly (\d+) (\S+)")


def compile_package(programs, folder, name, more=""):
    labels, dsp = MODELS[name]
    source = Path(folder) / f"{name}.toml"
    source.write_text(IMPULSE.format(name=name, labels=json.dumps(labels), dsp=dsp) + more)
    package = Path(folder) / f"{name}{'-gated' if more else ''}.tmlm"
    subprocess.run([programs / "tml-flash", "compile", SHARED / "models" / name / "model.tflite", "--impulse", source, "-o", package],
                   check=True, capture_output=True)
    return package


def measure(programs, firmware, folder, name, results):
    """[(dsp, inference, anomaly)] per slice, and the board's own sums."""
    link = Path(folder) / "board"
    flags = ["--qemu", firmware, "--icount", "--json", "--link", link, "--seed", "1",
             "--model", f"0={compile_package(programs, folder, name)}", "--model", f"1={compile_package(programs, folder, name, NEVER)}"]
    board = Process("tml-board", [programs / "tml-board", *flags])
    try:
        board.wait_named("ready")
        line = Line(link)
        line.wake()
        # A result is printed every second slice.
        lines = line.run_until("AT+RUNIMPULSECONT", lambda text: len(WORK.findall(text)) >= results, 240)
        drift = line.command("AT+DRIFT?")
        line.close()
    finally:
        board.kill()
    found = [WORK.fullmatch(text.strip()) for text in lines]
    work = [tuple(int(part) for part in match.groups()[:3]) for match in found if match and match.group(4) == "instructions"]
    if len(work) < results:
        raise RuntimeError(f"{name}: the board gave {len(work)} of {results} results:\n" + "\n".join(lines[-20:]))
    return work, drift


def main():
    parser = argparse.ArgumentParser(description="Instructions of continuous keyword spotting on the emulated Cortex-M4F.")
    parser.add_argument("--programs", type=Path, default=Path(os.environ.get("TML_BIN_DIR", ROOT / "build/test/bin")))
    parser.add_argument("--firmware", type=Path, help="default: tml-mps2-an386.elf among the programs")
    parser.add_argument("--results", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args()
    if not (SHARED / "models").is_dir():
        print(f"keywords.py: skipped: no {SHARED / 'models'}", file=sys.stderr)
        return 77
    firmware = flags.firmware or flags.programs / "tml-mps2-an386.elf"
    for needed in (flags.programs / "tml-board", flags.programs / "tml-flash", firmware):
        if not needed.exists():
            print(f"keywords.py: skipped: no {needed}", file=sys.stderr)
            return 77
    if not shutil.which("qemu-system-arm"):
        print("keywords.py: skipped: qemu-system-arm is not installed", file=sys.stderr)
        return 77
    for name in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            work, drift = measure(flags.programs, firmware, folder, name, flags.results)
        # The first slice fills the window; the others are what goes on for ever. The worst of them counts.
        dsp, inference, anomaly = (max(parts) for parts in zip(*work[1:]))
        share = (dsp + inference + anomaly) * SLICES_PER_S / CORE
        overrun = next((text for text in drift if text.startswith("Overrun:")), "Overrun: not told")
        if flags.json:
            print(json.dumps({"figure": f"inference.continuous.{name}", "value": round(share, 4), "unit": "share of 100 M instructions/s", "goal": f"<= {GOAL}",
                              "with": f"per slice of 250 ms: DSP {dsp}, model {inference} instructions; {overrun}"}), flush=True)
        else:
            print(f"{name}: per slice DSP {dsp}, model {inference}, anomaly {anomaly} instructions; four slices per second: "
                  f"{100 * share:.1f} % of 100 M/s (goal {100 * GOAL:.0f} %)\n  {overrun}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
