# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# tml-board as a host sees it: AT commands over the pty, captures from real and generated recordings verified by an independent
# hand, kills, faults, rates. Every wait ends with what it waits for.
import base64
import json
import math
import os
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import tty
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/support/py"))
import acquisition  # noqa: E402
from boards import board_argv, native_only, on_qemu, require_board  # noqa: E402
from processes import Process, wait_until  # noqa: E402

PROGRAMS = Path(os.environ.get("TML_BIN_DIR", ROOT / "build/test/bin"))
BOARD = PROGRAMS / "tml-board"
SHARED = Path(os.environ.get("TML_SHARED_DIR", ROOT.parent / "shared")) / "data"
KEY = "fed53116f20684c067774ebf9e7bcbdc"
DEADLINE_S = 20


class Host:
    """The host's end of the line."""

    def __init__(self, link, rate=termios.B115200):
        self.fd = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.fd)
        self.set_rate(rate)

    def set_rate(self, rate):
        settings = termios.tcgetattr(self.fd)
        settings[4] = settings[5] = rate
        termios.tcsetattr(self.fd, termios.TCSANOW, settings)

    def close(self):
        os.close(self.fd)

    def write(self, data):
        os.write(self.fd, data)

    def until(self, predicate, timeout_s=DEADLINE_S):
        data, end = b"", time.monotonic() + timeout_s
        while not predicate(data):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise TimeoutError(f"the board said only {data[-300:]!r}")
            data += os.read(self.fd, 65536)
        return data

    def wake(self):
        """Through whatever is under way to a prompt of our own: an unknown command that is answered by name. What is typed while an answer
        runs is lost, hence the repetition."""
        end = time.monotonic() + DEADLINE_S
        while True:
            token = b"AT+SYNC%d" % time.monotonic_ns()
            self.write(b"\r" + token + b"\r")
            try:
                return self.until(lambda data: re.search(rb"\(" + re.escape(token) + rb"\)\r?\n> $", data), 0.5)
            except TimeoutError:
                if time.monotonic() > end:
                    raise

    def command(self, text, timeout_s=DEADLINE_S):
        self.write(text.encode() + b"\r")
        data = self.until(lambda seen: seen.endswith(b"\n> "), timeout_s)
        return data.decode().replace("\r\n", "\n").split("\n", 1)[1].removesuffix("> ").strip()

    def capture(self, sensor, label, interval_ms, length_ms):
        assert self.command(f"AT+SAMPLESETTINGS={label},{interval_ms},{length_ms},{KEY}") == "OK"
        answer = self.command(f"AT+SAMPLESTART={sensor}", 60)
        assert "ERR" not in answer, answer
        return int(re.search(r"from=0, to=(\d+)", answer).group(1)), re.search(r"File name: (\S+)", answer).group(1)

    def read_buffer(self, size):
        return base64.b64decode(self.command(f"AT+READBUFFER=0,{size},n", 60).split("\n")[0])

    def read_file(self, name):
        return base64.b64decode(self.command(f"AT+READFILE={name},n", 60).split("\n")[0])


class BoardTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="tml-board-it-")
        self.addCleanup(self.folder.cleanup)
        self.path = Path(self.folder.name)
        self.link = self.path / "board"

    def start(self, *flags):
        board = Process("tml-board", board_argv(PROGRAMS, ["--json", "--link", self.link, "--seed", "1", *flags]))
        self.addCleanup(board.kill)
        self.ready = board.wait_named("ready")
        return board

    def host(self, **options):
        host = Host(self.link, **options)
        self.addCleanup(lambda: os.close(host.fd) if self.is_open(host.fd) else None)
        return host

    @staticmethod
    def is_open(fd):
        try:
            os.fstat(fd)
            return True
        except OSError:
            return False

    def stop(self, board):
        self.assertEqual(board.stop(), 0)
        return board.wait_named("counters")

    def capture(self, host, sensor, label, interval_ms, length_ms):
        size, _ = host.capture(sensor, label, interval_ms, length_ms)
        raw = host.read_buffer(size)
        self.assertEqual(len(raw), size)
        document = acquisition.decode(raw)
        self.assertTrue(document.verify(KEY))
        self.assertEqual(document.payload["device_name"], self.ready["id"])
        return document


