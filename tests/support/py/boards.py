# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Which board the tests run on: TML_BOARD=native (the default) is tml-board, TML_BOARD=qemu the firmware in QEMU through
# scripts/qemu-board. Both take the same flags and send the same events.
import os
import shutil
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# What the board in QEMU is not (docs/porting.md, "What QEMU does not show").
NATIVE_ONLY = {"--baud-model": "QEMU's UART has no rate", "--profile": "the image is the firmware and no other board",
               "--flash-mib": "the board in QEMU has 16 MiB of flash"}


def on_qemu():
    chosen = os.environ.get("TML_BOARD", "native")
    if chosen not in ("native", "qemu"):
        sys.exit(f"TML_BOARD={chosen}: use native or qemu")
    return chosen == "qemu"


def board_argv(programs, flags):
    """The command line of a board. Skips the test on QEMU where a flag asks for what it has not."""
    programs = Path(programs)
    if not on_qemu():
        return [programs / "tml-board", *flags]
    for flag in flags:
        if flag in NATIVE_ONLY:
            raise unittest.SkipTest(f"{flag}: {NATIVE_ONLY[flag]}")
    return [ROOT / "scripts/qemu-board", "--programs", programs, *flags]


def native_only(reason):
    return unittest.skipIf(on_qemu(), reason)


def require_board(programs):
    """Ends the test program with 77 (skipped, for ctest) where the board cannot be had."""
    missing = None
    if on_qemu() and not shutil.which("qemu-system-arm"):
        missing = "qemu-system-arm is not installed (scripts/setup --test installs it)"
    elif on_qemu() and not (Path(programs) / "tml-mps2-an386.elf").exists():
        missing = f"there is no tml-mps2-an386.elf in {programs} (configure with -DTML_ARM=ON)"
    if missing:
        print(f"SKIPPED: {missing}", file=sys.stderr)
        sys.exit(77)
