# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The host's end of the flash link, written from docs/flash-link.md and sharing no code with common/flashlink: frames (COBS, CRC-32C with the
# session mixed in), requests, the transfer of an object. It is plain rather than fast. Every wait ends with what it waits for.
import hashlib
import os
import select
import struct
import subprocess
import tempfile
import time
import zlib
from dataclasses import dataclass, field

REQUEST, REPLY, DATA_RAW, DATA_DEFLATE, DATA_DELTA, ACK, EVENT = range(0x10, 0x17)
OPS = {name: number for number, name in enumerate(
    "hello ping baud status slot begin list copy commit select confirm revert erase hashes verify read counters keys key_list log reboot tag "
    "abort working".split(), 1)}
STATUS = ("ok bad_frame busy bad_argument unsupported bad_manifest bad_signature unknown_key revoked_key rollback wrong_product wrong_hardware "
          "wrong_slot abi_mismatch no_space slot_active erase_failed program_failed verify_failed not_complete not_ready nothing_on_trial policy "
          "locked key_in_use key_version development_key internal").split()
SLOTS = "app-a app-b model-0a model-0b model-1a model-1b data".split()
NO_SLOT = 0xFF
REASONS = "power request watchdog fault update".split()
GRANULE, CHUNK, MAX_PAYLOAD = 64, 4096, 2048
SILENCE_S = 10  # well above the 3 s after which a host gives up: a busy machine is no dead board


def _crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def cobs_encode(data):
    """A whole block of 254 bytes at the very end is not followed by an empty one (Cheshire and Baker, 1999)."""
    out, block = bytearray(), bytearray()
    whole = False
    for byte in data:
        whole = False
        if byte == 0:
            out += bytes([len(block) + 1]) + block
            block = bytearray()
            continue
        block.append(byte)
        if len(block) == 254:
            out += bytes([255]) + block
            block = bytearray()
            whole = True
    if not whole:
        out += bytes([len(block) + 1]) + block
    return bytes(out)


def cobs_decode(data):
    out, at = bytearray(), 0
    while at < len(data):
        code = data[at]
        if code == 0 or at + code > len(data):
            return None
        out += data[at + 1:at + code]
        at += code
        if code != 255 and at < len(data):
            out.append(0)
    return bytes(out)


def frame(body, session):
    crc = crc32c(struct.pack("<H", session) + body)
    return b"\0" + cobs_encode(body + struct.pack("<I", crc)) + b"\0"


def body_of(encoded, session):
    """What a frame between two delimiters says; None when it is none of this session."""
    decoded = cobs_decode(encoded)
    if decoded is None or len(decoded) < 6:
        return None
    body, (crc,) = decoded[:-4], struct.unpack("<I", decoded[-4:])
    return body if crc32c(struct.pack("<H", session) + body) == crc else None


class Refused(Exception):
    def __init__(self, op, status):
        super().__init__(f"{op}: {status}")
        self.status = status


@dataclass
class Identity:
    version: int
    session: int
    mode: str
    reason: str
    max_payload: int
    window: int
    caps: int
    hardware: int
    boot_version: str
    app_version: str
    kernel_abi: int
    kernels: int
    arena_bytes: int
    flash_bytes: int
    bauds: list
    product: str
    device_id: str
    tag: str


@dataclass
class Ack:
    base: int
    limit: int
    flags: int
    flash_ms: int
    got: list


@dataclass
class Bundle:
    """One object of a .tmlu file."""
    manifest: bytes
    chunks: list
    hashes: bytes

    @property
    def version(self):
        return version_text(struct.unpack_from("<I", self.manifest, 40)[0])


@dataclass
class SlotInfo:
    slot: str
    state: str
    capacity: int
    version: str
    epoch: int
    payload_bytes: int
    chunk_count: int
    key_id: bytes
    payload_hash: bytes
    name: str


@dataclass
class DeviceStatus:
    link: str
    slot: str
    chunks_done: int
    chunk_count: int
    active: list = field(default_factory=list)
    trial: list = field(default_factory=list)
    attempts: list = field(default_factory=list)
    erases: int = 0
    bad_frames: int = 0


def version_text(number):
    return f"{number >> 24}.{number >> 16 & 255}.{number & 65535}"


def slot_text(number):
    return None if number == NO_SLOT else SLOTS[number]


def text(field_bytes):
    return field_bytes.rstrip(b"\0").decode()


