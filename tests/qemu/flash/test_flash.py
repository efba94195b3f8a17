# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Bootloader and application of mps2_an386 in QEMU, over the emulated UART with tests/support/py/flash_link.py: who answers, a model installed
# while the application runs, the application replaced by itself and confirmed, recovery of a board with nothing to start, also by SMP.
import shutil
import sys
import tempfile
import unittest
from pathlib import Path
from random import Random

import at_board
import qemu
import signed_object as so
import smp
from flash_link import CHUNK, Bundle, FlashLink
from processes import Process, programs

qemu.require()
BIN = programs()
LOADER, IMAGES = BIN / "tml-mps2-an386-boot.elf", [BIN / f"tml-mps2-an386-{slot}.bin" for slot in "ab"]
PRODUCT = "tml-mps2-an386"
LIMIT_S = 60
for file in (LOADER, *IMAGES):
    if not file.exists():
        print(f"skipped: there is no {file} (configure with -DTML_ARM=ON)")
        sys.exit(qemu.SKIP)
# The emulated UART takes a few kilobytes per second when the machine is busy.
RESEND_S = 5


def bundle_of(signed):
    payload = so.payload_of(signed)
    count = -(-len(payload) // CHUNK)
    return Bundle(signed[:512], [payload[at:at + CHUNK] for at in range(0, len(payload), CHUNK)], signed[512:512 + 32 * count])


class Flash(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tml-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.board = self.host = None
        self.addCleanup(self.stop)

    def stop(self):
        if self.host:
            self.host.close()
        if self.board:
            self.board.stop()
            self.board = None

    def start(self, *flags, loader=LOADER):
        self.board = Process("board", [BIN / "tml-board", "--json", "--link", self.folder / "line", "--state", self.folder / "state", "--qemu",
                                       loader, *flags])
        self.board.wait_named("ready", LIMIT_S)
        self.host = at_board.Line(self.folder / "line")
        self.link = FlashLink(self.host)

    def boot(self, number):
        """The boot event with this number, from 1."""
        def is_it(_):
            return len([event for event in self.board.events if event["event"] == "boot"]) >= number
        self.board.wait_event(f"boot {number}", is_it, LIMIT_S)
        return [event for event in self.board.events if event["event"] == "boot"][number - 1]

    def test_the_application_takes_a_model_and_its_own_successor(self):
        self.start("--app", IMAGES[0])
        boot = self.boot(1)
        self.assertEqual((boot["mode"], boot["slot"], boot["reason"]), ("application", "app-a", "power"))
        identity = self.link.hello()
        self.assertEqual((identity.mode, identity.product, identity.boot_version), ("application", PRODUCT, boot["version"]))
        self.assertEqual((identity.arena_bytes, identity.window), (1 << 20, 8))

        model = so.signed_object(Random(1).randbytes(10000), so.MODEL, 1 << 2 | 1 << 3, version=1 << 24, product=PRODUCT, name="a model",
                                 contract=(identity.kernel_abi, 2, 4096))
        self.link.install("model-0a", bundle_of(model), resend_s=RESEND_S)
        self.link.select("model-0a", permanent=True)
        self.assertEqual(self.link.status().active[1], "model-0a")

        image = so.patch_image(IMAGES[1].read_bytes(), version=2 << 24 | 5)
        self.link.install("app-b", bundle_of(so.signed_image(image, epoch=1)), compress=True, resend_s=RESEND_S)
        self.link.select("app-b")
        self.link.reboot()
        boot = self.boot(2)
        self.assertEqual((boot["mode"], boot["slot"], boot["version"]), ("application", "app-b", "2.0.5"))
        self.assertEqual(self.link.hello().app_version, "2.0.5")
        status = self.link.status()
        self.assertEqual(status.trial[0], "app-b", (status, self.link.call("log", bytes(2)).hex()))
        self.link.confirm(0)
        status = self.link.status()
        self.assertEqual((status.active[:2], status.trial), (["app-b", "model-0a"], [None] * 3))

        self.link.reboot(bootloader=True)
        boot = self.boot(3)
        self.assertEqual((boot["mode"], boot["reason"]), ("bootloader", "request"))
        identity = self.link.hello()
        self.assertEqual((identity.mode, identity.window), ("bootloader", 2))
        self.assertEqual(self.link.verify("app-b").state, "complete")
        self.assertEqual(self.link.verify("app-a").state, "complete")
        self.link.reboot()
        self.assertEqual(self.boot(4)["slot"], "app-b")

    def test_a_board_with_nothing_to_start_is_recovered_over_the_line(self):
        self.start()
        self.assertEqual(self.boot(1)["mode"], "bootloader")
        identity = self.link.hello()
        self.assertEqual((identity.mode, identity.app_version), ("bootloader", "0.0.0"))
        self.link.install("app-a", bundle_of(so.signed_image(IMAGES[0].read_bytes())), resend_s=RESEND_S)
        self.link.select("app-a", permanent=True)
        self.link.reboot()
        self.assertEqual(self.boot(2)["slot"], "app-a")

    def test_smp_clients_are_served_by_the_same_bootloader(self):
        self.start()
        self.assertEqual(self.boot(1)["mode"], "bootloader")
        client = smp.Client(self.folder / "line")
        self.addCleanup(client.close)
        self.assertEqual(client.request(smp.WRITE, smp.OS, smp.ECHO, {"d": "hello"}), {"r": "hello"})
        self.assertEqual(client.request(smp.READ, smp.OS, smp.PARAMS), {"buf_size": 1024, "buf_count": 3})
        file = so.signed_image(IMAGES[0].read_bytes())
        forged = bytes([*file[:40], file[40] ^ 1, *file[41:]])
        self.assertEqual(client.upload(forged, chunk=512)[0], {"rc": 11, "rsn": "bad_signature"})
        reply, _ = client.upload(file, chunk=512)
        self.assertEqual((reply["off"], reply["match"]), (len(file), True))
        image = client.request(smp.READ, smp.IMAGE, smp.STATE)["images"][0]
        client.request(smp.WRITE, smp.IMAGE, smp.STATE, {"hash": image["hash"], "confirm": True})
        client.request(smp.WRITE, smp.OS, smp.RESET)
        self.assertEqual(self.boot(2)["slot"], "app-a")

    def test_a_trial_that_is_not_confirmed_is_left(self):
        self.start("--app", IMAGES[0])
        self.boot(1)
        self.link.hello()
        image = so.patch_image(IMAGES[1].read_bytes(), version=3 << 24)
        self.link.install("app-b", bundle_of(so.signed_image(image)), compress=True, resend_s=RESEND_S)
        self.link.select("app-b", attempts=1)
        self.link.reboot()
        self.assertEqual(self.boot(2)["slot"], "app-b")
        self.link.hello()
        self.link.reboot()
        self.assertEqual(self.boot(3)["slot"], "app-a")


if __name__ == "__main__":
    unittest.main(verbosity=2)
