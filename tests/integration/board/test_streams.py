# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Boards that stream, read over the pty by an independent decoder (tests/support/py/stream_reader.py): every reading is accounted for, whatever
# became of it.
import json
import os
import re
import select
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
from boards import board_argv, native_only, on_qemu, require_board  # noqa: E402
from processes import Process  # noqa: E402
from stream_reader import Frames, indices, read_frames, single  # noqa: E402

PROGRAMS = Path(os.environ.get("TML_BIN_DIR", ROOT / "build/test/bin"))
BOARD = PROGRAMS / "tml-board"
DEADLINE_S = 30
NINE_AXES = ["accX", "accY", "accZ", "gyrX", "gyrY", "gyrZ", "magX", "magY", "magZ"]


class Host:
    def __init__(self, link, rate=termios.B115200):
        self.fd = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.fd)
        settings = termios.tcgetattr(self.fd)
        settings[4] = settings[5] = rate
        termios.tcsetattr(self.fd, termios.TCSANOW, settings)
        self.data = b""
        self.frames = Frames()

    def close(self):
        os.close(self.fd)

    def write(self, data):
        os.write(self.fd, data)

    def read_some(self, timeout_s):
        if not select.select([self.fd], [], [], timeout_s)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.data += data
        self.frames.feed(data)
        return bool(data)

    def forget(self):
        self.data, self.frames = b"", Frames()

    def until_frames(self, predicate):
        """As until(), for the frames of what has come."""
        self.until(lambda _: predicate(self.frames))
        return self.frames

    def until(self, predicate):
        end = time.monotonic() + DEADLINE_S
        while not predicate(self.data):
            if time.monotonic() > end:
                raise TimeoutError(f"{len(self.data)} bytes, the last {self.data[-200:]!r}")
            self.read_some(0.2)
        return self.data

    def until_bytes(self, count):
        return self.until(lambda data: len(data) >= count)


class StreamTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="tml-streams-it-")
        self.addCleanup(self.folder.cleanup)
        self.path = Path(self.folder.name)
        self.link = self.path / "board"

    def start(self, *flags):
        board = Process("tml-board", board_argv(PROGRAMS, ["--json", "--link", self.link, "--seed", "7", *flags]))
        self.addCleanup(board.kill)
        board.wait_named("ready")
        return board

    def host(self, suffix="", **options):
        host = Host(f"{self.link}{suffix}", **options)
        self.addCleanup(host.close)
        return host

    def session(self, *flags, rate=termios.B115200):
        """A whole session of a board that begins when the host comes: its account, the bytes, the last event."""
        board = self.start("--reset-on-open", "20ms", "--truth", self.path / "truth", *flags)
        host = self.host(rate=rate)
        end = self.drain(board, host)
        self.assertEqual(board.stop(), 0)
        counters = board.wait_named("counters")
        self.overrun = counters["tx_overrun_bytes"]
        self.assertEqual(len(host.data), counters["tx_bytes"] - counters["tx_unheard_bytes"] - self.overrun)
        truth = json.loads((self.path / "truth").read_text())
        self.assertEqual(truth["taken"], end["taken"])
        return truth, host.data, end

    @staticmethod
    def drain(board, host):
        """Reads until the board has told its account, and then what is still under way."""
        end = time.monotonic() + DEADLINE_S
        while not any(event["event"] == "stream_end" for event in board.events):
            host.read_some(0.05)
            if time.monotonic() > end:
                raise TimeoutError(board.report())
        while host.read_some(0.3):
            pass
        return board.wait_named("stream_end")

    def check_sum(self, truth):
        parts = [truth[kind]["readings"] for kind in ("lost", "damaged", "dropped")]
        self.assertEqual(truth["taken"], truth["sent"] + sum(parts))
        for kind in ("lost", "damaged", "dropped"):
            self.assertTrue(truth[kind]["complete"])
            self.assertEqual(len(indices(truth[kind])), truth[kind]["readings"])