def read_bundle(data):
    """The first object of a .tmlu file."""
    magic, version, count = struct.unpack_from("<4sHH", data)
    assert magic == b"TMLU" and version == 1 and count >= 1, (magic, version, count)
    offset, size = struct.unpack_from("<II", data, 8)
    item = data[offset:offset + size]
    manifest = item[:512]
    chunk_count, = struct.unpack_from("<I", manifest, 52)
    hashes, payload = item[512:512 + 32 * chunk_count], item[512 + 32 * chunk_count:]
    return Bundle(manifest, [payload[at:at + CHUNK] for at in range(0, len(payload), CHUNK)], hashes)


DEVELOPMENT_SEED = hashlib.sha256(b"TML development key, no secret").digest()
# RFC 8410: an Ed25519 private key in PKCS #8 is this and its 32 bytes; a public key that and its 32 bytes.
_PKCS8, _SPKI = bytes.fromhex("302e020100300506032b657004220420"), bytes.fromhex("302a300506032b6570032100")


def _openssl(*arguments, data=b""):
    done = subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.decode()}")
    return done.stdout


def sign(message, seed=DEVELOPMENT_SEED):
    """(public key, Ed25519 signature), by OpenSSL."""
    with tempfile.TemporaryDirectory() as folder:
        key, text = os.path.join(folder, "key"), os.path.join(folder, "text")
        with open(key, "wb") as file:
            file.write(_PKCS8 + seed)
        with open(text, "wb") as file:
            file.write(message)
        public = _openssl("pkey", "-inform", "DER", "-in", key, "-pubout", "-outform", "DER")
        return public[len(_SPKI):], _openssl("pkeyutl", "-sign", "-rawin", "-keyform", "DER", "-inkey", key, "-in", text)


def make_bundle(payload, object_class, slots, version=0x01000000, epoch=0, product=b"", abi=0, seed=DEVELOPMENT_SEED):
    """A signed object. `object_class`: 0 app, 1 model, 2 data; `slots`: names; `abi`: kernel_abi."""
    chunks = [payload[at:at + CHUNK] for at in range(0, len(payload), CHUNK)]
    hashes = b"".join(hashlib.sha256(chunk).digest() for chunk in chunks)
    mask = sum(1 << SLOTS.index(name) for name in slots)
    public, _ = sign(b"any", seed)
    head = struct.pack("<4sHBB24sHHIIIIIIHHQII32s32s32s32s20sIQ32s168s8s", b"TMLS", 1, object_class, 0, product, 0, 0xFFFF, mask, version, epoch,
                       len(payload), len(chunks), 0, abi, 0, 0, 0, 0, hashlib.sha256(payload).digest(), hashlib.sha256(hashes).digest(), b"", b"",
                       b"", 0, 0, b"made by a test", b"", hashlib.sha256(public).digest()[:8])
    assert len(head) == 448
    return Bundle(head + sign(head, seed)[1], chunks, hashes)


