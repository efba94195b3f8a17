#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# tml-flash against the virtual board: whole updates, what is interrupted and resumed, what is refused.
import base64
import fcntl
import hashlib
import os
import pty
import struct
import unittest
from pathlib import Path

import at_board
import flash_link
from flashing import AUTH, BUSY, FAILED, INTERRUPTED, REFUSED, UNPLUGGED, USAGE, VERIFICATION, FlashTest, named, signal
from tmltest import main

ROOT = Path(__file__).resolve().parents[3]
NETWORK = ROOT / "tests/fuzz/model/corpus/tflite/network.tflite"
IMAGE_BYTES = 0x208  # In an image's header; ARENA_BYTES and PACKAGE_HASH in a package's.
ARENA_BYTES, PACKAGE_HASH = 12, 224
APP_B, MODEL_0B = 0x0C0000, 0x1F0000  # Where the slots lie (docs/firmware.md).
SLOW = ("--baud-model", "115200")  # So that there is something to interrupt.


class Updates(FlashTest):
    def test_an_image_from_end_to_end(self):
        board = self.board()
        image = self.image("1.1.0", size=100_000)
        before = self.info(board.link)
        events, err = self.flash(image, "--port", board.link)
        self.assertIn("development key", err)
        stages = self.stages(events)
        for earlier, later in zip(("identified", "restarting", "preparing", "transferring", "finalising", "selecting", "rebooting", "waiting", "checking"),
                                  ("restarting", "preparing", "transferring", "finalising", "selecting", "rebooting", "waiting", "checking", "confirming")):
            self.assertLess(stages.index(earlier), stages.index(later), stages)
        done = named(events, "flashed")[0]
        self.assertEqual((done["written"], done["activated"], done["confirmed"], done["already"]), (True, True, True, False))
        self.assertEqual(done["slot"], "app-b")
        self.assertEqual(self.running(board.link), ("1.1.0", "app-b", None))
        self.assertNotEqual(before["app_version"], "1.1.0")
        progress = named(events, "progress")
        self.assertEqual(progress[-1]["bytes_done"], progress[-1]["bytes"])
        again, _ = self.flash(image, "--port", board.link)
        self.assertTrue(named(again, "flashed")[0]["already"])

    def test_the_transcript_for_people(self):
        board = self.board()
        lines = self.text(self.image("1.1.0"), "--port", board.link).splitlines()
        wanted = ["Board on ", "It runs application ", "Restarting into the bootloader...", "is 16384 bytes (4 blocks), for app-b", "Finalizing update...",
                  "Update complete, rebooting into application", "Waiting for the application...", "Update completed: "]
        at = 0
        for piece in wanted:
            while at < len(lines) and piece not in lines[at]:
                at += 1
            self.assertLess(at, len(lines), (piece, lines))

    def test_models_while_the_application_runs(self):
        board = self.board()
        events, _ = self.flash(NETWORK, "--port", board.link)
        self.assertNotIn("restarting", self.stages(events))
        self.assertNotIn("rebooting", self.stages(events))
        self.assertEqual(named(board.events, "restart"), [])
        done = named(events, "flashed")[0]
        self.assertTrue(done["confirmed"])
        slot = done["slot"]
        self.assertTrue(self.slot(board.link, slot)["active"])
        other, _ = self.flash(NETWORK, "--port", board.link, "--name", "second", "--object-version", "0.2.0")
        self.assertTrue(named(other, "flashed")[0]["already"] or named(other, "flashed")[0]["slot"] != slot)

    def test_background_update_of_the_application(self):
        board = self.board()
        events, _ = self.flash(self.image("1.2.0"), "--port", board.link, "--background")
        self.assertNotIn("restarting", self.stages(events))
        self.assertEqual(self.running(board.link), ("1.2.0", "app-b", None))

    def test_the_console_lives_beside_a_background_update(self):
        board = self.board(*SLOW)
        self.flash(NETWORK, "--port", board.link)
        line = at_board.Line(board.link)
        self.addCleanup(line.close)
        self.assertIn("Name: network", "\n".join(line.command("AT+MODELINFO?")))

    def test_data(self):
        board = self.board()
        notes = self.folder / "notes.txt"
        notes.write_text("hello " * 1000)
        events, _ = self.flash(notes, "--slot", "data", "--port", board.link)
        self.assertTrue(named(events, "flashed")[0]["written"])
        self.assertEqual(self.slot(board.link, "data")["payload_bytes"], 6000)

    def test_dry_run_writes_nothing(self):
        board = self.board()
        self.info(board.link)
        flash = board.folder / "state/flash.bin"
        before = flash.read_bytes()
        events, _ = self.flash(self.image(), "--port", board.link, "--dry-run")
        self.assertTrue(named(events, "flashed")[0]["dry_run"])
        self.assertEqual(flash.read_bytes(), before)

    def test_write_alone_changes_nothing_that_runs(self):
        board = self.board()
        version, active, _ = self.running(board.link)
        self.flash("write", self.image("1.3.0"), "--slot", "app-b", "--port", board.link)
        self.assertEqual(self.running(board.link), (version, active, None))
        self.assertEqual(self.slot(board.link, "app-b")["version"], "1.3.0")
        verified = named(self.flash("verify", "--slot", "app-b", "--port", board.link)[0], "verified")[0]
        self.assertEqual(verified["state"], "complete")
        self.flash("erase", "--slot", "app-b", "--yes", "--port", board.link)
        self.assertEqual(self.slot(board.link, "app-b")["state"], "empty")
        self.flash("erase", "--slot", active or "app-a", "--yes", "--port", board.link, code=REFUSED)

    def test_trial_confirm_and_revert(self):
        board = self.board()
        old, _, _ = self.running(board.link)
        self.flash(self.image("2.0.0"), "--port", board.link, "--no-confirm")
        self.assertEqual(self.running(board.link)[::2], ("2.0.0", "app-b"))
        self.flash("revert", "--port", board.link)
        self.assertEqual(self.running(board.link)[0], old)
        self.flash(self.image("2.0.0"), "--port", board.link, "--no-confirm")
        self.flash("confirm", "--port", board.link)
        self.assertEqual(self.running(board.link), ("2.0.0", "app-b", None))
        self.flash("confirm", "--port", board.link, code=REFUSED)
        log = named(self.flash("read-log", "--port", board.link)[0], "log")[0]["records"]
        self.assertGreaterEqual(len(log), 4)
        self.assertGreater(log[0]["sequence"], log[-1]["sequence"])

    def test_tags_and_restarts(self):
        board = self.board()
        self.flash("tag", "bench-3", "--port", board.link)
        self.assertEqual(self.info(board.link)["tag"], "bench-3")
        self.flash("reboot", "--bootloader", "--port", board.link)
        self.assertEqual(self.info(board.link)["mode"], "bootloader")
        self.flash("reboot", "--port", board.link)
        info = self.info(board.link)
        self.assertEqual((info["mode"], info["tag"]), ("application", "bench-3"))

    def test_a_blank_board_is_brought_to_life(self):
        board = self.board("--blank")
        self.assertEqual(self.info(board.link)["mode"], "bootloader")
        self.flash(self.image("1.0.1"), "--port", board.link)
        self.assertEqual(self.running(board.link)[0], "1.0.1")


