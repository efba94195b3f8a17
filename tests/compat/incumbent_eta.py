# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The old flash tool of the ECM3532 board, step by step as wire reference 8.1 tells of it: no retry that works, fixed pauses, the first
# success text wins. Written from the reference alone.
import base64
import os
import re
import select
import termios
import time
import zlib

from incumbent_serial import BASE_BAUD


class EtaError(Exception):
    pass


class EtaFlashTool:
    def __init__(self, path, baud=460800):
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.baud, self.received = baud, b""
        self.set_baud(BASE_BAUD)

    def close(self):
        os.close(self.fd)

    def set_baud(self, baud):
        attributes = termios.tcgetattr(self.fd)
        attributes[0] = attributes[1] = attributes[3] = 0
        attributes[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
        attributes[4] = attributes[5] = getattr(termios, f"B{baud}")
        termios.tcsetattr(self.fd, termios.TCSADRAIN, attributes)

    def write(self, text):
        data = text.encode()
        while data:
            select.select([], [self.fd], [], 10)
            data = data[os.write(self.fd, data):]

    def wait(self, text, timeout_ms):
        deadline = time.monotonic() + timeout_ms / 1000
        while text.encode() not in self.received:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise EtaError(f"Failed to get a valid response (looking for {text}), got {self.received[-200:]}")
            self.received += os.read(self.fd, 4096)
        head, self.received = self.received.split(text.encode(), 1)
        return head

    def command(self, line, success, timeout_ms):
        """The text in front of the success text, and the rest of its line."""
        self.received = b""
        self.write(line + "\r")
        head = self.wait(success, timeout_ms)
        return head.decode(errors="replace"), self.wait("\r", timeout_ms).decode(errors="replace")

    @staticmethod
    def crc(data):
        value = zlib.crc32(data)
        return value - (1 << 32) if value >> 31 else value

    def flash(self, image):
        """The number of blocks."""
        self.write("b\r")
        self.wait("> ", 1000)
        self.command("AT+BOOTMODE", "AT+ACK", 3000)
        self.set_baud(self.baud)
        self.received = b""
        self.write("\r")
        self.wait("Eta Compute Bootloader", 10000)
        time.sleep(0.1)  # the tool's own pause
        self.write("\r")
        self.wait("> ", 1000)
        _, version = self.command("AT+VER?", "AT+VER=", 1500)
        major, minor, patch = (int(part) for part in re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", version).groups())
        if major > 1 or minor > 0:
            raise EtaError(f"version {version}")
        head, _ = self.command(f"AT+APPINFO=New firmware,ECM3532 M3,{self.crc(image)},{len(image)}", "AT+ACK", 1500)
        size = int(re.search(r"AT\+BLOBSIZE=(\d+)", head).group(1)) if patch >= 2 else 255
        time.sleep(1)  # the tool's own pause
        blocks = [image[at:at + size] for at in range(0, len(image), size)]
        for number, block in enumerate(blocks, 1):
            self.command(f"AT+BINBLOB={number},{self.crc(block)},{base64.b64encode(block).decode()}", f"AT+ACKBLOB={number}", 1500)
        self.command("AT+EOU", "AT+ACK", 3000)
        self.command("AT+APPMODE", "AT+ACK", 3000)
        return len(blocks)