class FlashLink:
    """A session over a `line` with fd, as boards.py or at_board.py open one. Text between frames is kept in `text`."""

    def __init__(self, line):
        self.fd = line if isinstance(line, int) else line.fd
        self.session, self.request_id = 0, 0
        self.unread, self.buffer = bytearray(), bytearray()
        self.inside = False
        self.text = bytearray()
        self.acks, self.events = [], []
        self.identity = None
        self.on_idle = None  # called between the frames of a transfer and while it waits

    # ---- bytes and frames ----
    def write(self, data):
        while data:
            # A line that is full takes long, and what the board says meanwhile must not be lost.
            readable, writable, _ = select.select([self.fd], [self.fd], [], SILENCE_S)
            if readable:
                self.unread += os.read(self.fd, 65536)
            if not writable:
                continue
            try:
                data = data[os.write(self.fd, data):]
            except BlockingIOError:
                continue

    def receive(self, timeout_s):
        """Whole frames that came within the time: bodies. [] after the time, or after text."""
        data, self.unread = bytes(self.unread), bytearray()
        if select.select([self.fd], [], [], 0 if data else timeout_s)[0]:
            data += os.read(self.fd, 65536)
        bodies = []
        for byte in data:
            if byte:
                (self.buffer if self.inside else self.text).append(byte)
                continue
            if not self.inside:
                self.inside, self.buffer = True, bytearray()
                continue
            if not self.buffer:
                continue  # 0x00 0x00: the second one opens the frame
            body = body_of(bytes(self.buffer), self.session) or (self.session and body_of(bytes(self.buffer), 0))
            self.buffer = bytearray()
            if body:
                bodies.append(body)
                self.inside = False
        return bodies

    def take(self, body):
        if body[0] == ACK:
            base, limit, flags, flash_ms, chunks = struct.unpack_from("<HHBHB", body, 1)
            self.acks.append(Ack(base, limit, flags, flash_ms, list(struct.unpack_from(f"<{chunks}Q", body, 9))))
        elif body[0] == EVENT:
            self.events.append((body[1], body[2:]))

    # ---- requests ----
    def call(self, op, payload=b"", timeout_s=SILENCE_S, resend_s=0.5):
        """The reply's payload. The same request goes out again while nothing at all is heard."""
        self.request_id = self.request_id % 255 + 1
        session = 0 if op == "hello" else self.session
        request = frame(bytes([REQUEST, self.request_id, OPS[op]]) + payload, session)
        self.write(request)
        heard = sent = time.monotonic()
        while True:
            now = time.monotonic()
            if now - heard > timeout_s:
                raise TimeoutError(f"no reply to {op}; text so far {bytes(self.text[-200:])!r}")
            for body in self.receive(resend_s):
                heard = time.monotonic()
                if body[0] == REPLY and body[1] == self.request_id and body[2] == OPS[op]:
                    if body[3]:
                        raise Refused(op, STATUS[body[3]])
                    return body[4:]
                self.take(body)
            if time.monotonic() - max(heard, sent) > resend_s:
                self.write(request)
                sent = time.monotonic()

    def hello(self, timeout_s=SILENCE_S, resend_s=0.5):
        raw = self.call("hello", struct.pack("<BH", 1, MAX_PAYLOAD), timeout_s, resend_s)
        (version, session, mode, reason, max_payload, window, caps, hardware, boot, app, abi, kernels, arena, flash, *bauds) = struct.unpack_from(
            "<BHBBHBIHIIHQII8I", raw)
        product, device_id, tag = struct.unpack_from("<24s32s32s", raw, struct.calcsize("<BHBBHBIHIIHQII8I"))
        self.session = session
        self.identity = Identity(version, session, ("bootloader", "application")[mode], REASONS[reason], max_payload, window, caps, hardware,
                                 version_text(boot), version_text(app), abi, kernels, arena, flash, [rate for rate in bauds if rate], text(product),
                                 text(device_id), text(tag))
        return self.identity

    def status(self):
        raw = self.call("status")
        link, slot, done, count = struct.unpack_from("<BBHH", raw)
        active, trial, attempts = list(raw[6:9]), list(raw[9:12]), list(raw[12:15])
        erases, bad = struct.unpack_from("<II", raw, 15)
        return DeviceStatus("idle list resuming receiving staged".split()[link], slot_text(slot), done, count, [slot_text(n) for n in active],
                            [slot_text(n) for n in trial], attempts, erases, bad)

    @staticmethod
    def _slot_info(raw):
        slot, state, capacity, version, epoch, size, chunks, key, digest, name = struct.unpack_from("<BBIIIIH8s32s32s", raw)
        return SlotInfo(SLOTS[slot], "empty partial complete damaged".split()[state], capacity, version_text(version), epoch, size, chunks, key,
                        digest, text(name))

    def slot(self, name):
        return self._slot_info(self.call("slot", bytes([SLOTS.index(name)])))

    def verify(self, name):
        return self._slot_info(self.call("verify", bytes([SLOTS.index(name)])))

    def read(self, name, offset, size):
        return self.call("read", struct.pack("<BIH", SLOTS.index(name), offset, size))

    def commit(self, name):
        self.call("commit", bytes([SLOTS.index(name)]))

    def select(self, name, permanent=False, attempts=3):
        self.call("select", bytes([SLOTS.index(name), permanent, attempts]))

    def confirm(self, lane=0):
        self.call("confirm", bytes([lane]))

    def revert(self, lane=0):
        return slot_text(self.call("revert", bytes([lane]))[0])

    def reboot(self, bootloader=False):
        """The board answers before it goes."""
        self.call("reboot", bytes([bootloader]))
        self.session = 0

    # ---- transfers ----
    def begin(self, name, bundle, flags=0):
        """(state, count, chunks that are there): receiving, complete or active."""
        room = min(MAX_PAYLOAD, self.identity.max_payload) - 3 - 512
        first = min(len(bundle.hashes), room // 32 * 32)
        raw = self.call("begin", bytes([SLOTS.index(name), NO_SLOT, flags]) + bundle.manifest + bundle.hashes[:first])
        count, = struct.unpack_from("<H", raw, 1)
        while raw[0] == 0:  # the board tells from which entry on
            room = (min(MAX_PAYLOAD, self.identity.max_payload) - 2) // 32 * 32
            raw = self.call("list", struct.pack("<H", count) + bundle.hashes[count * 32:count * 32 + room])
            count, = struct.unpack_from("<H", raw, 1)
        have = {n for n in range(len(bundle.chunks)) if raw[3 + n // 8] >> n % 8 & 1}
        return "receiving_list receiving complete active".split()[raw[0]], count, have

    def send(self, bundle, have=(), compress=False, stop_after=None, resend_s=0.4):
        """Data frames by the receiver's limit; unacknowledged granules again after silence. `stop_after`: give up behind so many stored chunks.

        `resend_s`: more than a window takes on the line, or everything goes out several times. The same 64 bytes may go out twice; it is the
        receiver that has to be right. Returns the acks' last base.
        """
        encoded = {}
        for number, chunk in enumerate(bundle.chunks):
            if number in have:
                continue
            packed = zlib.compressobj(9, zlib.DEFLATED, -12)
            small = packed.compress(chunk) + packed.flush()
            encoded[number] = (DATA_DEFLATE, small) if compress and len(small) < len(chunk) else (DATA_RAW, chunk)
        todo = {(number, at // GRANULE) for number, (_, data) in encoded.items() for at in range(0, len(data), GRANULE)}
        stored, limit, sent = set(have), None, {}
        self.acks.clear()
        per_frame = min(MAX_PAYLOAD, self.identity.max_payload) // GRANULE
        last_sign = time.monotonic()
        while len(stored) < len(bundle.chunks):
            now = time.monotonic()
            for number, (kind, data) in encoded.items():
                if number in stored:
                    continue
                if limit is not None and number * 64 >= limit:
                    break
                due = [g for n, g in sorted(todo) if n == number and now - sent.get((n, g), -1e9) > resend_s and
                       (limit is None and n == min(encoded.keys() - stored) or limit is not None and n * 64 + g < limit)]
                while due:
                    first = due[0]
                    run = [first]
                    while len(run) < per_frame and len(run) < len(due) and due[len(run)] == first + len(run):
                        run.append(due[len(run)])
                    due = due[len(run):]
                    body = bytes([kind]) + struct.pack("<H", number * 64 + first)
                    if kind != DATA_RAW:
                        body += struct.pack("<H", len(data) - 1)
                    self.write(frame(body + data[first * GRANULE:(run[-1] + 1) * GRANULE], self.session))
                    for granule in run:
                        sent[number, granule] = now
                    for body in self.receive(0):
                        self.take(body)
                    if self.on_idle:
                        self.on_idle()
            for body in self.receive(0.1):
                self.take(body)
            if self.on_idle:
                self.on_idle()
            if time.monotonic() - last_sign > SILENCE_S:
                raise TimeoutError(f"no acknowledgement; stored {len(stored)} of {len(bundle.chunks)} chunks")
            for ack in self.acks:
                last_sign = time.monotonic()
                if ack.flags & 2:
                    raise Refused("data", "transfer ended")
                limit = ack.limit
                stored |= set(range(ack.base))
                if ack.flags & 1:  # the whole chunk again
                    stored.discard(ack.base)
                    todo |= {(ack.base, at // GRANULE) for at in range(0, len(encoded[ack.base][1]), GRANULE)}
                    continue
                for index, bits in enumerate(ack.got):
                    number = ack.base + index
                    if bits == 2**64 - 1:
                        stored.add(number)
                    todo -= {(number, g) for g in range(64) if bits >> g & 1}
            if self.acks and stop_after is not None and self.acks[-1].base >= stop_after:
                return stored
            self.acks.clear()
        return stored

    def install(self, name, bundle, compress=False, resend_s=0.4):
        """BEGIN to COMMIT."""
        state, _, have = self.begin(name, bundle)
        if state == "receiving":
            self.send(bundle, have, compress, resend_s=resend_s)
        if state != "active":
            self.commit(name)
        return have
