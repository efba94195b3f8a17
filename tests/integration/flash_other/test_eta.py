#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The ECM3532 board (tml-board --profile ecm3532) with the old flash tool and with ours: clean, with lost and damaged replies, killed and
# started again.
import random
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "compat"))
from flashing import FlashTest  # noqa: E402
from incumbent_eta import EtaError, EtaFlashTool  # noqa: E402
from tmltest import main, wait_until  # noqa: E402

IMAGE_AT = 0x5000


def image_of(size, seed=1):
    return struct.pack("<II", 0x10018000, 0x01005101) + random.Random(seed).randbytes(size - 8)


class Eta(FlashTest):
    def eta_board(self, *flags):
        board = self.board("--profile", "ecm3532", "--baud-model", "115200", "--seed", "5", *flags)
        board.wait_named("restart", reason="application")
        return board

    starts = 0  # of the application by an update

    @staticmethod
    def application_starts(board):
        return sum(event.get("event") == "restart" and event["reason"] == "application" for event in board.events)

    def flashed(self, board, size=256 << 10):
        # The file holds the cells inverted, so that a fresh one is sparse.
        return bytes(cell ^ 0xFF for cell in (board.folder / "state" / "flash.bin").read_bytes()[IMAGE_AT:IMAGE_AT + size])

    def eta(self, board, image, *flags, **keys):
        file = self.write("firmware.bin", image)
        return self.flash(file, "--protocol", "eta", "--port", board.link, "--no-daemon", *flags, **keys)

    def assert_flashed(self, board, answer, image):
        code, events, err = answer
        self.assertEqual(code, 0, (events, err))
        self.assertEqual(self.flashed(board, len(image)), image)
        self.starts += 1
        board.wait_event("the application's start", lambda event: self.application_starts(board) > self.starts)
        return self.named(events, "flashed")[0]

    def test_the_old_tool(self):
        board = self.eta_board()
        image = image_of(30000)
        tool = EtaFlashTool(board.link)
        self.addCleanup(tool.close)
        self.assertEqual(tool.flash(image), 8)
        self.assertEqual(self.flashed(board, len(image)), image)
        board.wait_event("the application's start", lambda event: self.application_starts(board) == 2)

    def test_the_old_tool_gives_up_at_a_lost_acknowledgement(self):
        board = self.eta_board("--fault", "lose-line=0.2")
        tool = EtaFlashTool(board.link)
        self.addCleanup(tool.close)
        with self.assertRaises(EtaError):
            tool.flash(image_of(100000))

    def test_ours(self):
        board = self.eta_board()
        image = image_of(100001)
        done = self.assert_flashed(board, self.eta(board, image), image)
        self.assertEqual((done["bootloader"], done["block_bytes"], done["blocks"], done["resent"]), ("1.0.2", 4096, 25, 0))
        # And once more, from the application that runs now.
        image = image_of(5000, 2)
        self.assert_flashed(board, self.eta(board, image), image)

    def test_paced(self):
        board = self.eta_board()
        image = image_of(3000)
        self.assert_flashed(board, self.eta(board, image, "--serial-write-pacing"), image)

    def test_lost_and_damaged_replies(self):
        board = self.eta_board("--fault", "lose-line=0.1,bad-line=0.1")
        image = image_of(60000)
        done = self.assert_flashed(board, self.eta(board, image, timeout_s=240), image)
        self.assertGreater(done["resent"], 0)

    def test_killed_and_started_again(self):
        board = self.eta_board()
        image = image_of(200000)
        file = self.write("firmware.bin", image)
        process = self.flash_process(file, "--protocol", "eta", "--port", board.link, "--no-daemon")
        wait_until("some blocks", lambda: self.flashed(board, 40960) == image[:40960])
        process.kill()
        done = self.assert_flashed(board, self.eta(board, image, "--skip-reset"), image)
        self.assertGreaterEqual(done["resumed_at"], 10)

    def test_an_image_that_the_board_would_refuse_is_not_sent(self):
        board = self.eta_board()
        before = self.flashed(board)
        code, _, err = self.eta(board, bytes(5000))
        self.assertNotEqual(code, 0)
        self.assertEqual(self.flashed(board), before)

    def test_the_image_survives_a_power_cut(self):
        board = self.eta_board()
        image = image_of(20000)
        self.assert_flashed(board, self.eta(board, image), image)
        board.kill()
        board.start()
        board.wait_named("restart", reason="application")
        self.assertEqual(self.flashed(board, len(image)), image)


if __name__ == "__main__":
    main()
