#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# tml-flash --protocol smp against a board with the manners of MCUboot and Zephyr, with lost replies, wrong offsets and slow erases.

from flashing import FlashTest
from mcuboot_stub import McubootStub, image_hash, mcuboot_image
from tmltest import main

IMAGE = mcuboot_image(30000)


class Mcuboot(FlashTest):
    def stub(self, **how):
        stub = McubootStub(**how)
        self.addCleanup(stub.stop)
        return stub

    def smp(self, stub, *flags, image=IMAGE, **keys):
        return self.flash(self.write("image.bin", image), "--protocol", "smp", "--port", stub.path, "--no-daemon", *flags, **keys)

    def assert_flashed(self, stub, answer, image=IMAGE):
        code, events, err = answer
        self.assertEqual(code, 0, (events, err))
        self.assertIn(image, stub.slots)
        self.assertEqual(stub.resets, 1)
        return events

    def test_zephyr_upload_test_reset_and_confirm(self):
        stub = self.stub()
        events = self.assert_flashed(stub, self.smp(stub))
        self.assertTrue(self.named(events, "flashed")[0]["trial"])
        self.assertGreater(self.named(events, "uploaded")[0]["window"], 1)
        self.assertEqual(image_hash(stub.slots[0]), image_hash(IMAGE))
        self.assertNotEqual(stub.confirmed, image_hash(IMAGE))
        # The same command confirms what runs on trial, and then has nothing to do.
        code, events, err = self.smp(stub)
        self.assertEqual((code, len(self.named(events, "confirmed"))), (0, 1), err)
        self.assertEqual(stub.confirmed, image_hash(IMAGE))
        code, events, err = self.smp(stub)
        self.assertEqual((code, len(self.named(events, "unchanged"))), (0, 1), err)
        self.assertEqual(stub.resets, 1)

    def test_permanent(self):
        stub = self.stub()
        self.assert_flashed(stub, self.smp(stub, "--permanent"))
        self.assertEqual(stub.confirmed, image_hash(IMAGE))

    def test_serial_recovery_of_old_mcuboot(self):
        stub = self.stub(kind="recovery", tell_params=False, version_1_only=True)
        events = self.assert_flashed(stub, self.smp(stub))
        self.assertEqual(self.named(events, "uploaded")[0]["window"], 1)

    def test_slow_erase(self):
        stub = self.stub(kind="recovery", buf_count=1, erase_s=3.0)
        self.assert_flashed(stub, self.smp(stub))
        self.assertEqual(stub.erases, 1)

    def test_lost_replies_and_requests(self):
        stub = self.stub(lose_replies={3, 10, 11, 30}, lose_requests={7, 25}, logs=True)
        events = self.assert_flashed(stub, self.smp(stub))
        self.assertGreater(self.named(events, "uploaded")[0]["resent"], 0)

    def test_lost_reply_to_the_first_part(self):
        stub = self.stub(lose_replies={1})
        self.assert_flashed(stub, self.smp(stub, timeout_s=180))
        self.assertEqual(stub.erases, 1)

    def test_a_board_that_goes_back(self):
        for kind in ("zephyr", "recovery"):
            with self.subTest(kind):
                stub = self.stub(kind=kind, wrong_off_at=15000)
                self.assert_flashed(stub, self.smp(stub))

    def test_a_killed_upload_is_resumed(self):
        stub = self.stub()
        file = self.write("large.bin", mcuboot_image(400000))
        process = self.flash_process(file, "--protocol", "smp", "--port", stub.path, "--no-daemon")
        stub.wait_received(60000)
        process.kill()
        code, events, err = self.flash(file, "--protocol", "smp", "--port", stub.path, "--no-daemon")
        self.assertEqual(code, 0, (events, err))
        self.assertGreaterEqual(self.named(events, "uploaded")[0]["resumed_at"], 60000)
        self.assertEqual(stub.erases, 1)

    def test_refusals(self):
        for kind in ("zephyr", "recovery"):
            with self.subTest(kind):
                stub = self.stub(kind=kind, refuse_at=5000)
                self.assertEqual(self.smp(stub)[0], 11)
                self.assertEqual(stub.resets, 0)

    def test_a_board_without_smp_is_a_timeout(self):
        stub = self.stub(version_1_only=True)
        stub._answer = lambda request: None
        code, events, err = self.smp(stub)
        self.assertEqual(code, 10, (events, err))


if __name__ == "__main__":
    main()
