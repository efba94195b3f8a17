# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# A board's serial line for tests of inference: commands, blocks of data behind a command (wire reference 1.13), runs until `b`. Every wait
# ends with what it waits for.
import base64
import os
import re
import select
import struct
import termios
import time
import tty

DEADLINE_S = 60


class Line:
    """The host's end of the line."""

    def __init__(self, link):
        self.fd = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.fd)
        settings = termios.tcgetattr(self.fd)
        settings[4] = settings[5] = termios.B115200
        termios.tcsetattr(self.fd, termios.TCSANOW, settings)

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def write(self, data):
        while data:
            select.select([], [self.fd], [])
            data = data[os.write(self.fd, data):]

    def until(self, predicate, timeout_s=DEADLINE_S):
        data, end = b"", time.monotonic() + timeout_s
        while not predicate(data):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise TimeoutError(f"the board said only {data[-400:]!r}")
            data += os.read(self.fd, 65536)
        return data

    def wake(self):
        """Through whatever is under way to a prompt of our own: an unknown command that is answered by name."""
        end = time.monotonic() + DEADLINE_S
        while True:
            token = b"AT+SYNC%d" % time.monotonic_ns()
            self.write(b"\r" + token + b"\r")
            try:
                return self.until(lambda data: re.search(rb"\(" + re.escape(token) + rb"\)\r?\n> $", data), 2)
            except TimeoutError:
                if time.monotonic() > end:
                    raise

    @staticmethod
    def lines(data):
        return data.decode(errors="replace").replace("\r\n", "\n").split("\n")

    def command(self, text):
        """The lines between the echo and the prompt."""
        self.write(text.encode() + b"\r")
        data = self.until(lambda seen: seen.endswith(b"\n> "))
        return self.lines(data)[1:-1]

    def send_blocks(self, command, payload):
        """A command that takes data: its answer's lines from TRANSFER COMPLETED to the prompt."""
        self.write(command.encode() + b"\r")
        head = self.until(lambda seen: re.search(rb"OK CHUNK=(\d+)\r\n$", seen) or seen.endswith(b"\n> "))
        chunk = re.search(rb"OK CHUNK=(\d+)", head)
        if not chunk:
            return self.lines(head)[1:-1]
        size = int(chunk.group(1))
        text = base64.b64encode(payload)
        blocks = [text[at:at + size] for at in range(0, len(text), size)]
        for block in blocks[:-1]:
            self.write(block)
            self.until(lambda seen: re.search(rb"^OK \d+ \r\n$", seen))
        self.write(blocks[-1])
        return self.lines(self.until(lambda seen: seen.endswith(b"END OUTPUT\r\n> ")))[:-1]

    def run_static(self, values, debug=False):
        payload = struct.pack(f"<{len(values)}f", *values)
        return self.send_blocks(f"AT+RUNIMPULSESTATIC={'y' if debug else 'n'},{len(values)}", payload)

    def run_model(self, slot, payload):
        """{'layers': {operator: (bytes, crc32)}, 'output': bytes, 'work': (count, unit)}"""
        lines = self.send_blocks(f"AT+RUNMODEL={slot},{len(payload)}", payload)
        result = {"layers": {}, "output": None, "work": None, "lines": lines}
        for line in lines:
            if found := re.fullmatch(r"Layer (\d+): (\d+) bytes, crc32 ([0-9a-f]{8})", line):
                result["layers"][int(found.group(1))] = (int(found.group(2)), found.group(3))
            elif found := re.fullmatch(r"Output: ([0-9a-f]*)", line):
                result["output"] = bytes.fromhex(found.group(1))
            elif found := re.fullmatch(r"Work: inference (\d+) (\S+)", line):
                result["work"] = (int(found.group(1)), found.group(2))
        return result

    def run_until(self, command, predicate, timeout_s=DEADLINE_S):
        """Runs a command that goes on until `b`; all its lines, from behind the echo to before the prompt."""
        self.write(command.encode() + b"\r")
        data = self.until(lambda seen: predicate(seen.decode(errors="replace")) or seen.endswith(b"\n> "), timeout_s)
        if not data.endswith(b"\n> "):
            self.write(b"b\r")
            data += self.until(lambda seen: seen.endswith(b"\n> "))
        return self.lines(data)[1:-1]
