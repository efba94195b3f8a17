#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
"""Writes the golden vectors of common/wire with code that shares nothing with it: struct, hmac, hashlib, binascii, json.

Each file holds lines `name hex`. Run without arguments in any folder; prints what changed. The two signatures of wire reference 6.2
are checked here against their published values before anything is written."""
import base64
import binascii
import hashlib
import hmac
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
KEY = b"fed53116f20684c067774ebf9e7bcbdc"


def head(major, value):
    for limit, info, form in ((24, None, ""), (1 << 8, 24, ">B"), (1 << 16, 25, ">H"), (1 << 32, 26, ">I"), (1 << 64, 27, ">Q")):
        if value < limit:
            if info is None:
                return bytes([major << 5 | value])
            return bytes([major << 5 | info]) + struct.pack(form, value)
    raise ValueError(value)


def real(value):
    """Shortest of half, single, double that holds the value."""
    for first, form in ((0xF9, ">e"), (0xFA, ">f")):
        try:
            packed = struct.pack(form, value)
        except OverflowError:
            continue
        if struct.unpack(form, packed)[0] == value:
            return bytes([first]) + packed
    return b"\xfb" + struct.pack(">d", value)


def single(value):
    return struct.unpack(">f", struct.pack(">f", value))[0]


def cbor(item):
    if isinstance(item, bool):
        return b"\xf5" if item else b"\xf4"
    if isinstance(item, int):
        return head(0, item) if item >= 0 else head(1, -1 - item)
    if isinstance(item, float):
        return real(item)
    if isinstance(item, str):
        return head(3, len(item.encode())) + item.encode()
    if isinstance(item, bytes):
        return head(2, len(item)) + item
    if isinstance(item, list):
        return head(4, len(item)) + b"".join(map(cbor, item))
    if isinstance(item, dict):
        return head(5, len(item)) + b"".join(cbor(k) + cbor(v) for k, v in item.items())
    raise TypeError(item)


def document(protected, payload, values):
    out = head(5, 3) + cbor("protected") + cbor(protected) + cbor("signature") + cbor("0" * 64)
    out += cbor("payload") + head(5, len(payload) + 1) + b"".join(cbor(k) + cbor(v) for k, v in payload.items())
    return out + cbor("values") + b"\x9f" + values + b"\xff"


def sign(message):
    return hmac.new(KEY, message, hashlib.sha256).hexdigest().encode()


def signed(message):
    at = message.index(b"0" * 64)
    return message[:at] + sign(message) + message[at + 64:]


def cobs(data):
    out, block, open_block = bytearray(), bytearray(), True
    for byte in data:
        if not open_block:
            block, open_block = bytearray(), True
        if byte == 0:
            out += bytes([len(block) + 1]) + block
            block = bytearray()
        else:
            block.append(byte)
            if len(block) == 254:
                out += b"\xff" + block
                block, open_block = bytearray(), False
    if open_block:
        out += bytes([len(block) + 1]) + block
    return bytes(out)


def crc16_reflected(data):
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
    return crc


def frame(item, crc=True):
    body = cbor(item)
    return cobs(struct.pack("<H", len(body)) + body + (struct.pack("<H", crc16_reflected(body)) if crc else b"")) + b"\0"


