# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Framed sensor streams read by an independent hand: COBS and CRC written from their definitions (docs/stream.md), CBOR by Python's own
# reader. Shares nothing with common/wire.
import struct
from dataclasses import dataclass, field

import cbor2

VALUE_BYTES = {"i16": 2, "i32": 4, "f32": 4}
VALUE_CODES = {"i16": "h", "i32": "i", "f32": "f"}


def crc_entry(byte):
    for _ in range(8):
        byte = (byte >> 1) ^ (0x8408 if byte & 1 else 0)
    return byte


CRC_TABLE = [crc_entry(byte) for byte in range(256)]


def crc16_ccitt(data):
    """CRC-16/CCITT reflected: polynomial 0x1021 bit-reversed, initial 0xFFFF, no final XOR."""
    value = 0xFFFF
    for byte in data:
        value = (value >> 8) ^ CRC_TABLE[(value ^ byte) & 0xFF]
    return value


def cobs_decode(packet):
    """Without its delimiter. ValueError for what no encoder writes."""
    out, at = bytearray(), 0
    while at < len(packet):
        code = packet[at]
        if code == 0 or at + code > len(packet):
            raise ValueError("COBS code leads out of the packet")
        out += packet[at + 1:at + code]
        at += code
        if code < 255 and at < len(packet):
            out.append(0)
    return bytes(out)


def open_frame(packet):
    """(CBOR item, checked) of a packet. ValueError for a damaged one."""
    raw = cobs_decode(packet)
    if len(raw) < 3:
        raise ValueError("too short")
    size = struct.unpack_from("<H", raw)[0]
    body, rest = raw[2:2 + size], raw[2 + size:]
    if len(body) != size or len(rest) not in (0, 2) or not 0 < size <= 4096:
        raise ValueError("length")
    if rest and struct.unpack("<H", rest)[0] != crc16_ccitt(body):
        raise ValueError("CRC")
    return cbor2.loads(body), bool(rest)


@dataclass
class Frames:
    """What a byte stream holds: session infos, readings of the latest session by seq, packets that are none, batches with their size on the wire. feed() as
    bytes come."""
    sessions: list = field(default_factory=list)
    readings: dict = field(default_factory=dict)
    stamps: dict = field(default_factory=dict)
    bad: list = field(default_factory=list)
    unchecked: int = 0
    batches: list = field(default_factory=list)
    rest: bytes = b""

    def feed(self, data):
        *packets, self.rest = (self.rest + data).split(b"\0")
        for packet in packets:
            if packet:
                self.packet(packet)
        return self

    def packet(self, packet):
        try:
            item, checked = open_frame(packet)
        except (ValueError, cbor2.CBORDecodeError):
            self.bad.append(packet)
            return
        self.unchecked += not checked
        kind, body = item["t"], item["d"]
        if kind == "si":
            if self.sessions and self.sessions[-1]["sid"] != body["sid"]:
                self.readings, self.stamps = {}, {}
            self.sessions.append(body)
        elif kind == "sd":
            assert body["seq"] not in self.readings, body["seq"]
            self.readings[body["seq"]] = tuple(body["val"])
            self.stamps[body["seq"]] = body["ts"]
        elif kind == "sb":
            self.batch(body)
            self.batches.append((body, len(packet) + 1))
        else:
            raise AssertionError(f"unknown item {kind}")

    def batch(self, body):
        assert body["ch"] * body["n"] * VALUE_BYTES[body["f"]] == len(body["b"])
        stored = struct.unpack(f"<{body['ch'] * body['n']}{VALUE_CODES[body['f']]}", body["b"])
        values = stored if body["f"] == "f32" else [value * body["k"] for value in stored]
        for index in range(body["n"]):
            assert body["seq"] + index not in self.readings
            self.readings[body["seq"] + index] = tuple(values[index * body["ch"]:(index + 1) * body["ch"]])
        self.stamps[body["seq"]] = body["ts"]


def read_frames(data):
    return Frames().feed(data)


def single(value):
    """The float32 nearest to a number, as a Python float."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def indices(account):
    """The readings of {"ranges": [[first, last], ...]} as a set."""
    return {index for first, last in account["ranges"] for index in range(first, last + 1)}