class Captures(BoardTest):
    def test_every_sensor_from_the_generator(self):
        board = self.start("--speed", "50")
        host = self.host()
        host.wake()
        motion = self.capture(host, "Built-in accelerometer", "wave", 10, 3000)
        self.assertEqual(motion.readings, 300)
        self.assertEqual([axis["units"] for axis in motion.payload["sensors"]], ["m/s2"] * 3)
        sound = self.capture(host, "Built-in microphone", "tone", 0.0625, 1000)
        self.assertEqual((sound.kind, sound.readings), ("binary", 16000))
        climate = self.capture(host, "Environmental", "drift", 80, 2000)
        self.assertEqual(climate.readings, 25)
        self.assertEqual({event["source"] for event in board.events if event["event"] == "capture"},
                         {"synth:wave", "synth:tone", "synth:drift"})
        self.assertEqual(len([event for event in board.events if event["event"] == "sample"]), 3)
        end = self.stop(board)
        if on_qemu():
            self.assertLess(end["stack_bytes"], 8192, "more stack than docs/porting.md asks for")
        self.assertFalse(os.path.lexists(self.link))
        self.assertFalse(os.path.exists(self.ready["state"]))

    def test_real_recordings_pass_unchanged(self):
        if not SHARED.exists():
            self.skipTest("needs ../shared data, or TML_SHARED_DIR")
        self.start("--speed", "50", "--sensor", f"accelerometer=replay:{SHARED / 'gestures'}", "--sensor",
                   f"microphone=replay:{SHARED / 'speech'}")
        host = self.host()
        host.wake()
        for label in ("circle", "updown"):
            recording = json.loads(sorted((SHARED / "gestures").glob(f"{label}.*"))[0].read_text())["payload"]
            captured = self.capture(host, "Built-in accelerometer", label, recording["interval_ms"], 2000).payload["values"]
            self.assertGreater(len(captured), 200)
            for ours, theirs in zip(captured, recording["values"]):
                for a, b in zip(ours, theirs):
                    self.assertTrue(math.isclose(a, acquisition.single(b), rel_tol=1e-6, abs_tol=1e-6), (a, b))
        sound = self.capture(host, "Built-in microphone", "yes", 0.0625, 1000)
        wav = (SHARED / "speech/yes_1000ms.wav").read_bytes()
        self.assertEqual(sound.tail[:32000], wav[44:32044])

    def test_synthesised_recordings_are_replayed(self):
        subprocess.run([BOARD, "--synthesise", self.path / "data", "--seed", "3"], check=True, stdout=subprocess.DEVNULL)
        board = self.start("--speed", "100", "--sensor", f"environmental=replay:{self.path / 'data/environmental'}")
        host = self.host()
        host.wake()
        self.capture(host, "Environmental", "heating", 1000, 10000)
        source = board.wait_named("capture")["source"]
        self.assertIn("/heating.0.csv", source)

    def test_captures_never_share_a_nonce(self):
        self.start("--speed", "100")
        host = self.host()
        host.wake()
        nonces = {self.capture(host, "Built-in accelerometer", "idle", 10, 500).nonce for _ in range(3)}
        self.assertEqual(len(nonces), 3)


