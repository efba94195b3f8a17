# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# A board on a pty with the manners of MCUboot's serial recovery (boot_serial, read for its behaviour) or of a Zephyr application with
# SMP on its console, and with faults.
import hashlib
import os
import pty
import struct
import threading
import tty

from smp import ECHO, IMAGE, OS, PARAMS, READ, RESET, STATE, UPLOAD, Assembler, fields_of, lines, packet


def mcuboot_image(size, version=(1, 2, 3), filler=7):
    """A MCUboot image whose TLV area holds its hash (unsigned: the stub checks none)."""
    body = bytes((i * filler + i // 251) & 0xFF for i in range(size))
    header = struct.pack("<IIHHIIBBHII", 0x96F3B83D, 0, 32, 0, size, 0, version[0], version[1], version[2], 0, 0)
    digest = hashlib.sha256(header + body).digest()
    return header + body + struct.pack("<HH", 0x6907, 4 + 36) + struct.pack("<HH", 0x10, 32) + digest


def image_hash(image):
    return image[-32:]


class McubootStub:
    """kind "recovery": uploads go to the primary slot, a part at offset 0 starts anew, no test. "zephyr": the secondary slot, resume by
    sha, test and confirm."""

    def __init__(self, kind="zephyr", buf_size=512, buf_count=4, tell_params=True, version_1_only=False, erase_s=0.0, lose_replies=(),
                 lose_requests=(), wrong_off_at=None, refuse_at=None, logs=False):
        self.kind, self.buf_size, self.buf_count, self.tell_params = kind, buf_size, buf_count, tell_params
        self.version_1_only, self.erase_s, self.logs = version_1_only, erase_s, logs
        # Upload requests are counted from 1.
        self.lose_replies, self.lose_requests = set(lose_replies), set(lose_requests)
        self.wrong_off_at, self.refuse_at = wrong_off_at, refuse_at
        self.slots = [mcuboot_image(1000, (0, 9, 0), 3), b""]
        self.pending = None
        self.confirmed = image_hash(self.slots[0])
        self.uploads = self.resets = self.erases = 0
        self.received, self.total, self.sha = b"", 0, None
        self.changed = threading.Condition()
        self.stopping = threading.Event()
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def stop(self):
        self.stopping.set()
        # Wakes the reader: what is written to the slave comes out of the master.
        os.write(self.slave, b"\n")
        self.thread.join(10)
        os.close(self.master)
        os.close(self.slave)

    @property
    def target(self):
        return 0 if self.kind == "recovery" else 1

    def _serve(self):
        assembler = Assembler(self.buf_size + 2)
        while not self.stopping.is_set():
            requests = [fields_of(got) for got in assembler.push(os.read(self.master, 65536))]
            for request in requests:
                if self.version_1_only and request["version"] != 0:
                    continue
                answer = self._answer(request)
                if answer is None:
                    continue
                if request["version"] == 0:
                    answer.setdefault("rc", 0)
                text = b"[00:00:01] flash: busy\r\n" if self.logs else b""
                text += lines(packet(request["op"] + 1, request["group"], request["command"], request["sequence"], answer,
                                     request["version"]))
                os.write(self.master, text)
                with self.changed:
                    self.changed.notify_all()

    def _answer(self, request):
        key, body = (request["group"], request["command"]), request["body"]
        if key == (OS, ECHO):
            return {"r": body["d"]}
        if key == (OS, PARAMS):
            return {"buf_size": self.buf_size, "buf_count": self.buf_count} if self.tell_params else {"rc": 8}
        if key == (OS, RESET):
            self._reset()
            return {}
        if key == (IMAGE, STATE):
            return self._state(request)
        if key == (IMAGE, UPLOAD):
            return self._upload(body)
        return {"rc": 8}

    def _reset(self):
        self.resets += 1
        self.received, self.total, self.sha = b"", 0, None
        if self.kind == "zephyr" and self.pending is not None:
            self.slots.reverse()
            self.pending = None

    def _state(self, request):
        if request["op"] != READ:
            if self.kind == "recovery":
                return {"rc": 8}
            wanted = request["body"].get("hash") or image_hash(self.slots[0])
            if wanted not in [image_hash(slot) for slot in self.slots if slot]:
                return {"err": {"group": 1, "rc": 8}}
            if request["body"].get("confirm"):
                self.confirmed = wanted
            if wanted != image_hash(self.slots[0]):
                self.pending = wanted
        return {"images": [{"image": 0, "slot": number, "version": "%d.%d.%d" % struct.unpack_from("<BBH", slot, 20),
                            "hash": image_hash(slot), "bootable": True, "active": number == 0,
                            "confirmed": image_hash(slot) == self.confirmed, "pending": image_hash(slot) == self.pending}
                           for number, slot in enumerate(self.slots) if slot], "splitStatus": 0}

    def _upload(self, body):
        self.uploads += 1
        number = self.uploads
        if number in self.lose_requests:
            return None
        if self.refuse_at is not None and len(self.received) >= self.refuse_at:
            return {"err": {"group": 1, "rc": 21}} if self.kind == "zephyr" else {"rc": 3}
        if self.wrong_off_at is not None and len(self.received) >= self.wrong_off_at:
            self.wrong_off_at = None
            self.received = self.received[:len(self.received) // 2]
            return {"off": len(self.received)}
        if body["off"] == 0:
            resumed = self.kind == "zephyr" and body.get("sha") is not None and body["sha"] == self.sha and self.received
            if not resumed:
                self.received, self.total, self.sha = b"", body["len"], body.get("sha")
                self.erases += 1
                self.stopping.wait(self.erase_s)
        if body["off"] == len(self.received):
            self.received += body["data"]
        reply = {"off": len(self.received)}
        if len(self.received) == self.total:
            self.slots[self.target] = self.received
            if self.kind == "zephyr":
                reply["match"] = hashlib.sha256(self.received).digest() == self.sha
        with self.changed:
            self.changed.notify_all()
        return None if number in self.lose_replies else reply

    def wait_received(self, size, timeout_s=20):
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.received) >= size, timeout_s):
                raise TimeoutError(f"only {len(self.received)} of {size} bytes came")
