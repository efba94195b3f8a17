# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# tml-board as the host of a flash link sees it: bootloader and application, installation, trials that go wrong, kills. The frames are made
# by tests/support/py/flash_link.py, which shares no code with the tools.
import os
import shutil
import signal
import sys
import tempfile
import termios
import time
import unittest
from pathlib import Path
from random import Random

import at_board
from flash_link import SLOTS, FlashLink, Refused, make_bundle, read_bundle
from processes import Process, programs, run

BOARD = programs() / "tml-board"
GESTURES = Path(__file__).resolve().parents[3] / "firmware/models/gestures.tflite"
IMPULSE = """
name = "gestures"
labels = ["circle", "flick", "idle", "updown"]
[impulse]
sensor = "Built-in accelerometer"
frequency_hz = 104
window_ms = 2000
stride_ms = 250
[[dsp]]
type = "raw"
"""
FACTORY = "0.1.0"


class FlashBoard(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tml-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.board = self.host = None
        self.addCleanup(self.stop)

    def stop(self):
        if self.host:
            self.host.close()
        if self.board:
            code = self.board.stop()
            if code != 0:
                print(self.board.report(), file=sys.stderr)
            self.board = None

    def start(self, *flags):
        """Until it is known what runs; the line is open."""
        self.board = Process("board", [BOARD, "--json", "--link", self.folder / "line", "--state", self.folder / "state", *flags])
        self.board.wait_named("ready")
        boot = self.board.wait_named("boot")
        self.open()
        return boot

    def open(self):
        if self.host:
            self.host.close()
        self.host = at_board.Line(self.folder / "line")
        self.link = FlashLink(self.host)

    def kill(self):
        self.board.kill()
        self.board = None

    def image(self, version, *flags):
        path = self.folder / f"image-{version}.tmlu"
        code, _, errors = run([BOARD, "--make-image", path, "--image-version", version, *flags])
        self.assertEqual((code, errors), (0, ""))
        bundle = read_bundle(path.read_bytes())
        self.assertEqual(bundle.version, version)
        return bundle

    def events(self, name):
        with self.board.changed:
            return [event for event in self.board.events if event["event"] == name]

    def boots(self):
        return [(event["mode"], event["slot"], event["version"]) for event in self.events("boot")]

    def next_boot(self, count):
        """The boot event number `count` (from 1)."""
        return self.board.wait_event(f"boot {count}", lambda event: len(self.events("boot")) >= count and event is self.events("boot")[count - 1], 60)

    def try_out(self, bundle, attempts, slot="app-b"):
        """Installs into the other slot and restarts into the trial."""
        self.link.hello()
        self.link.install(slot, bundle)
        self.link.select(slot, attempts=attempts)
        self.link.reboot()


class Application(FlashBoard):
    def test_it_answers_a_hello_and_at_commands_on_one_line(self):
        boot = self.start("--id", "aa:bb", "--hardware", "7")
        self.assertEqual((boot["mode"], boot["slot"], boot["version"], boot["reason"]), ("application", "app-a", FACTORY, "power"))
        self.host.wake()
        identity = self.link.hello()
        self.assertEqual((identity.mode, identity.product, identity.hardware, identity.device_id), ("application", "tml-virtual", 7, "aa:bb"))
        self.assertEqual((identity.app_version, identity.boot_version), (FACTORY, FACTORY))
        self.assertGreater(identity.arena_bytes, 0)
        self.assertEqual(identity.bauds, [])
        self.assertIn("ID:", "\n".join(self.host.command("AT+CONFIG?")))
        status = self.link.status()
        self.assertEqual(status.link, "idle")
        info = self.link.verify("app-a")
        self.assertEqual((info.state, info.version), ("complete", FACTORY))
        self.assertEqual(self.link.slot("app-b").state, "empty")
        self.host.wake()

    def test_bootmode_and_back_on_one_port(self):
        self.start()
        pid = self.board.pid
        self.host.wake()
        self.host.write(b"AT+BOOTMODE\r")
        self.assertEqual(self.next_boot(2)["mode"], "bootloader")
        identity = self.link.hello()
        self.assertEqual((identity.mode, identity.reason, identity.app_version), ("bootloader", "request", "0.0.0"))
        self.link.text.clear()
        self.host.write(b"\r")
        while b"> " not in self.link.text:
            self.link.receive(5)
        self.assertIn(b"bootloader", bytes(self.link.text))
        self.link.reboot()
        self.assertEqual(self.next_boot(3)["mode"], "application")
        self.host.wake()
        self.assertEqual((self.board.pid, len(self.events("ready"))), (pid, 1))

    def test_a_reset_keeps_the_process_the_port_and_the_count(self):
        self.start("--fault", "tx.dup=0.0001")
        self.host.wake()
        before = os.readlink(self.folder / "line")
        self.host.write(b"AT+RESET\r")
        self.next_boot(2)
        self.host.wake()
        self.assertEqual(os.readlink(self.folder / "line"), before)
        self.host.close()
        board, self.board, self.host = self.board, None, None
        self.assertEqual(board.stop(), 0)
        counters = board.wait_named("counters")
        self.assertGreater(counters["rx_bytes"], len("AT+RESET\r") + 2 * len("\rAT+SYNC1\r"))
        self.assertFalse((self.folder / "line").is_symlink())

    def test_recordings_go_on_behind_a_reset(self):
        recordings = self.folder / "recordings"
        recordings.mkdir()
        for number in range(3):
            (recordings / f"wave.{number}.csv").write_text("timestamp,accX,accY,accZ\n" + "".join(f"{10 * n},1,2,3\n" for n in range(100)))
        self.start("--speed", "100", "--sensor", f"accelerometer=replay:{recordings}")
        for number in range(3):
            self.host.wake()
            self.host.command(f"AT+SAMPLESETTINGS=wave,10,500,{'0' * 32}")
            self.host.write(b"AT+SAMPLESTART=Built-in accelerometer\r")
            self.host.until(lambda said: b"Done sampling" in said or b"ERR" in said)
            self.board.wait_event("sample", lambda event: len(self.events("sample")) > number)
            self.host.wake()
            self.host.write(b"AT+RESET\r")
            self.next_boot(number + 2)
        self.assertEqual([Path(event["source"]).name for event in self.events("capture")], [f"wave.{number}.csv" for number in range(3)])

    def test_models_arrive_in_the_background(self):
        self.start()
        self.host.wake()
        identity = self.link.hello()
        bundle = make_bundle(os.urandom(100_000), 1, ["model-0a", "model-0b"], abi=identity.kernel_abi)
        answered = 0

        def ask():
            nonlocal answered
            if b"> " in self.link.text or not asked:
                answered += b"ID:" in self.link.text
                self.link.text.clear()
                asked.append(1)
                self.link.write(b"AT+CONFIG?\r")

        asked = []
        self.link.on_idle = ask
        self.link.install("model-0b", bundle)
        self.link.on_idle = None
        self.assertGreater(answered, 0)
        info = self.link.verify("model-0b")
        self.assertEqual((info.state, info.payload_bytes), ("complete", 100_000))
        self.host.wake()

    def test_an_inference_goes_on_while_another_model_arrives(self):
        (self.folder / "gestures.toml").write_text(IMPULSE)
        package = self.folder / "gestures.tmlm"
        code, _, errors = run([programs() / "tml-flash", "compile", GESTURES, "--impulse", self.folder / "gestures.toml", "-o", package])
        self.assertEqual(code, 0, errors)
        self.start("--model", f"0={package}")
        self.host.wake()
        identity = self.link.hello()

        def hear_until(text, count):
            deadline = time.monotonic() + 60
            while self.link.text.count(text) < count:
                self.assertLess(time.monotonic(), deadline, bytes(self.link.text[-500:]))
                for body in self.link.receive(0.5):
                    self.link.take(body)

        self.host.write(b"AT+RUNIMPULSECONT\r")
        hear_until(b"#Classification", 1)
        self.link.install("model-0b", make_bundle(os.urandom(100_000), 1, ["model-0a", "model-0b"], abi=identity.kernel_abi))
        hear_until(b"#Classification", self.link.text.count(b"#Classification") + 2)
        self.assertNotIn(b"replaced", self.link.text)
        self.link.hello()
        self.link.select("model-0b")
        hear_until(b"ERR: the model was replaced", 1)
        self.link.revert(1)
        self.host.wake()

    def test_several_boards_in_one_process_restart_for_themselves(self):
        self.board = Process("boards", [BOARD, "--json", "--count", "2", "--link", self.folder / "line", "--state", self.folder / "state"])
        for index in (0, 1):
            self.board.wait_named("boot", board=index)
        first, second = (at_board.Line(self.folder / f"line-{index}") for index in (0, 1))
        first.wake()
        second.wake()
        first.write(b"AT+RESET\r")
        self.next_boot(3)
        first.wake()
        self.assertIn("ID:", "\n".join(second.command("AT+CONFIG?")))
        self.assertEqual([event["board"] for event in self.events("boot")].count(1), 1)
        first.close()
        second.close()


class Recovery(FlashBoard):
    def test_a_blank_board_stays_in_the_bootloader_and_takes_an_application(self):
        boot = self.start("--blank")
        self.assertEqual((boot["mode"], boot["slot"]), ("bootloader", ""))
        self.assertEqual(self.link.hello().mode, "bootloader")
        self.assertEqual({self.link.slot(name).state for name in SLOTS}, {"empty"})
        self.link.install("app-a", self.image("3.2.1"))
        self.link.select("app-a", permanent=True)
        self.link.reboot()
        boot = self.next_boot(2)
        self.assertEqual((boot["mode"], boot["slot"], boot["version"]), ("application", "app-a", "3.2.1"))
        self.host.wake()
        self.host.write(b"AT+RESET\r")
        self.host.until(lambda said: b"firmware 3.2.1" in said and said.endswith(b"\n> "))

    def test_a_board_from_before_there_were_slots_gets_its_application(self):
        self.start("--blank")
        self.kill()
        boot = self.start()
        self.assertEqual((boot["mode"], boot["version"]), ("application", FACTORY))

    def test_a_release_takes_nothing_from_the_development_key(self):
        self.start("--release")
        self.link.hello()
        with self.assertRaises(Refused) as refused:
            self.link.begin("app-a", self.image("1.0.0"))
        self.assertIn(refused.exception.status, ("development_key", "unknown_key"))
        self.assertEqual(self.link.status().erases, 0)

    def test_a_bad_sector_ends_the_transfer_and_leaves_what_runs(self):
        self.start("--fault", "flash-bad=0x0C1000")
        self.link.hello()
        with self.assertRaises(Refused):
            self.link.install("app-b", self.image("2.0.0"))
        self.kill()
        self.assertEqual(self.start()["version"], FACTORY)


class Trials(FlashBoard):
    def test_a_good_one_is_confirmed(self):
        self.start()
        self.try_out(self.image("2.0.0"), 3)
        boot = self.next_boot(2)
        self.assertEqual((boot["slot"], boot["version"]), ("app-b", "2.0.0"))
        self.assertEqual(self.link.hello().app_version, "2.0.0")
        self.assertEqual(self.link.status().trial[0], "app-b")
        self.link.confirm()
        self.assertEqual((self.link.status().active[0], self.link.status().trial[0]), ("app-b", None))
        self.kill()
        self.assertEqual(self.start()["version"], "2.0.0")

    def test_one_that_crashes_is_left_after_its_attempts(self):
        self.start()
        self.try_out(self.image("2.0.0", "--image-behaviour", "crash"), 2)
        self.assertEqual(self.next_boot(4)["version"], FACTORY)
        self.assertEqual(self.boots(), [("application", "app-a", FACTORY)] + 2 * [("application", "app-b", "2.0.0")] +
                         [("application", "app-a", FACTORY)])
        self.assertEqual([event["reason"] for event in self.events("restart")][1:], ["crash", "crash"])
        self.host.wake()

    def test_one_that_hangs_is_ended_by_the_watchdog(self):
        self.start()
        self.try_out(self.image("2.0.0", "--image-behaviour", "hang"), 1)
        self.assertEqual(self.next_boot(3)["version"], FACTORY)
        self.assertEqual([event["reason"] for event in self.events("restart")][1:], ["watchdog"])
        self.assertEqual(self.link.hello().reason, "watchdog")

    def test_one_that_says_nothing_is_left_after_a_power_cycle(self):
        self.start()
        self.try_out(self.image("2.0.0", "--image-behaviour", "mute"), 1)
        self.assertEqual(self.next_boot(2)["version"], "2.0.0")
        self.link.text.clear()
        self.host.write(b"\r\r")
        with self.assertRaises(TimeoutError):
            self.link.hello(1, 2)
        self.assertEqual(bytes(self.link.text), b"")
        self.kill()
        self.assertEqual(self.start()["version"], FACTORY)
        self.host.wake()


class Kills(FlashBoard):
    def test_a_transfer_goes_on_where_the_kill_came(self):
        bundle = self.image("2.0.0", "--image-bytes", "200000", "--seed", "5")
        self.start()
        self.link.hello()
        state, _, have = self.link.begin("app-b", bundle)
        self.assertEqual((state, have), ("receiving", set()))
        self.link.send(bundle, stop_after=20)
        self.kill()
        self.assertEqual(self.start()["version"], FACTORY)
        self.link.hello()
        have = self.link.install("app-b", bundle)
        self.assertGreaterEqual(len(have), 20)
        self.link.select("app-b", permanent=True)
        self.link.reboot()
        self.assertEqual(self.next_boot(2)["version"], "2.0.0")

    def test_kills_among_resets_never_keep_it_from_coming_up(self):
        random = Random(20)
        for _ in range(12):
            boot = self.start("--fault", "reset=every:150ms")
            self.assertEqual((boot["mode"], boot["version"]), ("application", FACTORY))
            self.next_boot(random.randint(1, 4))
            if random.random() < 0.5:
                self.board.wait_event("restart", lambda event: event["event"] == "restart" and event is self.board.events[-1])
            self.kill()
        self.start()
        self.host.wake()

    def test_a_program_that_cannot_be_executed_again_restarts_inside(self):
        program = self.folder / "tml-board"
        shutil.copy2(BOARD, program)
        self.board = Process("board", [program, "--json", "--link", self.folder / "line", "--state", self.folder / "state"])
        self.board.wait_named("boot")
        self.open()
        self.host.wake()
        program.chmod(0o644)
        self.host.write(b"AT+RESET\r")
        self.assertIn("execute", self.board.wait_named("error")["message"])
        self.next_boot(2)
        self.host.wake()

    def test_a_stop_while_it_restarts_ends_it(self):
        self.start()
        self.host.wake()
        self.host.write(b"AT+RESET\r")
        self.board.wait_named("restart")
        board, self.board = self.board, None
        self.assertEqual(board.stop(), 0)
        self.assertFalse((self.folder / "line").is_symlink())


class Line(FlashBoard):
    def test_an_image_over_a_slow_flash_and_a_line_with_faults(self):
        self.start("--baud-model", "921600", "--latency-model", "16", "--flash-model", "45:0.7", "--fault", "flip=1e-5,drop=1e-5", "--seed", "7")
        settings = termios.tcgetattr(self.host.fd)
        settings[4] = settings[5] = termios.B921600
        termios.tcsetattr(self.host.fd, termios.TCSANOW, settings)
        self.link.hello()
        self.assertIn(921600, self.link.identity.bauds)
        self.link.install("app-b", self.image("2.0.0", "--image-bytes", "65536"))
        self.assertEqual(self.link.verify("app-b").state, "complete")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    unittest.main(verbosity=2)