class Models(BoardTest):
    # Where slot 1B is: docs/firmware.md, "Flash layout".
    SLOT_1B = 0x350000

    def stored(self, count):
        """The slot's first bytes, as the board's file has them: flash.bin holds the complement."""
        name, flip = ("psram.bin", 0) if on_qemu() else ("flash.bin", 0xFF)
        with open(self.path / "state" / name, "rb") as file:
            file.seek(self.SLOT_1B)
            return bytes(byte ^ flip for byte in file.read(count))

    def test_packages_are_put_into_their_slots(self):
        package = self.path / "model.tmlm"
        for size in (5004, 304):
            content = b"TMLM" + struct.pack("<HHI", 1, 2, size) + os.urandom(size - 12)  # As docs/model-package.md begins one.
            package.write_bytes(content)
            self.stop(self.start("--state", self.path / "state", "--model", f"1b={package}"))
            self.assertEqual(self.stored(len(content) + 4700), content + b"\xff" * 4700)

    def test_what_is_no_package_is_refused(self):
        package = self.path / "model.tflite"
        package.write_bytes(b"TFL3" * 10)
        cut = self.path / "cut.tmlm"
        cut.write_bytes(b"TMLM" + struct.pack("<HHI", 1, 2, 5000) + bytes(400))
        for file, said in ((package, "not a model package"), (cut, "412 of 5000 bytes"), (self.path / "none.tmlm", "none.tmlm")):
            done = subprocess.run([str(part) for part in board_argv(PROGRAMS, ["--model", f"0={file}"])], capture_output=True, text=True,
                                  timeout=DEADLINE_S)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(said, done.stderr)


class Endurance(BoardTest):
    def test_a_kill_keeps_what_was_committed_and_only_that(self):
        flags = ("--state", self.path / "state", "--speed", "20")
        board = self.start(*flags)
        identity = self.ready["id"]
        host = self.host()
        host.wake()
        size, name = host.capture("Built-in accelerometer", "kept", 10, 2000)
        raw = host.read_buffer(size)
        host.command(f"AT+SAMPLESETTINGS=cut,10,200000,{KEY}")
        host.write(b"AT+SAMPLESTART=Built-in accelerometer\r")
        host.until(lambda data: b"Sampling...\r\n" in data or b"Sampling...\n" in data)
        board.kill()
        host.close()

        board = self.start(*flags)
        self.assertEqual(self.ready["id"], identity)
        host = self.host()
        host.wake()
        self.assertEqual(host.command("AT+LISTFILES").split("\n"), [name])
        self.assertEqual(host.read_file(name), raw)
        self.assertTrue(acquisition.decode(raw).verify(KEY))
        host.capture("Built-in accelerometer", "after", 10, 500)
        self.assertEqual(len(host.command("AT+LISTFILES").split("\n")), 2)
        self.assertGreater(self.stop(board)["flash"]["program_bytes"], 0)

    def test_one_board_per_state_folder(self):
        self.start("--state", self.path / "state")
        second = subprocess.run([BOARD, "--state", self.path / "state"], capture_output=True, text=True, timeout=DEADLINE_S)
        self.assertEqual(second.returncode, 5)
        self.assertIn("another tml-board", second.stderr)

    def test_reset_by_command_keeps_settings_and_the_port(self):
        board = self.start()
        host = self.host()
        host.wake()
        host.command(f"AT+SAMPLESETTINGS=mine,10,500,{KEY}")
        host.write(b"AT+RESET\r")
        host.until(lambda data: b"AT+HELP" in data and data.endswith(b"\n> "))
        board.wait_named("restart", reason="command")
        self.assertIn("Label: mine", host.command("AT+SAMPLESETTINGS?"))

    def test_hosts_come_and_go_and_hear_nothing_of_each_other(self):
        self.start()
        for _ in range(5):
            host = self.host()
            host.wake()
            host.write(b"AT+HELP\r")
            host.close()
        host = self.host()
        self.assertTrue(host.wake().endswith(b"> "))
        self.assertIn("ID:", host.command("AT+CONFIG?"))

    def test_unplug_removes_the_link_and_comes_back(self):
        board = self.start("--fault", "unplug=at:1s:300ms")
        host = self.host()
        host.wake()
        first = self.ready["pty"]
        board.wait_named("fault", fault="unplug")
        board.wait_named("ready", replugged=True)
        with self.assertRaises((OSError, TimeoutError)):
            host.write(b"\r")
            host.until(lambda data: data.endswith(b"> "), 2)
        fresh = self.host()
        fresh.wake()
        self.assertEqual(os.path.realpath(self.link), board.events[-1].get("pty", os.path.realpath(self.link)))
        self.assertTrue(first.startswith("/dev/pts/"))


