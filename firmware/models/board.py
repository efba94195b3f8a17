# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Runs windows through a board: tml-board with a package in its model slot, and AT+RUNIMPULSESTATIC (wire reference 1.13) on its serial
# port. Any board that speaks the protocol will do; the port is opened raw.
import base64
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
import tty
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/support/py"))
from processes import Process  # noqa: E402

PROMPT = b"\n> "
MAX_SENT = 5
VALUE = re.compile(r"^  (.+): (-?[0-9.]+(?:e-?[0-9]+)?)$", re.MULTILINE)
ANOMALY = re.compile(r"^Anomaly prediction: (-?[0-9.]+(?:e-?[0-9]+)?)", re.MULTILINE)


class Refused(Exception):
    """The board did not do what it was asked to; the text is what it said."""


def compile_package(flash_tool, output, impulse, model=None, timeout_s=120):
    argv = [str(flash_tool), "compile", *([str(model)] if model else []), "--impulse", str(impulse), "-o", str(output)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode != 0:
        raise Refused(f"$ {' '.join(argv)}\n{done.stdout}{done.stderr}")


class Board:
    """tml-board with one package; usable in a `with` statement."""

    def __init__(self, program, package, flags=(), timeout_s=20):
        self.timeout_s, self.deadline, self.buffer, self.resent = timeout_s, 0.0, b"", 0
        self.process = Process("board", [program, "--json", "--model", f"0A={package}", *flags])
        try:
            ready = self.process.wait_named("ready", timeout_s)
            self.port = os.open(ready["pty"], os.O_RDWR | os.O_NOCTTY)
            tty.setraw(self.port, termios.TCSANOW)
            self.settle()
        except BaseException:
            self.process.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.port)
        self.process.stop()

    def settle(self):
        """To a prompt, whatever the board is in the middle of: what comes before the answer to this, no command, is of no interest."""
        os.write(self.port, b"\rAT+HOLLA\r")
        self.read_until(b"(AT+HOLLA)")
        self.read_until(PROMPT)

    def receive(self, what):
        if time.monotonic() >= self.deadline or not select.select([self.port], [], [], self.deadline - time.monotonic())[0]:
            raise Refused(f"not within {self.timeout_s} s: {what!r}\n{self.buffer.decode(errors='replace')}")
        self.buffer += os.read(self.port, 65536)

    def take(self, count):
        out, self.buffer = self.buffer[:count], self.buffer[count:]
        return out.decode(errors="replace")

    def read_until(self, marker):
        """Everything up to and with the marker."""
        self.deadline = time.monotonic() + self.timeout_s
        while marker not in self.buffer:
            self.receive(marker)
        return self.take(self.buffer.index(marker) + len(marker))

    def line_with(self, *words):
        """The next line that begins with one of `words`; when the board ends its answer without one, what it said is raised."""
        self.deadline, said = time.monotonic() + self.timeout_s, []
        while True:
            while b"\n" not in self.buffer:
                if self.buffer == PROMPT[1:]:
                    self.buffer = b""
                    raise Refused("\n".join(said))
                self.receive(words)
            line = self.take(self.buffer.index(b"\n") + 1).strip()
            if line.startswith(words):
                return line
            said.append(line)

    def command(self, text):
        """The answer of a command without its echo and prompt."""
        os.write(self.port, text.encode() + b"\r")
        return self.read_until(PROMPT).split("\n", 1)[-1][:-len(PROMPT)]

    def watch(self, command, words, count):
        """The first `count` lines that begin with `words` of a command that runs until it is stopped."""
        os.write(self.port, command.encode() + b"\r")
        lines = [self.line_with(words) for _ in range(count)]
        os.write(self.port, b"b\r")
        self.read_until(PROMPT)
        return lines

    def run(self, values):
        """One window, values in readings x axes order: ({label: score}, anomaly score or None). A board that saw a pause inside a block
        (a busy host) gets the window again; `resent` counts that."""
        for _ in range(MAX_SENT):
            result = self.send(values)
            if result is not None:
                break
            self.resent += 1
            self.settle()
        else:
            raise Refused(f"the board saw pauses inside {MAX_SENT} transfers of one window")
        if "RESULT 0" not in result:
            raise Refused(result)
        anomaly = ANOMALY.search(result)
        return {label: float(score) for label, score in VALUE.findall(result)}, float(anomaly.group(1)) if anomaly else None

    def send(self, values):
        """The text of the result; None after a pause of more than 100 ms inside a block."""
        os.write(self.port, f"AT+RUNIMPULSESTATIC=n,{len(values)}\r".encode())
        chunk = int(self.line_with("OK CHUNK=").split("=")[1])
        text = base64.b64encode(struct.pack(f"<{len(values)}f", *values))
        for start in range(0, len(text), chunk):
            os.write(self.port, text[start:start + chunk])
            if self.line_with("OK", "TIMEOUT") == "TIMEOUT":
                return None
        self.line_with("TRANSFER COMPLETED")
        result = self.read_until(b"END OUTPUT").replace("\r", "")
        self.read_until(PROMPT)
        return result