class CsvProfile(StreamTest):
    def test_a_sketch_prints_and_does_not_listen(self):
        board = self.start("--profile", "csv", "--reset-on-open", "20ms", "--banner", "IMU sketch v2", "--banner", "starting...")
        host = self.host()
        host.write(b"AT+CONFIG?\r\nb")
        lines = host.until(lambda data: data.count(b"\n") >= 60).split(b"\r\n")
        self.assertEqual(lines[:3], [b"IMU sketch v2", b"starting...", b"accX,accY,accZ"])
        for line in lines[3:-1]:
            self.assertEqual(len([float(part) for part in line.split(b",")]), 3)
        self.assertNotIn(b"AT", host.data)
        self.assertNotIn(b">", host.data)
        stream = board.wait_named("stream")
        self.assertEqual((stream["hz"], stream["form"]), (104.0, "text"))

    def test_every_line_is_there(self):
        truth, data, _ = self.session("--profile", "csv", "--stream", "inertial,2000", "--limit-readings", "3000")
        self.check_sum(truth)
        self.assertEqual((truth["taken"], truth["sent"]), (3000, 3000))
        header, *lines = data.decode().split("\r\n")
        self.assertEqual(header.split(","), NINE_AXES)
        self.assertEqual(lines.pop(), "")
        self.assertEqual(len(lines), 3000)
        self.assertEqual({len(line.split(",")) for line in lines}, {9})

    def test_text_holds_the_same_floats_as_frames(self):
        flags = ("--stream", "inertial6,500", "--limit-readings", "400")
        _, text, _ = self.session("--profile", "csv", "--no-header", *flags)
        _, binary, _ = self.session("--profile", "frames", *flags)
        lines = text.decode().split("\r\n")[:-1]
        frames = read_frames(binary)
        self.assertEqual(len(lines), 400)
        for index, line in enumerate(lines):
            self.assertEqual(tuple(single(float(part)) for part in line.split(",")), frames.readings[index])

    def test_lost_and_damaged_lines_are_the_ones_that_it_says(self):
        truth, data, end = self.session("--profile", "csv", "--stream", "inertial6,2000", "--limit-readings", "4000", "--fault",
                                        "lose-line=0.02,bad-line=0.02,stall=0.001:40ms")
        self.check_sum(truth)
        self.assertGreater(truth["lost"]["readings"], 40)
        self.assertGreater(truth["damaged"]["readings"], 40)
        self.assertGreater(truth["stalls"]["count"], 0)
        self.assertEqual(end["lost"]["readings"], truth["lost"]["readings"])
        lines = data.split(b"\r\n")[1:-1]
        there = sorted(set(range(4000)) - indices(truth["lost"]))
        self.assertEqual(len(lines), len(there))
        damaged = {index for index, line in zip(there, lines) if any(byte >= 0x80 for byte in line)}
        self.assertEqual(damaged, indices(truth["damaged"]))

    def test_a_modelled_line_carries_nine_axes_at_three_megabaud(self):
        truth, data, _ = self.session("--profile", "csv", "--stream", "inertial,3000", "--limit-readings", "3000", "--baud-model",
                                      "3000000", rate=termios.B3000000)
        self.assertEqual((truth["sent"], truth["dropped"]["readings"]), (3000, 0))
        if self.overrun == 0:  # 13 ms without this process cost bytes, which the board then counts
            self.assertEqual(data.count(b"\n"), 3001)

    def test_each_open_is_a_reset_of_an_arduino(self):
        board = self.start("--profile", "csv", "--reset-on-open", "20ms")
        for _ in range(2):
            host = Host(self.link)
            host.until(lambda data: data.count(b"\n") >= 3)
            self.assertTrue(host.data.startswith(b"accX"))
            host.close()
        self.assertEqual(len([event for event in board.events if event["event"] == "stream"]), 2)


