# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# SMP over a console from its public specification (Zephyr: "SMP Protocol", "SMP Transport", "SMP Groups" 0 and 1), written without the
# toolkit's sources: lines of base64, packets with a CRC, a plain client, and a board with the manners of MCUboot's serial recovery.
import base64
import binascii
import hashlib
import os
import select
import termios
import time
import tty

import cbor2

READ, WRITE = 0, 2
OS, IMAGE = 0, 1
ECHO, RESET, PARAMS = 0, 5, 6
STATE, UPLOAD = 0, 1
LINE_BYTES = 93


def packet(op, group, command, sequence, fields, version=1):
    body = cbor2.dumps(fields)
    return bytes([version << 3 | op, 0]) + len(body).to_bytes(2, "big") + group.to_bytes(2, "big") + bytes([sequence, command]) + body


def lines(content):
    carried = (len(content) + 2).to_bytes(2, "big") + content + binascii.crc_hqx(content, 0).to_bytes(2, "big")
    out = b""
    for at in range(0, len(carried), LINE_BYTES):
        out += (b"\x06\x09" if at == 0 else b"\x04\x14") + base64.b64encode(carried[at:at + LINE_BYTES]) + b"\n"
    return out


class Assembler:
    """Packets out of the bytes of a console; other lines are kept in `text`."""

    def __init__(self, max_packet=65535):
        self.rest, self.held, self.text, self.max_packet = b"", b"", [], max_packet

    def push(self, data):
        self.rest += data
        packets = []
        while b"\n" in self.rest:
            line, self.rest = self.rest.split(b"\n", 1)
            for marker, first in ((b"\x06\x09", True), (b"\x04\x14", False)):
                at = line.find(marker)
                if at < 0:
                    continue
                try:
                    piece = base64.b64decode(line[at + 2:].strip(b"\r"), validate=True)
                except ValueError:
                    self.held = b""
                    break
                self.held = piece if first else self.held + piece
                wanted = int.from_bytes(self.held[:2], "big") + 2
                if len(self.held) == wanted and wanted <= self.max_packet and binascii.crc_hqx(self.held[2:], 0) == 0:
                    packets.append(self.held[2:-2])
                    self.held = b""
                break
            else:
                self.text.append(line)
        return packets


def fields_of(content):
    version_op, length = content[0], int.from_bytes(content[2:4], "big")
    assert length == len(content) - 8, content
    return {"op": version_op & 7, "version": version_op >> 3, "group": int.from_bytes(content[4:6], "big"), "sequence": content[6],
            "command": content[7], "body": cbor2.loads(content[8:]) if length else {}}


class Client:
    """One request at a time over a port, as the mcumgr command does."""

    def __init__(self, path, baud=115200, version=1):
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.fd)
        attributes = termios.tcgetattr(self.fd)
        attributes[4] = attributes[5] = getattr(termios, f"B{baud}")
        termios.tcsetattr(self.fd, termios.TCSANOW, attributes)
        self.assembler, self.sequence, self.version = Assembler(), 0, version

    def close(self):
        os.close(self.fd)

    def request(self, op, group, command, fields=None, timeout_s=10, attempts=4):
        for _ in range(attempts):
            self.sequence = (self.sequence + 1) % 256
            os.write(self.fd, lines(packet(op, group, command, self.sequence, fields or {}, self.version)))
            deadline = time.monotonic() + timeout_s
            while (left := deadline - time.monotonic()) > 0:
                if not select.select([self.fd], [], [], left)[0]:
                    break
                for got in self.assembler.push(os.read(self.fd, 4096)):
                    reply = fields_of(got)
                    if reply["sequence"] == self.sequence:
                        assert (reply["op"], reply["group"], reply["command"]) == (op + 1, group, command), reply
                        return reply["body"]
        raise TimeoutError(f"no SMP reply; other text: {self.assembler.text[-5:]}")

    def upload(self, image, chunk=256, number=0, stop_at=None):
        """The reply to the last part, and the offsets that were asked for."""
        off, offsets = 0, []
        while off < len(image):
            if stop_at is not None and off >= stop_at:
                return None, offsets
            fields = {"off": off, "data": image[off:off + chunk]}
            if off == 0:
                fields |= {"len": len(image), "sha": hashlib.sha256(image).digest(), "image": number}
            reply = self.request(WRITE, IMAGE, UPLOAD, fields, timeout_s=20)
            if reply.get("rc"):
                return reply, offsets
            off = reply["off"]
            offsets.append(off)
        return reply, offsets
