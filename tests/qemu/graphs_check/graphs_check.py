# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Random networks (tests/unit/random_graphs) on an emulated Cortex-M4F: each output must be the host's, byte for byte.
#
#   graphs_check.py IMAGE RANDOM_GRAPHS [NETWORKS [SEED]]
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import qemu

qemu.require()
image, generator = sys.argv[1], os.path.abspath(sys.argv[2])
networks = int(sys.argv[3]) if len(sys.argv) > 3 else 5000
seed = sys.argv[4] if len(sys.argv) > 4 else "11"
with tempfile.TemporaryDirectory() as folder:
    made = subprocess.run([generator, "--cases", str(networks), "--seed", seed, "--emit", str(Path(folder) / "cases.bin"),
                           "--emit-cases", str(networks)], capture_output=True, text=True)
    print(made.stdout.splitlines()[-1] if made.stdout else "", made.stderr)
    if made.returncode != 0:
        sys.exit(1)
    status, console, _ = qemu.run(image, folder, None)
print(console)
ran = next((int(line.split()[1]) for line in console.splitlines() if line.startswith("networks ")), 0)
sys.exit(0 if status == 0 and ran > networks * 0.95 else 1)
