# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The DSP blocks on a Cortex-M4F in QEMU against the same program on the host: every feature the same bits. Prints the instructions of
# each case where the counting plugin is there.
#
#   dsp_check.py IMAGE HOST_PROGRAM GOLDEN
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

import qemu

qemu.require()
image, host, golden = sys.argv[1:4]
with tempfile.TemporaryDirectory() as folder:
    here = pathlib.Path(folder)
    shutil.copy(golden, here / "in.bin")
    on_host = subprocess.run([host, golden, here / "host.bin"], capture_output=True, text=True, check=False)
    status, console, regions = qemu.run(image, here, qemu.counter(here))
    cases = [(int(line.split(" ", 1)[0]), line.split(" ", 1)[1]) for line in on_host.stdout.splitlines()]
    want = (here / "host.bin").read_bytes()
    got = (here / "out.bin").read_bytes() if (here / "out.bin").exists() else b""

print(f"{'case':30} {'features':>8} {'instructions':>12}  largest difference from the host")
largest = 0.0
at = 0
for number, (count, name) in enumerate(cases):
    pairs = zip(struct.unpack_from(f"<{count}f", want, 4 * at), struct.unpack_from(f"<{count}f", got.ljust(len(want), b"\0"), 4 * at))
    difference = max((abs(a - b) for a, b in pairs), default=0.0)
    largest = max(largest, difference)
    at += count
    instructions = f"{regions[number]:12,}" if number < len(regions) else " " * 12
    print(f"{name:30} {count:8} {instructions}  {difference:g}")
print(f"largest difference {largest:g}; {len(want)} bytes on the host, {len(got)} on the board; status {status} and {on_host.returncode}")
faults = []
if status != 0 or on_host.returncode != 0:
    faults.append("a case missed its tolerance or did not run")
if console.splitlines()[-len(cases):] != [name for _, name in cases]:
    faults.append(f"the board said: {console[-500:]}")
if want != got:
    faults.append("board and host differ")
print("\n".join(faults) or "host and Cortex-M4F agree bit for bit")
sys.exit(1 if faults else 0)
