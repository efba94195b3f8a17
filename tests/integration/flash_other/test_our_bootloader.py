#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Our bootloader (tml-board --blank: no application, so it stays) for SMP clients: an independent one, and tml-flash --protocol smp.
from smp import ECHO, IMAGE, OS, PARAMS, READ, RESET, STATE, UPLOAD, WRITE, Client
from flashing import FlashTest
from processes import run
from tmltest import main


class OurBootloader(FlashTest):
    def signed(self, version="1.2.3", size=60000):
        image = self.folder / f"app-{version}.bin"
        code, out, err = run([self.bin / "tml-board", "--make-image", image, "--image-version", version, "--image-bytes", size])
        self.assertEqual(code, 0, out + err)
        signed = image.with_suffix(".tmlu")
        code, events, err = self.flash("sign", image, "-o", signed)
        self.assertEqual(code, 0, (events, err))
        return signed

    def client(self, board, **how):
        client = Client(board.link, **how)
        self.addCleanup(client.close)
        return client

    def test_an_independent_client(self):
        board = self.board("--blank", name="blank")
        client = self.client(board)
        self.assertEqual(client.request(WRITE, OS, ECHO, {"d": "hello"}), {"r": "hello"})
        params = client.request(READ, OS, PARAMS)
        self.assertGreaterEqual(params["buf_size"], 512)
        self.assertEqual(client.request(READ, IMAGE, STATE)["images"], [])
        file = self.signed().read_bytes()
        reply, _ = client.upload(file)
        self.assertEqual((reply["off"], reply["match"]), (len(file), True))
        images = client.request(READ, IMAGE, STATE)["images"]
        self.assertEqual([image["version"] for image in images], ["1.2.3"])
        client.request(WRITE, IMAGE, STATE, {"hash": images[0]["hash"], "confirm": True})
        client.request(WRITE, OS, RESET)
        board.wait_named("boot", mode="application", version="1.2.3")

    def test_version_1_clients(self):
        client = self.client(self.board("--blank", name="blank"), version=0)
        self.assertEqual(client.request(WRITE, OS, ECHO, {"d": "x"}), {"r": "x", "rc": 0})

    def test_an_upload_is_resumed_by_offset(self):
        board = self.board("--blank", name="blank")
        file = self.signed().read_bytes()
        client = self.client(board)
        client.upload(file, stop_at=30000)
        again = self.client(board)
        reply, offsets = again.upload(file)
        self.assertEqual(reply["off"], len(file))
        self.assertGreater(offsets[0], 25000)

    def test_nothing_is_written_for_a_wrong_signature(self):
        board = self.board("--blank", name="blank")
        file = bytearray(self.signed().read_bytes())
        manifest = file.index(b"TMLS")
        file[manifest + 40] ^= 1
        before = (board.folder / "state" / "flash.bin").read_bytes()
        reply, _ = self.client(board).upload(bytes(file))
        self.assertTrue(reply["rc"])
        self.assertTrue(reply["rsn"])
        self.assertEqual((board.folder / "state" / "flash.bin").read_bytes(), before)

    def test_tml_flash_over_smp(self):
        board = self.board("--blank", name="blank")
        code, events, err = self.flash(self.signed("2.0.0"), "--protocol", "smp", "--port", board.link, "--no-daemon", "--permanent")
        self.assertEqual(code, 0, (events, err))
        self.assertEqual(self.named(events, "uploaded")[0]["window"], 2)
        board.wait_named("boot", mode="application", version="2.0.0")


    def test_a_trial_from_a_running_application(self):
        board = self.board(name="factory")
        board.wait_named("boot", mode="application")
        code, events, err = self.flash("reboot", "--bootloader", "--port", board.link, "--no-daemon")
        self.assertEqual(code, 0, (events, err))
        board.wait_named("boot", mode="bootloader")
        code, events, err = self.flash(self.signed("3.1.4"), "--protocol", "smp", "--port", board.link, "--no-daemon")
        self.assertEqual(code, 0, (events, err))
        self.assertTrue(self.named(events, "flashed")[0]["trial"])
        images = self.named(events, "images")[-1]["images"]
        self.assertEqual([(image["slot"], image["active"], image["pending"]) for image in images], [(0, True, False), (1, False, True)])
        board.wait_named("boot", mode="application", version="3.1.4", slot="app-b")


if __name__ == "__main__":
    main()
