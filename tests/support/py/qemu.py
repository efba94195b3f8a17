# SPDX-License-Identifier: Apache-2.0
"""Runs a bare-metal test image in QEMU, and counts its instructions where ../shared/tools/qemu-count is there."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

SKIP = 77
ROOT = pathlib.Path(__file__).resolve().parents[3]
SHARED = pathlib.Path(os.environ.get("TML_SHARED_DIR", ROOT.parent / "shared"))
COUNTER = SHARED / "tools/qemu-count/insn_plugin.c"
LIMIT_S = 600


def require():
    if not shutil.which("qemu-system-arm"):
        print("skipped: qemu-system-arm is not installed (Debian: qemu-system-arm)")
        sys.exit(SKIP)


def counter(folder):
    """The counting plugin, built into `folder`; None with a word where it cannot be had."""
    if not COUNTER.exists() or not shutil.which("gcc"):
        print(f"instructions are not counted: no {COUNTER.name} under {COUNTER.parent}, or no gcc")
        return None
    plugin = pathlib.Path(folder) / "insn_plugin.so"
    built = subprocess.run(["gcc", "-O2", "-fPIC", "-shared", "-o", plugin, COUNTER], capture_output=True, text=True)
    if built.returncode != 0:
        print(f"instructions are not counted: {built.stderr.strip().splitlines()[-1]}")
        return None
    return plugin


def symbols(image):
    text = subprocess.run(["arm-none-eabi-nm", image], capture_output=True, text=True, check=True).stdout
    return {f[2]: int(f[0], 16) for f in (line.split() for line in text.splitlines()) if len(f) == 3}


def run(image, folder, plugin=None):
    """Runs the image with `folder` as its working directory. Returns (exit status, console, instructions of each region)."""
    command = ["qemu-system-arm", "-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "null",
               "-semihosting-config", "enable=on,target=native", "-kernel", os.path.abspath(image)]
    if plugin:
        names = symbols(image)
        command += ["-plugin", f"{plugin},begin={names['bench_begin']:#x},end={names['bench_end']:#x},base=0x0,out=insn.txt"]
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
    regions, begin = [], 0
    report = pathlib.Path(folder) / "insn.txt"
    if plugin and report.exists():
        for kind, number in re.findall(r"^(begin|end) (\d+)", report.read_text(), re.MULTILINE):
            if kind == "begin":
                begin = int(number)
            else:
                regions.append(int(number) - begin)
    return done.returncode, done.stdout + done.stderr, regions
