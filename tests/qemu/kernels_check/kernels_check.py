# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The kernels for the Cortex-M4F against the reference kernels, both in QEMU: layers of known models and random steps, byte for byte. Prints
# the instructions of each known layer where the counting plugin is there.
#
#   kernels_check.py IMAGE
import collections
import re
import sys
import tempfile

import qemu

qemu.require()
with tempfile.TemporaryDirectory() as folder:
    status, console, regions = qemu.run(sys.argv[1], folder, qemu.counter(folder))
cases = re.findall(r"^case (.*) \| times (\d+)\n(\w+) (\d+)$", console, re.MULTILINE)
models = collections.defaultdict(lambda: [0, 0])
for (name, times, unit, count), instructions in zip(cases, regions):
    print(f"{name:44} {instructions:10,} instructions {instructions / int(count):7.3f} per {unit}")
    if "/" in name:
        total = models[name.split("/")[0]]
        total[0] += int(times) * instructions
        total[1] += int(times) * (int(count) if unit == "MAC" else 0)
for name, (instructions, macs) in models.items():
    print(f"{name:44} {instructions:10,} instructions {instructions / macs:7.3f} per MAC, all layers but the softmax")
faults = [line for line in console.splitlines() if not re.match(r"case |MAC |value ", line)]
print("\n".join(faults[-40:]))
if not cases or "failed 0" not in faults:
    sys.exit(1)
sys.exit(status)