@unittest.skipUnless(on_qemu(), "of the board in QEMU")
class Emulator(BoardTest):
    @staticmethod
    def emulator_of(board):
        return int(Path(f"/proc/{board.pid}/task/{board.pid}/children").read_text().split()[0])

    def test_an_emulator_that_dies_ends_the_board(self):
        board = self.start()
        os.kill(self.emulator_of(board), signal.SIGKILL)
        self.assertEqual(board.join(), 1)
        self.assertIn("QEMU has ended", board.report())
        self.assertFalse(os.path.lexists(self.link))

    def test_a_board_that_dies_takes_its_emulator_along(self):
        board = self.start()
        emulator = self.emulator_of(board)
        board.kill()
        # Its parent is gone, so is what reaps it: a zombie counts as gone.
        wait_until("the end of QEMU", lambda: not self.runs(emulator))

    @staticmethod
    def runs(pid):
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except FileNotFoundError:
            return False

    def test_instructions_as_the_clock(self):
        self.start("--icount")
        host = self.host()
        host.wake()
        self.capture(host, "Built-in accelerometer", "wave", 10, 200)

    def test_no_image(self):
        done = subprocess.run([BOARD, "--qemu", self.path / "none.elf"], capture_output=True, text=True, timeout=DEADLINE_S)
        self.assertEqual(done.returncode, 4)
        self.assertIn("none.elf", done.stderr)


class Panic(BoardTest):
    def test_a_broken_rule_of_the_flash_stops_the_board(self):
        board = self.start("--state", self.path / "state", "--speed", "20")
        host = self.host()
        host.wake()
        host.command(f"AT+SAMPLESETTINGS=cut,10,200000,{KEY}")
        host.write(b"AT+SAMPLESTART=Built-in accelerometer\r")
        host.until(lambda data: b"Sampling...\r\n" in data or b"Sampling...\n" in data)
        # Behind the firmware's back the sectors that it has erased become zeros (flash.bin holds the complement).
        name, zero = ("psram.bin", b"\0") if on_qemu() else ("flash.bin", b"\xff")
        with open(self.path / "state" / name, "r+b") as file:
            file.seek(0x400000)
            file.write(zero * (1 << 20))
        self.assertIn("program turns 0 into 1", board.wait_named("panic")["message"])
        self.assertEqual(board.join(), 1)
        self.assertFalse(os.path.lexists(self.link))