class FramesProfile(StreamTest):
    def test_every_frame_is_there(self):
        truth, data, _ = self.session("--profile", "frames", "--stream", "inertial,400", "--limit-readings", "800")
        self.check_sum(truth)
        seen = read_frames(data)
        self.assertEqual((seen.bad, seen.unchecked, seen.rest), ([], 0, b""))
        self.assertEqual(sorted(seen.readings), list(range(800)))
        info = seen.sessions[0]
        self.assertEqual((info["sid"], info["hz"], info["ch"], info["ch_n"]), (truth["sid"], 400, 9, NINE_AXES))
        self.assertEqual((info["dr"], info["name"]), (0, "Inertial"))
        self.assertEqual([seen.stamps[seq] for seq in range(4)], [2, 5, 7, 10])

    def test_lost_and_damaged_frames_are_the_gaps(self):
        for form in ("frames", "batch"):
            truth, data, _ = self.session("--profile", "frames", "--stream", f"inertial6,4000,{form}", "--limit-readings", "12000",
                                          "--fault", "lose-line=0.03,bad-line=0.03")
            self.check_sum(truth)
            seen = read_frames(data)
            lost, damaged = indices(truth["lost"]), indices(truth["damaged"])
            self.assertTrue(lost and damaged)
            self.assertEqual(set(seen.readings) | lost | damaged, set(range(12000)))
            self.assertEqual(len(seen.readings), truth["sent"])
            self.assertTrue(seen.bad)

    def test_audio_in_batches_costs_less_than_three_percent(self):
        truth, data, _ = self.session("--profile", "frames", "--stream", "microphone,16000,batch", "--limit-readings", "32000",
                                      "--baud-model", "460800", rate=termios.B460800)
        seen = read_frames(data)
        self.assertEqual((truth["sent"], truth["dropped"]["readings"]), (32000, 0))
        if self.overrun == 0:
            self.assertEqual((sorted(seen.readings), seen.bad), (list(range(32000)), []))
        self.assertLess(len(data), 64000 * 1.03)
        for body, size in seen.batches:
            self.assertLessEqual(body["n"] * body["us"], 100_000)
            self.assertLessEqual(size, 4096)

    def test_frames_without_a_crc(self):
        _, data, _ = self.session("--profile", "frames", "--no-crc", "--limit-readings", "50")
        seen = read_frames(data)
        self.assertEqual((len(seen.readings), seen.unchecked), (50, 50 + len(seen.sessions)))

    def test_what_the_producer_drops_is_a_gap_and_dr(self):
        board = self.start("--profile", "frames", "--stream", "inertial6,2000", "--reset-on-open", "20ms", "--limit-readings", "11000",
                           "--truth", self.path / "truth")
        host = self.host()
        host.until_bytes(1000)
        board.wait_named("stream_dropping")  # nobody reads meanwhile
        self.drain(board, host)
        self.assertEqual(board.stop(), 0)
        truth = json.loads((self.path / "truth").read_text())
        self.check_sum(truth)
        seen = host.frames
        dropped = indices(truth["dropped"])
        self.assertEqual(seen.bad, [])
        self.assertEqual(set(range(11000)) - set(seen.readings), dropped)
        self.assertEqual(seen.sessions[-1]["dr"], len(dropped))
        self.assertEqual(seen.sessions[-1]["sid"], seen.sessions[0]["sid"])

    def test_a_reset_is_a_new_session(self):
        board = self.start("--profile", "frames", "--stream", "inertial,200", "--fault", "reset=at:1s")
        host = self.host()
        first = board.wait_named("stream")["sid"]
        board.wait_event("the second session", lambda event: event["event"] == "stream" and event["sid"] != first)
        sids = [event["sid"] for event in board.events if event["event"] == "stream"]
        self.assertEqual(len(set(sids)), 2)
        seen = host.until_frames(lambda frames: frames.sessions and frames.sessions[-1]["sid"] == sids[1] and len(frames.readings) > 10)
        self.assertEqual(min(seen.readings), 0)
        self.assertEqual(board.stop(), 0)
        self.assertEqual([event["sid"] for event in board.events if event["event"] == "stream_end"], sids)