class BadImages(FlashTest):
    def check_back(self, behaviour):
        board = self.board()
        old, active, _ = self.running(board.link)
        events, _ = self.flash(self.image("3.0.0", behaviour=behaviour), "--port", board.link, code=VERIFICATION)
        self.assertIn("did not hold", self.error(events)["message"])
        self.assertEqual(self.running(board.link)[0], old)

    def test_crash(self):
        self.check_back("crash")

    def test_hang(self):
        self.check_back("hang")

    def test_mute(self):
        # It feeds the watchdog and says nothing: only a restart brings it back, to the bootloader that hears our HELLO or, after three, to the old version.
        board = self.board()
        old, _, _ = self.running(board.link)
        tool = self.start_flash(self.image("3.0.0", behaviour="mute"), "--port", board.link, "--wait", "120", "--boot-wait", "5")
        tool.wait_event("it asks for a restart", lambda e: e.get("event") == "warning" and "RESET" in e["message"], timeout_s=120)
        for _ in range(4):
            seen = len(tool.events)
            board.kill()
            board.start()
            board.wait_ready()
            try:
                tool.wait_event("the end", lambda e: e.get("event") == "error", timeout_s=10, start=seen)
                break
            except TimeoutError:
                continue
        self.assertEqual(tool.join(), VERIFICATION, tool.report())
        self.assertEqual(self.running(board.link)[0], old)


