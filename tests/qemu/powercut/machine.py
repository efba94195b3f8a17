# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
"""The bootloader tml-mps2-an386-boot-faults.elf in QEMU, run point by point (firmware/boards/mps2_an386/fault_plan.hpp)."""
import mmap
import os
import select
import socket
import struct
import subprocess
from dataclasses import dataclass

PSRAM = 16 << 20
PLAN, WINDOW = 0x006000, 0xF00000
OBJECT = 0x400000  # in the region of captures, which nothing here uses
LOG = (0x002000, 0x2000)
KEYS = (0x004000, 0x2000)
SLOTS = [(0x040000, 0x80000), (0x0C0000, 0x80000), (0x140000, 0xB0000), (0x1F0000, 0xB0000), (0x2A0000, 0xB0000), (0x350000, 0xB0000)]
MODES = ("before", "after", "prefix", "bits", "unstable", "error")
GOALS = ("install", "exhaust", "revert")
OUTCOMES = ("reached", "refused", "too_long", "recovery")
MAX_FAULTS = 16
LIMIT_S = 60

_GO, _FAULTS, _DONE, _STARTS = 4, 28, 156, 276


class Broken(Exception):
    """The firmware panicked, or QEMU ended, or nothing came."""


@dataclass
class Point:
    outcome: str
    status: int
    operations: int
    faults_done: int
    resets: int
    stored: int
    starts: list  # (slot, version, sum)


class Machine:
    def __init__(self, elf, folder, extra=()):
        """`extra`: more arguments of QEMU. Nothing runs before start()."""
        self.path = os.path.join(folder, "psram.bin")
        with open(self.path, "wb") as file:
            file.truncate(PSRAM)
        self.file = open(self.path, "r+b")
        self.memory = mmap.mmap(self.file.fileno(), PSRAM)
        self.memory[0:WINDOW] = b"\xff" * WINDOW
        struct.pack_into("<IIdII32s32s", self.memory, WINDOW, 0x574C4D54, 1, 1.0, 0, 115200, b"02:00:00:00:00:01", os.urandom(32))
        self.memory[PLAN:PLAN + 4096] = bytes(4096)
        self.memory[PLAN:PLAN + 4] = b"TMLF"
        self.elf = elf
        self.go = 0
        self.extra = list(extra)
        self.qemu = None

    def start(self):
        self.events, theirs = socket.socketpair()
        self.said = open(self.path + ".log", "a+")
        self.text = b""
        self.qemu = subprocess.Popen(
            ["qemu-system-arm", "-M", "mps2-an386,memory-backend=psram", "-object",
             f"memory-backend-file,id=psram,size=16M,share=on,mem-path={self.path}", "-nodefaults", "-nic", "user,restrict=on", "-display", "none",
             "-serial", "null", "-chardev", f"socket,id=events,fd={theirs.fileno()}", "-serial", "chardev:events", "-kernel", self.elf, *self.extra],
            stdin=subprocess.DEVNULL, stderr=self.said, pass_fds=[theirs.fileno()])
        theirs.close()

    def close(self):
        if self.qemu is None:
            return
        self.qemu.terminate()
        self.qemu.wait()
        self.events.close()

    def prepare(self, regions):
        """`regions`: (offset, bytes). What an earlier point may have written is blank again."""
        blank = [LOG, KEYS, *[(offset, 0x20000) for offset, _ in SLOTS], *[(offset + size - 12288, 12288) for offset, size in SLOTS]]
        for offset, size in blank:
            self.memory[offset:offset + size] = b"\xff" * size
        for offset, content in regions:
            self.memory[offset:offset + len(content)] = content

    def run(self, goal, slot, staged, faults=(), seed=1):
        """`staged` lies at OBJECT already when it is None. Faults: (operations that go well before it, mode)."""
        if staged is not None:
            self.memory[OBJECT:OBJECT + len(staged)] = staged
        self.go += 1
        words = [GOALS.index(goal), seed or 1, slot, OBJECT, len(faults)]
        for after, mode in faults:
            words += [after, MODES.index(mode)]
        struct.pack_into(f"<{len(words)}I", self.memory, PLAN + _GO + 4, *words)
        struct.pack_into("<I", self.memory, PLAN + _GO, self.go)
        self.wait()
        done, _, outcome, status, operations, _, faults_done, _, resets, _, _, stored = struct.unpack_from("<12I", self.memory, PLAN + _DONE)
        if done != self.go:
            raise Broken(f"the board finished point {done}, not {self.go}")
        count, = struct.unpack_from("<I", self.memory, PLAN + _STARTS - 4)
        starts = [struct.unpack_from("<3I", self.memory, PLAN + _STARTS + 12 * n) for n in range(min(count, 64))]
        return Point(OUTCOMES[outcome], status, operations, faults_done, resets, stored, starts)

    def wait(self, line=b"point\n"):
        while line not in self.text:
            readable, _, _ = select.select([self.events], [], [], LIMIT_S)
            got = self.events.recv(65536) if readable else b""
            self.text += got
            while b"panic" in self.text and not self.text.endswith(b"\n") and select.select([self.events], [], [], 1)[0]:
                self.text += self.events.recv(4096)
            if b"panic" in self.text or not got:
                self.said.seek(0)
                told = self.text[-300:].decode(errors="replace") + self.said.read()[-300:]
                raise Broken(f"panic: {told}" if b"panic" in self.text else f"nothing more came after {told!r}")
        self.text = self.text.split(line, 1)[1]

    def flash(self, offset, size):
        return self.memory[offset:offset + size]