class ManyBoards(StreamTest):
    def test_each_board_has_its_own_stream_and_truth(self):
        board = self.start("--count", "4", "--profile", "frames", "--stream", "inertial6,200", "--limit-readings", "200",
                           "--reset-on-open", "20ms", "--truth", self.path / "truth", "--fault", "lose-line=0.1")
        for index in range(4):
            board.wait_named("ready", board=index)
        hosts = [self.host(f"-{index}") for index in range(4)]
        wanted = lambda: sum(event["event"] == "stream_end" for event in board.events)
        end = time.monotonic() + DEADLINE_S
        while wanted() < 4:
            self.assertLess(time.monotonic(), end, board.report())
            for host in hosts:
                host.read_some(0.005)
        for host in hosts:
            while host.read_some(0.2):
                pass
        self.assertEqual(board.stop(), 0)
        losses = []
        for index, host in enumerate(hosts):
            truth = json.loads((self.path / f"truth-{index}").read_text())
            seen = read_frames(host.data)
            losses.append(indices(truth["lost"]))
            self.assertEqual(set(seen.readings) | losses[-1], set(range(200)))
            self.assertEqual(seen.sessions[0]["sid"], truth["sid"])
        self.assertEqual(len({frozenset(loss) for loss in losses}), 4)


class OurFirmware(StreamTest):
    def wake(self, host):
        """Through the banner to a prompt of our own."""
        host.write(b"\rAT+SYNC\r")
        host.until(lambda data: data.endswith(b"(AT+SYNC)\r\n> "))
        host.forget()

    def command(self, host, text):
        host.forget()
        host.write(text.encode() + b"\r")
        return host.until(lambda data: data.endswith(b"\n> ")).decode()

    def stream(self, host, arguments, enough):
        """From the command's echo to the prompt behind its end."""
        host.forget()
        host.write(f"AT+STREAMSTART={arguments}\r".encode())
        host.until(lambda _: enough(host))
        host.write(b"b\r")
        data = host.until(lambda seen: seen.endswith(b"OK\r\n> "))
        ended = re.search(rb"Stream stopped, readings sent: (\d+), dropped: (\d+)\r\nOK\r\n> $", data)
        self.assertTrue(ended, data[-200:])
        return data[:ended.start()], int(ended.group(1)), int(ended.group(2))

    # QEMU's UART takes a system call per byte: on a busy machine it carries 45 kB/s (docs/porting.md), and what it cannot carry is dropped.
    def test_text_until_b(self):
        self.start("--speed", "1" if on_qemu() else "10")
        host = self.host()
        self.wake(host)
        self.assertIn("TML caps: ranges,files,streams", self.command(host, "AT+INFO"))
        data, sent, dropped = self.stream(host, "Inertial,100", lambda seen: seen.data.count(b"\n") > 200)
        _, header, *lines = data.decode().split("\r\n")
        self.assertEqual(header.split(","), NINE_AXES)
        self.assertEqual(lines.pop(), "")
        self.assertEqual((len(lines), dropped), (sent, 0))
        self.assertEqual({len([float(part) for part in line.split(",")]) for line in lines}, {9})
        self.assertIn("ID:", self.command(host, "AT+CONFIG?"))

    def test_frames_and_batches_until_b(self):
        self.start()
        host = self.host()
        self.wake(host)
        sids = set()
        six, nine, audio = (200, 400, 8000) if on_qemu() else (1000, 4000, 16000)
        for arguments, axes in ((f"Inertial 6-axis,{six},frames", NINE_AXES[:6]), (f"Inertial,{nine},batch", NINE_AXES),
                                (f"Built-in microphone,{audio}", ["audio"]), ("Environmental,12.5,frames", ["tempe", "humid", "press"])):
            data, sent, dropped = self.stream(host, arguments, lambda seen: len(seen.frames.readings) >= 10)
            seen = read_frames(data)
            self.assertEqual(seen.bad, [f"AT+STREAMSTART={arguments}\r\n".encode()])
            self.assertEqual(seen.rest, b"\r\n")
            self.assertEqual((sorted(seen.readings), dropped), (list(range(sent)), 0))
            self.assertEqual(seen.sessions[0]["ch_n"], axes)
            sids.add(seen.sessions[0]["sid"])
            self.assertIn("ID:", self.command(host, "AT+CONFIG?"))
        self.assertEqual(len(sids), 4)

    def test_a_host_that_does_not_read_finds_exactly_the_gap(self):
        self.start()
        host = self.host()
        self.wake(host)
        host.write(b"AT+STREAMSTART=Inertial,4000,frames\r")
        host.until_frames(lambda frames: len(frames.readings) > 100)
        # Nobody reads for 2000 readings, 160 KB: far beyond all buffers. However long it takes, what is missing is what was dropped.
        select.select([], [], [], 0.5)
        host.until_frames(lambda frames: frames.sessions[-1]["dr"] > 0)
        host.write(b"b\r")
        data = host.until(lambda seen: seen.endswith(b"OK\r\n> "))
        sent, dropped = (int(number) for number in re.search(rb"sent: (\d+), dropped: (\d+)", data).groups())
        seen = host.frames
        self.assertEqual(len(seen.readings), sent)
        self.assertGreater(dropped, 1000)
        self.assertEqual(len(seen.bad), 1)
        # What was dropped behind the last reading that was sent is no gap.
        gaps = max(seen.readings) + 1 - sent
        self.assertLessEqual(seen.sessions[-1]["dr"], gaps)
        self.assertLessEqual(gaps, dropped)

    def test_a_line_that_is_too_slow_is_refused(self):
        self.start("--baud-model", "115200")
        host = self.host()
        self.wake(host)
        answer = self.command(host, "AT+STREAMSTART=Inertial,1000")
        self.assertRegex(answer, r"ERR: the line is too slow: this stream needs about \d+ baud and has 115200")
        _, sent, dropped = self.stream(host, "Built-in accelerometer,100", lambda seen: seen.data.count(b"\n") > 20)
        self.assertGreaterEqual(sent, 19)
        self.assertEqual(dropped, 0)