def acquisition():
    axes = [{"name": n, "units": "m/s2"} for n in ("accX", "accY", "accZ")]
    payload = {"device_name": "ac:87:a3:0a:2d:1b", "device_type": "DISCO-L475VG-IOT01A", "interval_ms": 10.0, "sensors": axes}
    rows = [[-9.81, 0.03, 1.21], [-9.83, 0.04, 1.28], [-9.12, 0.03, 1.23], [-9.14, 0.01, 1.25]]
    values = b"".join(cbor([single(v) for v in row]) for row in rows)
    protected = {"ver": "v1", "alg": "HS256"}
    plain = document(protected, payload, values)
    assert len(plain) == 337 and plain.index(b"0" * 64) == 41
    assert sign(plain) == b"f0bc94ee616f902a5dbce2a32f3946873831a746b8019bb3b3eb0850a9b17048"

    json_payload = dict(payload, interval_ms=10)
    json_payload["values"] = [row[:] for row in rows]
    json_payload["values"][1][2] = 1.27
    text = json.dumps({"protected": dict(protected, iat=1564128599), "signature": "0" * 64, "payload": json_payload},
                      separators=(",", ":")).encode()
    assert len(text) == 423
    assert sign(text) == b"7c3c01c0f6c192a56e49b6578eda7f95dd0ac9ece33f162675fdf183bf0ecb1e"

    nonce = dict(protected, nonce=bytes(range(16)).hex())
    short = {"device_type": "TML-BOARD", "interval_ms": 10.0, "sensors": [{"name": "accX", "units": "m/s2"}]}
    worked = document(nonce, short, b"".join(map(cbor, [1.0, single(-9.81), 0.5])))
    both = document(dict(protected, iat=1564128599, nonce=bytes(range(16)).hex()), payload, values)
    audio = {"device_type": "TML-BOARD", "interval_ms": 0.0625, "sensors": [{"name": "audio", "units": "wav"}]}
    bulk = None
    for blanks in range(8):
        bulk = document(protected, audio, cbor("Ref-BINARY-i16" + " " * blanks))
        if len(bulk) % 8 == 0:
            break
    bulk += struct.pack("<4h", 0, 1, -1, -32768)
    ints = document(protected, audio, b"".join(map(cbor, [0, 1, -1, 32767, -32768, 255, -256])))
    return {"csdk": signed(plain), "json": signed(text), "nonce": signed(worked), "iat_nonce": signed(both), "bulk_i16_align8": signed(bulk),
            "int16_single_axis": signed(ints)}


def frames():
    info = {"t": "si", "d": {"sid": 305419896, "hz": 100, "ch": 3, "ch_n": ["x", "y", "z"], "st": 1, "dr": 7, "name": "accel"}}
    micro = {"t": "sd", "d": {"seq": 5, "ts": 50, "val": [-9810000, 30000, 1210000]}}
    reading_body = head(5, 2) + cbor("t") + cbor("sd") + cbor("d") + head(5, 3) + cbor("seq") + cbor(4294967295) + cbor("ts") + cbor(40)
    reading_body += cbor("val") + head(4, 3) + b"".join(b"\xfa" + struct.pack(">f", v) for v in (-9.81, 0.03, 1.21))
    reading = cobs(struct.pack("<H", len(reading_body)) + reading_body + struct.pack("<H", crc16_reflected(reading_body))) + b"\0"
    batch = {"t": "sb", "d": {"seq": 1000, "ts": 62, "us": 62, "n": 4, "ch": 1, "f": "i16", "k": 0.5, "b": struct.pack("<4h", 0, 2, -2, -32768)}}
    return {"si": frame(info), "si_no_crc": frame(info, crc=False), "sd_f32": reading, "sd_i32": frame(micro), "sb_i16": frame(batch)}


def cobs_vectors():
    cases = {"empty": b"", "zero": b"\0", "zeros": b"\0\0", "mixed": bytes.fromhex("11220033"), "tail_zero": bytes.fromhex("11000000"),
             "run254": bytes(range(1, 255)), "run255": bytes(range(1, 256)), "zero_run254": bytes(range(0, 255)),
             "run254_zero": bytes(range(1, 255)) + b"\0", "wrap": bytes(range(2, 256)) + b"\0", "wrap2": bytes(range(3, 256)) + b"\0\1"}
    return {name: (data, cobs(data)) for name, data in cases.items()}


def write(name, lines):
    path = HERE / name
    text = "".join(line + "\n" for line in lines)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
        print("wrote", path.name)


write("acquisition.txt", [f"{n} {v.hex()}" for n, v in acquisition().items()])
write("frames.txt", [f"{n} {v.hex()}" for n, v in frames().items()])
write("cobs.txt", [f"{n} {a.hex() or '-'} {b.hex()}" for n, (a, b) in cobs_vectors().items()])
pages = bytes(i * 7 & 255 for i in range(1500))
write("base64.txt", [f"len{n} {pages[:n].hex() or '-'} {base64.b64encode(pages[:n]).decode() or '-'}" for n in (0, 1, 2, 3, 4, 512, 513, 514, 1026, 1500)])
assert binascii.crc32(b"123456789") == 0xCBF43926