class Interrupted(FlashTest):
    def half_way(self, tool, blocks=3):
        tool.wait_event("half of it", lambda e: e.get("event") == "progress" and e["blocks_done"] >= blocks, timeout_s=60)

    def test_ctrl_c_and_again(self):
        board = self.board(*SLOW)
        old, _, _ = self.running(board.link)
        image = self.image("1.4.0", size=120_000)
        tool = self.start_flash(image, "--port", board.link, "--baud", "115200", "--no-compress")
        self.half_way(tool)
        tool.process.send_signal(signal.SIGINT)
        self.assertEqual(tool.join(), INTERRUPTED)
        self.assertIn("goes on from there", tool.events[-1]["message"])
        self.assertEqual(self.running(board.link)[0], old)
        events, _ = self.flash(image, "--port", board.link)
        self.assertGreaterEqual(named(events, "flashed")[0]["transfer"]["there"], 3)
        self.assertEqual(self.running(board.link)[0], "1.4.0")

    def test_the_tool_is_killed(self):
        board = self.board(*SLOW)
        image = self.image("1.5.0", size=120_000)
        tool = self.start_flash(image, "--port", board.link, "--baud", "115200", "--no-compress")
        self.half_way(tool)
        tool.kill()
        events, _ = self.flash(image, "--port", board.link)
        self.assertGreaterEqual(named(events, "flashed")[0]["transfer"]["there"], 3)
        self.assertEqual(self.running(board.link)[0], "1.5.0")

    def test_the_board_is_killed_and_comes_back(self):
        board = self.board(*SLOW)
        tool = self.start_flash(self.image("1.6.0", size=120_000), "--port", board.link, "--baud", "115200", "--no-compress", "--wait", "60")
        self.half_way(tool)
        board.kill()
        tool.wait_event("the board is missed", lambda e: e.get("stage") == "lost", timeout_s=30)
        board.start()
        board.wait_ready()
        self.assertEqual(tool.join(timeout_s=90), 0, tool.report())
        done = named(tool.events, "flashed")[0]
        self.assertTrue(done["confirmed"])
        self.assertGreater(done["transfer"]["sessions"], 1)

    def test_the_board_does_not_come_back(self):
        board = self.board(*SLOW)
        tool = self.start_flash(self.image("1.7.0", size=120_000), "--port", board.link, "--baud", "115200", "--no-compress", "--wait", "1")
        self.half_way(tool)
        board.kill()
        self.assertEqual(tool.join(timeout_s=60), UNPLUGGED, tool.report())
        self.assertIn("goes on", tool.events[-1]["hint"])

    def test_another_board_in_its_place_is_left_alone(self):
        board = self.board(*SLOW)
        other = self.board(*SLOW, name="other")
        tool = self.start_flash(self.image("1.8.0", size=120_000), "--port", board.link, "--baud", "115200", "--no-compress", "--wait", "3")
        self.half_way(tool)
        board.kill()
        Path(board.link).symlink_to(os.readlink(other.link))
        self.assertEqual(tool.join(timeout_s=60), UNPLUGGED, tool.report())
        self.assertIn("another one", tool.events[-1]["message"])
        self.assertEqual({s["state"] for s in self.info(other.link)["slots"] if s["slot"] == "app-b"}, {"empty"})


