# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Signed objects, slot trailers and boot records, written from common/wire/manifest.hpp, boot_record.hpp and docs/image-format.md, and sharing
# no code with what makes or checks them. Signatures are OpenSSL's.
import hashlib
import struct
import subprocess
import tempfile
from pathlib import Path

CHUNK = 4096
HEADER = 0x200
TRAILER = 12288
APP, MODEL, DATA, KEYSET = range(4)
DEVELOPMENT_KEY = hashlib.sha256(b"TML development key, no secret").digest()
DEVELOPMENT_ROOT = hashlib.sha256(b"TML development root, no secret").digest()
PKCS8_HEAD = bytes.fromhex("302e020100300506032b657004220420")  # RFC 8410, section 7
SIGNED = 448
COMMIT = 0x54494D43
STAGED, FACTORY = 0x44475453, 0x59524346
NO_SLOT = 0xFF


def _openssl(*arguments, stdin=None):
    return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=True).stdout


def public_key(seed):
    return _openssl("pkey", "-inform", "DER", "-pubout", "-outform", "DER", stdin=PKCS8_HEAD + seed)[-32:]


def sign(seed, message):
    with tempfile.TemporaryDirectory() as folder:
        key, text = Path(folder) / "key", Path(folder) / "text"
        key.write_bytes(PKCS8_HEAD + seed)
        text.write_bytes(message)
        return _openssl("pkeyutl", "-sign", "-rawin", "-keyform", "DER", "-inkey", key, "-in", text)


def chunk_list(payload):
    return b"".join(hashlib.sha256(payload[at:at + CHUNK]).digest() for at in range(0, len(payload), CHUNK))


def manifest(payload, object_class, slots, *, version, product, epoch=0, hardware=(0, 0xFFFF), contract=(0, 0, 0), name="",
             seed=DEVELOPMENT_KEY):
    """512 signed bytes. `contract`: kernel ABI, kernels, arena bytes."""
    hashes = chunk_list(payload)
    abi, kernels, arena = contract
    body = struct.pack("<4sHBB24sHHIIIIIIHHQII", b"TMLS", 1, object_class, 0, product.encode(), *hardware, slots, version, epoch,
                       len(payload), len(hashes) // 32, 0, abi, 0, kernels, arena, 0)
    body += hashlib.sha256(payload).digest() + hashlib.sha256(hashes).digest() + bytes(64)
    body += bytes(20) + struct.pack("<IQ32s", 0, 0, name.encode()) + bytes(168)
    body += hashlib.sha256(public_key(seed)).digest()[:8]
    assert len(body) == SIGNED
    return body + sign(seed, body)


def signed_object(payload, *arguments, **options):
    """Manifest, chunk list, payload, each directly behind the other."""
    return manifest(payload, *arguments, **options) + chunk_list(payload) + payload


def patch_image(image, *, version, bytes_=None, filler=0):
    """An application's image with another version, made longer with bytes that no compression makes shorter."""
    out = bytearray(image)
    if bytes_ is not None:
        block = filler.to_bytes(4, "little")
        while len(out) < bytes_:
            block = hashlib.sha256(block).digest()
            out += block
        del out[bytes_:]
    struct.pack_into("<II", out, HEADER + 8, len(out), version)
    return bytes(out)


def image_facts(image):
    """(slots, (abi, kernels, arena), product) of an image's header."""
    assert image[HEADER:HEADER + 4] == b"TMLI"
    slots, = struct.unpack_from("<I", image, HEADER + 16)
    abi, = struct.unpack_from("<H", image, HEADER + 24)
    arena, kernels = struct.unpack_from("<IQ", image, HEADER + 28)
    product = image[HEADER + 40:HEADER + 64].rstrip(b"\0").decode()
    return slots, (abi, kernels, arena), product


def signed_image(image, **options):
    slots, contract, product = image_facts(image)
    version, = struct.unpack_from("<I", image, HEADER + 12)
    return signed_object(image, APP, slots, version=version, product=product, contract=contract, **options)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def trailer(object_bytes, word=FACTORY):
    """Of a slot that holds the object completely: put there by a factory, or with STAGED by a COMMIT."""
    head = object_bytes[:512]
    chunks, = struct.unpack_from("<I", head, 52)
    seal = struct.pack("<4sHH16s", b"TMLT", 1, chunks, hashlib.sha256(head).digest()[:16])
    seal += struct.pack("<I", crc32c(seal))
    progress = bytearray(b"\xff" * 32)
    for n in range(chunks):
        progress[n // 8] &= ~(1 << n % 8) & 0xFF
    return head + seal + struct.pack("<I", word) + bytes(progress) + object_bytes[512:512 + 32 * chunks]


def payload_of(object_bytes):
    chunks, = struct.unpack_from("<I", object_bytes, 52)
    return object_bytes[512 + 32 * chunks:]


def boot_record(sequence, *, event=0, slot=NO_SLOT, active=(NO_SLOT,) * 3, trial=(NO_SLOT,) * 3, floors=(0, 0, 0), keyset=0,
                attempts=(0xFF,) * 4):
    lanes = bytes(value for pair in zip(active, trial) for value in pair)
    body = struct.pack("<4sIBB6s3II20s", b"TMLB", sequence, event, slot, lanes, *floors, keyset, bytes(20))
    return body + struct.pack("<I4BI", crc32c(body), *attempts, COMMIT)


def newest_record(log):
    """The valid record with the highest sequence of the two sectors, as a dict, or None."""
    best = None
    for at in range(0, len(log), 64):
        raw = log[at:at + 64]
        if raw[:4] != b"TMLB" or raw[60:] != struct.pack("<I", COMMIT) or struct.unpack_from("<I", raw, 52)[0] != crc32c(raw[:52]):
            continue
        sequence, event, slot = struct.unpack_from("<IBB", raw, 4)
        if best is None or sequence > best["sequence"]:
            best = {"sequence": sequence, "event": event, "slot": slot, "active": raw[10:16:2], "trial": raw[11:16:2],
                    "floors": struct.unpack_from("<3I", raw, 16), "keyset": struct.unpack_from("<I", raw, 28)[0]}
    return best
