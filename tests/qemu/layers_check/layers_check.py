# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Random layers of every kernel as the checker takes them (any padding, stride, dilation, any alignment, output over input): the kernels
# for the Cortex-M4F against the reference kernels, both in QEMU, byte for byte, with guard bytes round the arena. Then forged packages: what
# the checker takes of them must run without a fault and stay in its arena.
#
#   layers_check.py IMAGE
import sys
import tempfile

import qemu

qemu.require()
with tempfile.TemporaryDirectory() as folder:
    status, console, _ = qemu.run(sys.argv[1], folder, None)
print(console)
sys.exit(status if "failed 0" in console.splitlines() else status or 1)
