# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# What the bootloader for mps2_an386 costs: bytes of flash and RAM, its stack measured over a boot that verifies an image of 256 KiB, and the
# instructions from reset to that image's first one.
#
#   boot_size.py BIN_FOLDER [--json]
#
# A broken limit is a failure; --json prints figures alone, one per line, for scripts/bench. Flash: code, constants and the first values of
# variables. RAM: variables, and the stack as deep as it has been.
import argparse
import json
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[2] / "support/py"), str(HERE.parents[1] / "powercut")]
import qemu  # noqa: E402
import signed_object as so  # noqa: E402
from machine import SLOTS, WINDOW, Machine  # noqa: E402

IMAGE_BYTES = 256 << 10
GOALS = {"flash.boot_bytes": 56 << 10, "flash.boot_ram_bytes": 32 << 10, "flash.boot_instr_256k": 15_000_000}
STACK_AT = 902176  # of boot_stack_bytes in the host window


def sections(elf):
    text = subprocess.run(["arm-none-eabi-size", "-A", elf], capture_output=True, text=True, check=True).stdout
    return {name: int(size) for name, size in re.findall(r"^(\.\S+)\s+(\d+)", text, re.MULTILINE)}


def flash_bytes(size):
    return size[".text"] + size.get(".ARM.exidx", 0) + size[".data"]


def boot(elf, image, folder):
    """Boots the image once. Returns bytes of stack and, where they can be counted, instructions from reset to its first."""
    entry, = struct.unpack_from("<I", image, 4)
    plugin = qemu.counter(folder)
    report = Path(folder) / "counts"
    extra = []
    if plugin:
        begin = qemu.symbols(elf)["tml_reset"] & ~1
        extra = ["-plugin", f"{plugin},begin={begin:#x},end={entry & ~1:#x},base=0x0,out={report}"]
    machine = Machine(str(elf), folder, extra)
    offset, size = SLOTS[0]
    signed = so.signed_image(image)
    machine.prepare([(offset, so.payload_of(signed)), (offset + size - so.TRAILER, so.trailer(signed))])
    machine.start()
    try:
        machine.wait(b"boot app-a")
    finally:
        machine.close()
    stack, = struct.unpack_from("<I", machine.memory, WINDOW + STACK_AT)
    if not plugin:
        return stack, None
    marks = re.findall(r"^(begin|end) (\d+)", report.read_text(), re.MULTILINE)
    return stack, int(dict(reversed(marks))["end"]) - int(dict(reversed(marks))["begin"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    qemu.require()
    elf = options.bin / "tml-mps2-an386-boot.elf"
    application = options.bin / "tml-mps2-an386-a.bin"
    for file in (elf, application):
        if not file.exists():
            print(f"skipped: there is no {file} (configure with -DTML_ARM=ON)")
            sys.exit(qemu.SKIP)
    size = sections(elf)
    image = so.patch_image(application.read_bytes(), version=1 << 24, bytes_=IMAGE_BYTES, filler=1)
    with tempfile.TemporaryDirectory() as folder:
        stack, instructions = boot(elf, image, folder)
    figures = {"flash.boot_bytes": flash_bytes(size),
               "flash.boot_ram_bytes": size[".data"] + size[".bss"] + stack}
    if instructions is not None:
        figures["flash.boot_instr_256k"] = instructions
    failed = False
    for name, value in figures.items():
        goal = GOALS[name]
        if options.json:
            unit = "instructions" if "instr" in name else "bytes"
            more = {"stack": stack} if "ram" in name else {"image_bytes": IMAGE_BYTES} if "instr" in name else {}
            print(json.dumps({"figure": name, "value": value, "unit": unit, "goal": goal and f"<= {goal}", "with": more}))
            continue
        print(f"{name} {value}" + (f" (stack {stack})" if "ram" in name else ""))
        if goal is not None and value > goal:
            print(f"FAILED {name}: {value} is more than {goal}")
            failed = True
    if not options.json and stack >= size[".stack"]:
        print(f"FAILED the stack of {size['.stack']} bytes is full")
        failed = True
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