class BadFlash(FlashTest):
    """A sector that neither erases nor programs: the board says so at once, and nothing is blamed on the cable."""

    def failed(self, sector, file, *flags):
        board = self.board("--fault", f"flash-bad={sector:#x}", name=f"board-{sector:x}")
        before = self.running(board.link)
        events, _ = self.flash(file, "--port", board.link, *flags, code=FAILED, timeout_s=60)
        error = self.error(events)
        self.assertRegex(error["message"], "the board (ended the transfer|refuses [A-Z]+): .*(erase|program)")
        self.assertIn("worn out", error["hint"])
        self.assertNotIn("lost", self.stages(events))
        # It runs what it ran, and answers as before.
        info = self.info(board.link)
        self.assertEqual(info["mode"], "application")
        self.assertEqual(self.running(board.link), before)
        return board, error

    def test_through_the_bootloader(self):
        self.failed(APP_B + 0x1000, self.image("1.1.0", size=60_000))

    def test_in_the_background(self):
        board, _ = self.failed(APP_B + 0x3000, self.image("1.1.0", size=60_000), "--background")
        self.assertEqual(named(board.events, "restart"), [])

    def test_the_first_and_the_last_block(self):
        image = self.image("1.1.0", size=60_000)
        self.failed(APP_B, image)
        self.failed(APP_B + 60_000 // 4096 * 4096, image)

    def test_where_the_manifest_goes(self):
        _, error = self.failed(APP_B + 0x7D000, self.image("1.1.0", size=60_000))
        self.assertIn("refuses BEGIN", error["message"])

    def test_a_model_goes_into_the_other_slot(self):
        board, _ = self.failed(MODEL_0B, NETWORK)
        self.flash(NETWORK, "--port", board.link, "--slot", "model-0a")
        self.assertTrue(self.slot(board.link, "model-0a")["active"])


class LinkedForOneSlot(FlashTest):
    def pair(self, version):
        files = [self.image(version, f"{version}-{slot}.bin", slots=slot, size=40_000) for slot in "ab"]
        self.assertNotEqual(files[0].read_bytes(), files[1].read_bytes())
        out = self.folder / f"{version}.tmlu"
        events, _ = self.flash("sign", *files, "-o", out)
        self.assertEqual([thing["slots"] for thing in named(events, "signed")[0]["objects"]], [["app-a"], ["app-b"]])
        return files, out

    def test_of_two_objects_the_one_for_the_free_slot_is_taken(self):
        board = self.board()
        (for_a, for_b), both = self.pair("1.1.0")
        self.flash(both, "--port", board.link)
        self.assertEqual(self.running(board.link), ("1.1.0", "app-b", None))
        events, _ = self.flash(both, "--port", board.link)
        self.assertTrue(named(events, "flashed")[0]["already"])
        hashes = {slot: hashlib.sha256(path.read_bytes()).hexdigest() for slot, path in (("app-a", for_a), ("app-b", for_b))}
        self.assertEqual(self.slot(board.link, "app-b")["payload_sha256"], hashes["app-b"])
        _, newer = self.pair("1.2.0")
        self.flash(newer, "--port", board.link, "--background")
        self.assertEqual(self.running(board.link), ("1.2.0", "app-a", None))
        # An image for the slot that runs, alone.
        error = self.error(self.flash(for_a, "--port", board.link, code=VERIFICATION)[0])
        self.assertIn("linked for app-a, which the board runs from", error["message"])
        self.assertEqual(self.running(board.link), ("1.2.0", "app-a", None))


class Refused(FlashTest):
    def refused(self, board, *arguments, code, **keys):
        events, _ = self.flash(*arguments, "--port", board.link, code=code, **keys)
        return self.error(events)

    def test_wrong_things(self):
        board = self.board()
        image = self.image()
        other = self.refused(board, image, "--product", "other", code=VERIFICATION)
        self.assertIn("this is for other, the board is a tml-virtual", other["message"])
        self.assertIn("revision", self.refused(board, image, "--hardware", "7", code=VERIFICATION)["message"])
        secret, _ = self.key("stranger")
        self.assertIn("key", self.refused(board, image, "--key", secret, code=AUTH)["message"])
        self.refused(board, image, "--slot", "model-0a", code=VERIFICATION)
        huge = self.image("1.1.0", "huge.bin", size=500_000)
        big = self.folder / "big.bin"
        big.write_bytes(huge.read_bytes() + bytes(600_000))
        self.refused(board, big, "--slot", "data", code=1)
        self.flash("sign", image, "-o", self.folder / "app.tmlu")
        tampered = bytearray((self.folder / "app.tmlu").read_bytes())
        tampered[-1] ^= 1
        (self.folder / "app.tmlu").write_bytes(tampered)
        self.refused(board, self.folder / "app.tmlu", code=VERIFICATION)

    def test_what_does_not_fit_is_refused_before_the_first_erase(self):
        board = self.board()
        self.info(board.link)
        flash = board.folder / "state/flash.bin"
        before = flash.read_bytes()
        large = bytearray(self.image().read_bytes() + bytes(600_000))
        struct.pack_into("<I", large, IMAGE_BYTES, len(large))
        (self.folder / "large.bin").write_bytes(large)
        self.assertIn("larger than the slot", self.refused(board, self.folder / "large.bin", "--background", code=REFUSED)["message"])
        package = self.folder / "greedy.tmlm"
        self.flash("compile", NETWORK, "-o", package)
        greedy = bytearray(package.read_bytes())
        struct.pack_into("<I", greedy, ARENA_BYTES, 900_000)
        greedy[PACKAGE_HASH:PACKAGE_HASH + 32] = hashlib.sha256(greedy[:PACKAGE_HASH] + greedy[PACKAGE_HASH + 32:]).digest()
        package.write_bytes(greedy)
        self.refused(board, package, code=REFUSED)
        self.assertEqual(flash.read_bytes(), before)

    def test_epochs_go_up_at_confirm_and_never_down(self):
        board = self.board()
        self.flash(self.image("1.1.0"), "--epoch", "5", "--port", board.link)
        self.assertEqual(self.info(board.link)["floors"]["app"], 5)
        self.assertIn("epoch", self.refused(board, self.image("1.2.0"), "--epoch", "4", code=REFUSED)["message"])
        self.flash(self.image("1.2.0"), "--epoch", "6", "--no-confirm", "--port", board.link)
        self.assertEqual(self.info(board.link)["floors"]["app"], 5)

    def test_a_port_that_is_held(self):
        board = self.board()
        line = at_board.Line(board.link)
        self.addCleanup(line.close)
        fcntl.flock(line.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.assertIn("held", self.refused(board, self.image(), code=BUSY)["message"])

    def test_something_else_answers(self):
        board = self.board("--profile", "csv", name="printer")
        error = self.refused(board, "info", code=1)
        self.assertIn("not a board with the flash link", error["message"])

    def test_silence(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        self.addCleanup(os.close, slave)
        events, _ = self.flash("info", "--port", os.ttyname(slave), code=UNPLUGGED)
        self.assertIn("no board answers", self.error(events)["message"])


class Keys(FlashTest):
    def test_rotation_and_revocation(self):
        root, root_public = self.key("root")
        old, _ = self.key("old")
        new, _ = self.key("new")
        board = self.board("--root-key", root_public)

        def install(version, entries, code=0):
            (self.folder / "keys.toml").write_text(f'version = {version}\nproduct = "tml-virtual"\n' + entries)
            return self.flash("keys", "--install", self.folder / "keys.toml", "--key", root, "--port", board.link, code=code)[0]

        development = self.info(board.link)["keys"][0]["id"]
        both = '[[key]]\nfile = "old.pub"\n[[key]]\nfile = "new.pub"\n'
        keep = f'[[key]]\npublic = "{self.development_public()}"\n'
        install(1, keep + both)
        self.assertEqual(self.info(board.link)["keyset_version"], 1)
        self.assertEqual({key["id"] for key in self.info(board.link)["keys"]} & {development}, {development})
        self.flash(self.image("1.1.0"), "--key", old, "--port", board.link)
        self.flash(self.image("1.2.0"), "--key", new, "--port", board.link)
        install(1, keep + both, code=REFUSED)
        install(3, '[[key]]\nfile = "new.pub"\n[[key]]\nfile = "old.pub"\nstate = "revoked"\n')
        error = self.error(self.flash(self.image("1.3.0"), "--key", old, "--port", board.link, code=AUTH)[0])
        self.assertIn("revoked", error["message"])
        self.flash(self.image("1.4.0"), "--key", new, "--port", board.link)
        self.assertIn("would drop", self.error(install(4, '[[key]]\nfile = "old.pub"\n', code=REFUSED))["message"])
        self.flash("keys", "--install", self.folder / "keys.toml", "--port", board.link, code=VERIFICATION)  # By the development root.

    def development_public(self):
        return base64.b64encode(flash_link.sign(b"any")[0]).decode()

    def test_a_release_board_refuses_the_development_key(self):
        root, root_public = self.key("root")
        release, _ = self.key("release")
        board = self.board("--release", "--root-key", root_public, "--blank")
        self.assertTrue(self.info(board.link)["release"])
        events, _ = self.flash(self.image(), "--port", board.link, code=AUTH)
        self.assertIn("development key", self.error(events)["message"])
        (self.folder / "keys.toml").write_text('version = 1\nproduct = "tml-virtual"\n[[key]]\nfile = "release.pub"\n')
        self.flash("keys", "--install", self.folder / "keys.toml", "--key", root, "--port", board.link)
        self.flash(self.image("1.0.1"), "--key", release, "--port", board.link)
        self.assertEqual(self.running(board.link)[0], "1.0.1")


class ThroughTheDaemon(FlashTest):
    def test_borrows_the_port_and_gives_it_back(self):
        server = self.server()
        board = self.board()
        daemon = self.daemon(server, board, env={"XDG_RUNTIME_DIR": self.home, "XDG_STATE_HOME": self.home / "state"})
        daemon.wait_online()
        events, _ = self.flash(NETWORK, "--port", board.link, env={"XDG_RUNTIME_DIR": self.home, "XDG_STATE_HOME": self.home / "state"})
        self.assertTrue(named(events, "flashed")[0]["confirmed"])


if __name__ == "__main__":
    main()
