# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Acquisition documents, read and signed by an independent hand: Python's hmac, json and cbor2 against wire reference 6.
import hashlib
import hmac
import io
import json
import struct
from dataclasses import dataclass, field

import cbor2

SIGNATURE_HEX = 64


@dataclass
class Document:
    kind: str  # "json", "cbor" or "binary" (CBOR header, then little-endian samples: 6.5)
    root: dict
    tail: bytes = b""
    raw: bytes = field(repr=False, default=b"")

    @property
    def signature(self):
        return self.root["signature"]

    @property
    def nonce(self):
        return self.root["protected"].get("nonce")

    @property
    def payload(self):
        return self.root["payload"]

    @property
    def readings(self):
        if self.kind == "binary":
            return len(self.tail) // 2
        return len(self.payload["values"])

    def zeroed(self):
        """The original bytes with the signature's last occurrence overwritten by zeros (6.2)."""
        text = self.signature.encode()
        at = self.raw.rfind(text)
        if at < 0:
            raise ValueError("the decoded signature is not in the bytes")
        return self.raw[:at] + b"0" * len(text) + self.raw[at + len(text):]

    def verify(self, key):
        if self.root["protected"].get("alg") != "HS256" or len(self.signature) != SIGNATURE_HEX:
            return False
        return hmac.compare_digest(mac(key, self.zeroed()), self.signature)


def mac(key, message):
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


def decode(raw):
    """A Document, or ValueError."""
    if not raw:
        raise ValueError("empty document")
    if raw[:1] in b"{ \r\n\t":
        document = Document("json", json.loads(raw), raw=raw)
    else:
        stream = io.BytesIO(raw)
        try:
            root = cbor2.load(stream)
        except (cbor2.CBORDecodeError, EOFError) as error:
            raise ValueError(f"not CBOR: {error}") from error
        tail = raw[stream.tell():]
        values = root.get("payload", {}).get("values", []) if isinstance(root, dict) else []
        binary = bool(values) and isinstance(values[0], str) and values[0].lower().startswith("ref-binary-")
        if tail.strip(b"\xff") and not binary:
            raise ValueError(f"{len(tail)} bytes after the document")
        document = Document("binary" if binary else "cbor", root, tail=tail, raw=raw)
    root = document.root
    if not isinstance(root, dict):
        raise ValueError("not a map")
    for key, kind in (("protected", dict), ("signature", str), ("payload", dict)):
        if not isinstance(root.get(key), kind):
            raise ValueError(f"{key} is missing or of the wrong type")
    if root["protected"].get("ver") != "v1" or root["protected"].get("alg") not in ("HS256", "none"):
        raise ValueError("protected: ver or alg unknown")
    payload = root["payload"]
    if not isinstance(payload.get("device_type"), str) or not isinstance(payload.get("values"), list):
        raise ValueError("payload: device_type or values missing")
    if not isinstance(payload.get("interval_ms"), (int, float)) or not payload.get("sensors"):
        raise ValueError("payload: interval_ms or sensors missing")
    axes = len(payload["sensors"])
    if document.kind != "binary":
        for value in payload["values"]:
            if isinstance(value, list) and len(value) != axes:
                raise ValueError(f"a reading has {len(value)} values for {axes} axes")
    return document


# A small CBOR writer in the C SDK's style (6.3): shortest float, indefinite values array, key order kept.
def _head(major, number):
    for limit, info, form in ((24, None, ""), (1 << 8, 24, ">B"), (1 << 16, 25, ">H"), (1 << 32, 26, ">I"), (1 << 64, 27, ">Q")):
        if number < limit:
            return bytes([major << 5 | number]) if info is None else bytes([major << 5 | info]) + struct.pack(form, number)
    raise ValueError("number too large")


def _float(value):
    for code, form in ((0xF9, ">e"), (0xFA, ">f"), (0xFB, ">d")):
        try:
            packed = struct.pack(form, value)
        except (OverflowError, struct.error):
            continue
        if struct.unpack(form, packed)[0] == value:
            return bytes([code]) + packed
    raise ValueError("not a number")


def cbor(value):
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        text = value.encode()
        return _head(3, len(text)) + text
    if isinstance(value, (list, tuple)):
        return _head(4, len(value)) + b"".join(map(cbor, value))
    if isinstance(value, dict):
        return _head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())
    raise TypeError(type(value))


def single(value):
    """The float32 nearest to a number, as a board computes with."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def signed_cbor(key, device_name, device_type, interval_ms, sensors, rows, protected=None):
    header = {"ver": "v1", "alg": "HS256", **(protected or {})}
    body = b"".join([
        _head(5, 3), cbor("protected"), cbor(header), cbor("signature"), cbor("0" * SIGNATURE_HEX), cbor("payload"), _head(5, 5),
        cbor("device_name"), cbor(device_name), cbor("device_type"), cbor(device_type), cbor("interval_ms"), cbor(float(interval_ms)),
        cbor("sensors"), cbor(sensors), cbor("values"), b"\x9f", *(cbor([single(v) for v in row]) for row in rows), b"\xff"])
    at = body.index(b"0" * SIGNATURE_HEX)
    return body[:at] + mac(key, body).encode() + body[at + SIGNATURE_HEX:]


def signed_json(key, device_name, device_type, interval_ms, sensors, rows, iat):
    root = {"protected": {"ver": "v1", "alg": "HS256", "iat": iat}, "signature": "0" * SIGNATURE_HEX,
            "payload": {"device_name": device_name, "device_type": device_type, "interval_ms": interval_ms, "sensors": sensors,
                        "values": rows}}
    raw = json.dumps(root, separators=(",", ":")).encode()
    root["signature"] = mac(key, raw)
    return json.dumps(root, separators=(",", ":")).encode()


def _self_check():
    """The published vectors of 6.2: an independent judge should first judge itself."""
    key = "fed53116f20684c067774ebf9e7bcbdc"
    axes = [{"name": f"acc{axis}", "units": "m/s2"} for axis in "XYZ"]
    rows = [[-9.81, 0.03, 1.21], [-9.83, 0.04, 1.27], [-9.12, 0.03, 1.23], [-9.14, 0.01, 1.25]]
    text = signed_json(key, "ac:87:a3:0a:2d:1b", "DISCO-L475VG-IOT01A", 10, axes, rows, 1564128599)
    assert decode(text).signature == "7c3c01c0f6c192a56e49b6578eda7f95dd0ac9ece33f162675fdf183bf0ecb1e"
    rows[1][2] = 1.28
    binary = signed_cbor(key, "ac:87:a3:0a:2d:1b", "DISCO-L475VG-IOT01A", 10, axes, rows)
    assert decode(binary).signature == "f0bc94ee616f902a5dbce2a32f3946873831a746b8019bb3b3eb0850a9b17048"
    assert len(text) == 423 and len(binary) == 337 and decode(text).verify(key) and decode(binary).verify(key)


_self_check()
