# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Compiles every model of ../shared/models, and models with random weights in the shape of others (shapes.py), with tml-flash, builds an image
# of package, player and kernels for the Cortex-M4F, runs all golden vectors in QEMU, and compares outputs, the tensor before the softmax and
# every layer's CRC-32.
#
#   inference.py FOLDER_OF_TML_FLASH BUILD_FOLDER
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench/inference"))
import bench_inference  # noqa: E402

sys.exit(bench_inference.main(["--bin", sys.argv[1], "--build-dir", sys.argv[2], "--check", "--shapes"]))