@native_only("starts no board")
class CommandLine(StreamTest):
    def test_what_does_not_go_together_is_a_usage_error(self):
        for flags in (("--stream", "inertial"), ("--profile", "csv", "--stream", "inertial,100,frames"),
                      ("--profile", "frames", "--stream", "inertial,100,text"), ("--profile", "csv", "--stream", "nose"),
                      ("--profile", "csv", "--stream", "inertial,0"), ("--profile", "csv", "--stream", "inertial,1,text,x"),
                      ("--profile", "csv", "--no-crc"), ("--profile", "frames", "--no-header"), ("--fault", "lose-line=0.1"),
                      ("--profile", "csv", "--reset-on-open", "soon"), ("--limit-readings", "5"), ("--profile", "nose"),
                      ("--profile", "csv", "--fault", "stall=0.1"), ("--profile", "csv", "--limit-readings", "0")):
            done = subprocess.run([BOARD, *flags], capture_output=True, text=True, timeout=DEADLINE_S)
            self.assertEqual(done.returncode, 2, flags)
            self.assertTrue(done.stderr, flags)
        done = subprocess.run([BOARD, "--profile", "csv", "--truth", self.path / "no/such/folder"], capture_output=True, text=True,
                              timeout=DEADLINE_S)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--truth", done.stderr)


if __name__ == "__main__":
    require_board(PROGRAMS)
    unittest.main()