class Line(BoardTest):
    def test_a_late_host_loses_and_the_board_counts(self):
        board = self.start("--baud-model", "921600", "--speed", "100")
        host = self.host(rate=termios.B921600)
        host.wake()
        size, _ = host.capture("Built-in accelerometer", "late", 10, 5000)
        host.write(b"AT+READBUFFER=0,%d,n\r" % size)
        # All but what fits into the reader's buffer, and the few bytes around the payload.
        expected = size * 4 // 3 - 4096
        lost = board.wait_event("overrun", lambda event: event.get("tx_overrun_bytes", 0) > expected)["tx_overrun_bytes"]
        self.assertLess(lost, expected + 1000)

    def test_a_host_in_time_loses_nothing(self):
        board = self.start("--baud-model", "921600", "--speed", "100")
        host = self.host(rate=termios.B921600)
        host.wake()
        document = self.capture(host, "Built-in accelerometer", "intime", 10, 10000)
        self.assertEqual(document.readings, 1000)
        self.assertEqual(self.stop(board)["tx_overrun_bytes"], 0)

    def test_the_wrong_rate_is_garbage_and_the_right_one_heals(self):
        board = self.start("--baud-model", "115200")
        host = self.host(rate=termios.B9600)
        host.write(b"AT+CONFIG?\r" * 3)
        board.wait_event("garbled", lambda event: event.get("garbled_bytes", 0) >= 33)
        host.set_rate(termios.B115200)
        host.wake()
        self.assertIn("ID:", host.command("AT+CONFIG?"))

    def test_the_transfer_rate_is_switched(self):
        board = self.start("--baud-model", "115200", "--transfer-baud", "921600", "--speed", "100")
        host = self.host()
        host.wake()
        self.assertIn("Data Transfer Baudrate: 921600", host.command("AT+DEVICEINFO?"))
        size, _ = host.capture("Built-in accelerometer", "quick", 10, 2000)
        host.write(b"AT+READBUFFER=0,%d,y\r" % size)
        host.until(lambda data: b"\r\nOK" in data)
        host.set_rate(termios.B921600)
        body = host.until(lambda data: data.rstrip().endswith(b"OK"))
        host.set_rate(termios.B115200)
        host.until(lambda data: data.endswith(b"> "))
        payload = max(re.findall(rb"[A-Za-z0-9+/=]+", body), key=len)
        self.assertTrue(acquisition.decode(base64.b64decode(payload)).verify(KEY))
        self.assertEqual(self.stop(board)["garbled_bytes"], 0)

    def test_faults_reach_the_line(self):
        board = self.start("--fault", "tx.dup=1", "--id", "ab:cd")
        host = self.host()
        host.write(b"AT+DEVICEID?\r")
        host.until(lambda data: b"aabb::ccdd" in data)
        end = self.stop(board)
        self.assertEqual(end["tx_faults"]["duplicated"], end["tx_bytes"])
        self.assertEqual(end["rx_faults"]["duplicated"], 0)


@native_only("starts no board")
class CommandLine(BoardTest):
    def run_board(self, *flags):
        return subprocess.run([BOARD, *flags], capture_output=True, text=True, timeout=DEADLINE_S)

    def test_exit_codes(self):
        self.assertEqual(self.run_board("--help").returncode, 0)
        self.assertEqual(self.run_board("--version").returncode, 0)
        self.assertEqual(self.run_board("--fault", "drop=7").returncode, 2)
        self.assertEqual(self.run_board("--model", "7=x").returncode, 2)
        self.assertEqual(self.run_board("--model", "0=/no/such/package.tmlm").returncode, 4)
        self.assertEqual(self.run_board("--sensor", "microphone=replay:/no/such/file.wav").returncode, 4)
        (self.path / "bad.csv").write_text("1,2,3\n1,x,3\n")
        bad = self.run_board("--sensor", f"accelerometer=replay:{self.path / 'bad.csv'}")
        self.assertNotEqual(bad.returncode, 0)
        self.assertIn("bad.csv:2:2", bad.stderr)
        (self.path / "taken").write_text("a file")
        self.assertEqual(self.run_board("--link", self.path / "taken").returncode, 2)
        self.assertEqual((self.path / "taken").read_text(), "a file")

    def test_several_boards_in_one_process(self):
        board = self.start("--count", "3", "--state", self.path / "state")
        ids = set()
        for index in range(3):
            ids.add(board.wait_named("ready", board=index)["id"])
            host = Host(f"{self.link}-{index}")
            host.wake()
            self.assertIn("ID:", host.command("AT+CONFIG?"))
            host.close()
        self.assertEqual(len(ids), 3)
        self.stop(board)
        self.assertEqual([path.name for path in self.path.iterdir() if path.is_symlink()], [])


if __name__ == "__main__":
    require_board(PROGRAMS)
    unittest.main()
