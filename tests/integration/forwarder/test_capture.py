#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Ways to take samples with tml-forwarder, from every kind of input: what is in the spool afterwards, reading by reading.
import signal
import socket
import struct
import threading
import time
import unittest

from lines import AXES, KEY, ForwarderTest  # First: it makes the others importable.
from line_board import LineBoard
from processes import Process
from stream_reader import indices
from streams import StreamBoards
from tmltest import named

IAC, DONT, DO, WONT, WILL, SB, SE, COM_PORT = 255, 254, 253, 252, 251, 250, 240, 44


class LineServer:
    """A terminal server with a board behind it that prints a line every 10 ms once it may: one connection."""

    def __init__(self, telnet):
        self.telnet, self.rates, self.heard = telnet, [], b""
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        self.over.set()
        self.socket.close()
        self.thread.join(10)

    def _serve(self):
        try:
            peer, _ = self.socket.accept()
        except OSError:
            return
        with peer:
            if self.telnet:
                peer.sendall(bytes([IAC, WILL, 3, IAC, WILL, 0, IAC, DO, 0]))
                while not self.rates and not self.over.is_set():
                    self._hear(peer)
            count = 0
            begin = time.monotonic()
            try:
                # A steady clock, as a board has: delays do not add up.
                while not self.over.wait(max(0, begin + count * 0.01 - time.monotonic())):
                    # On a telnet line a peer may say something between any two bytes.
                    aside = bytes([IAC, SB, COM_PORT, 107, 0, IAC, SE]) if self.telnet and count % 50 == 10 else b""
                    peer.sendall(f"{count},1.".encode() + aside + b"5,-2\r\n")
                    count += 1
            except OSError:
                pass

    def _hear(self, peer):
        self.heard += peer.recv(1000)
        if bytes([IAC, WILL, COM_PORT]) in self.heard:
            self.heard = self.heard.replace(bytes([IAC, WILL, COM_PORT]), b"")
            peer.sendall(bytes([IAC, DO, COM_PORT]))
        start = bytes([IAC, SB, COM_PORT, 1])
        at = self.heard.find(start)
        if at >= 0 and len(self.heard) >= at + 10:
            value = self.heard[at + 4:at + 8]
            self.rates.append(struct.unpack(">I", value)[0])
            peer.sendall(bytes([IAC, SB, COM_PORT, 101]) + value + bytes([IAC, SE]))


class Capture(ForwarderTest):
    def check_rate(self, sample, hz=100):
        self.assertAlmostEqual(1000 / sample.document.payload["interval_ms"], hz, delta=hz * 0.001)

    def test_repeat_with_a_rest(self):
        self.line_board()
        events = self.forward("--port", self.folder / "lines", "--axes", AXES, "--label", "walk", "--length-ms", 500, "--repeat", 3,
                              "--rest-ms", 100, "--category", "testing", "--device-id", "desk-1", "--no-deliver")
        ready = named(events, "ready")[0]
        self.assertEqual((ready["axes"], ready["device"], ready["stream"]), (["count", "b", "c"], "desk-1", "text"))
        samples = self.spooled()
        self.assertEqual([sample.envelope for sample in samples], [event["envelope"] for event in named(events, "stored")])
        for sample in samples:
            self.assertEqual((sample.label, sample.category, sample.device), ("walk", "testing", "desk-1"))
            self.assert_consecutive(sample, 50)
            self.check_rate(sample)
            self.assertTrue(sample.document.verify(KEY))
            payload = sample.document.payload
            self.assertEqual((payload["device_name"], payload["device_type"]), ("desk-1", "DATA_FORWARDER"))
            self.assertEqual((sample.metadata["readings_expected"], sample.metadata["readings_missing"]), ("50", "0"))
            self.assertEqual(sample.headers["x-upload-source"], "TML_FORWARDER")
        for before, after in zip(samples, samples[1:]):
            self.assertEqual(after.counts[0], before.counts[-1] + 11)
        self.assertEqual(named(events, "summary")[0]["stored"], 3)

    def test_header_line_names_the_axes_and_cbor(self):
        source = self.folder / "readings.csv"
        source.write_text("count,accX,audio\n" + "".join(f"{i},{i / 4},-1\n" for i in range(1000)))
        with source.open("rb") as stream:
            forwarder = self.forwarder("--port", "-", "--frequency", 100, "--continuous", "--label", "csv", "--length-ms", 1000, "--cbor",
                                       "--no-deliver", start=False)
            process = Process("forwarder", forwarder.argv, forwarder.env, stdin=stream)
            self.assertEqual(process.join(30), 0, process.report())
        samples = self.spooled()
        self.assertEqual([count for sample in samples for count in sample.counts], list(range(1000)))
        self.assertEqual([(s["name"], s["units"]) for s in samples[0].document.payload["sensors"]],
                         [("count", "N/A"), ("accX", "m/s2"), ("audio", "wav")])
        self.assertTrue(all(sample.document.kind == "cbor" and sample.document.verify(KEY) for sample in samples))

    def test_continuous_with_overlap_until_interrupted(self):
        self.line_board()
        forwarder = self.forwarder("--port", self.folder / "lines", "--axes", AXES, "--continuous", "--label", "idle", "--length-ms", 500,
                                   "--overlap-ms", 100, "--no-deliver")
        process = forwarder.process
        process.wait_event("four samples", lambda event: len(named(process.events, "stored")) >= 4, 40)
        process.process.send_signal(signal.SIGINT)
        self.assertEqual(process.join(20), 130, process.report())
        samples = self.spooled()
        self.assertEqual([sample.envelope for sample in samples], [event["envelope"] for event in named(process.events, "stored")])
        for sample in samples:
            self.assert_consecutive(sample, 50)
        for before, after in zip(samples, samples[1:]):
            self.assertEqual(after.counts[0], before.counts[0] + 40)

    def test_trigger_with_what_came_before(self):
        self.line_board()
        self.forward("--port", self.folder / "lines", "--axes", AXES, "--trigger", "b > 4.4", "--before-ms", 50, "--label", "peak",
                     "--length-ms", 150, "--repeat", 3, "--no-deliver")
        samples = self.spooled()
        self.assertEqual(len(samples), 3)
        for sample in samples:
            self.assert_consecutive(sample, 15)
            self.assertEqual(sample.metadata["trigger_position"], "5")
            self.assertEqual(sample.rows[5][1], 4.5)
        process = self.forwarder("--port", self.folder / "lines", "--axes", AXES, "--trigger", "depth > 1", "--label", "x", "--length-ms", 100,
                                 "--no-deliver", "--frequency", 100).process
        self.assertEqual(process.join(30), 2, process.report())

    def test_gaps_in_frames_are_counted_exactly(self):
        boards = self.started_process(StreamBoards(self.bin, self.folder / "boards", "inertial6,200",
                                                   ("--fault", "lose-line=0.01,bad-line=0.01"), profile="frames", readings=3000, seed=5))
        link = str(boards.links[0])
        forwarder = self.forwarder("--port", link, "--continuous", "--label", "frames", "--length-ms", 1000, "--no-deliver")
        truth = boards.sessions(60)[link]
        boards.stop()
        lost = forwarder.wait_named("lost", 20)
        forwarder.process.process.send_signal(signal.SIGINT)
        forwarder.process.join(20)
        gone = indices(truth["lost"]) | indices(truth["damaged"]) | indices(truth["dropped"])
        good = [i for i in range(truth["taken"]) if i not in gone]
        self.assertGreater(len(gone), 10)
        self.assertEqual((lost["readings"], lost["missing"]), (len(good), good[-1] - good[0] + 1 - len(good)))
        for sample in self.spooled():
            expected, received, missing = (int(sample.metadata[f"readings_{key}"]) for key in ("expected", "received", "missing"))
            self.assertEqual((expected, received), (received + missing, len(sample.rows)))
            if "cut_short" not in sample.metadata:
                self.assertEqual(expected, 200)

    def test_terminal_server_raw(self):
        server = LineServer(telnet=False)
        self.addCleanup(server.close)
        self.forward("--port", f"tcp://127.0.0.1:{server.port}", "--axes", AXES, "--frequency", 100, "--label", "net", "--length-ms", 500,
                     "--no-deliver")
        sample, = self.spooled()
        self.assert_consecutive(sample, 50)
        self.assertEqual(sample.device, f"tcp:127.0.0.1:{server.port}")

    def test_terminal_server_with_rfc2217(self):
        server = LineServer(telnet=True)
        self.addCleanup(server.close)
        events = self.forward("--port", f"tcp://127.0.0.1:{server.port}", "--axes", AXES, "--baud-rate", 57600, "--frequency", 100, "--label",
                              "net", "--length-ms", 1000, "--no-deliver")
        self.assertEqual(server.rates, [57600])
        sample, = self.spooled()
        self.assert_consecutive(sample, 100)
        self.assertEqual([e for e in named(events, "loss") if e["bad"]], [])

    def test_a_recording_gives_the_same_documents(self):
        self.line_board()
        log = self.folder / "log"
        flags = ("--axes", AXES, "--label", "walk", "--length-ms", 700, "--no-deliver")
        twice = ("--repeat", 2)
        self.forward("--port", self.folder / "lines", "--device-id", "desk-1", "--record", log, *flags, *twice)
        self.forward("--replay", log, "--fast", *flags, *twice, home="fast")
        self.forward("--replay", log, "--replay-speed", 4, *flags, *twice, home="timed")
        torn = self.folder / "torn.log"
        torn.write_bytes(log.read_bytes()[:-3])
        self.forward("--replay", torn, "--fast", *flags, home="torn")
        live = [(s.document.payload, s.metadata, s.label) for s in self.spooled()]
        self.assertEqual(len(live), 2)
        for home, count in (("fast", 2), ("timed", 2), ("torn", 1)):
            self.assertEqual([(s.document.payload, s.metadata, s.label) for s in self.spooled(home)], live[:count], home)
        no_log = self.folder / "lines.txt"
        no_log.write_text("1,2,3\n")
        self.forward("--replay", no_log, *flags, home="bad", expect=1)

    def test_several_boards_in_one_process(self):
        links = []
        for number in range(3):
            self.line_board(f"lines{number}", rate_hz=50 + 25 * number)
            links += ["--port", self.folder / f"lines{number}"]
        self.forward(*links, "--axes", AXES, "--label", "many", "--length-ms", 400, "--repeat", 2, "--no-deliver")
        samples = self.spooled()
        self.assertEqual({sample.device: len([s for s in samples if s.device == sample.device]) for sample in samples},
                         {str(self.folder / f"lines{number}"): 2 for number in range(3)})
        for sample in samples:
            self.check_rate(sample, 50 + 25 * int(sample.device[-1]))
            self.assert_consecutive(sample, 20 + 10 * int(sample.device[-1]))

    def test_a_board_that_comes_back(self):
        board = self.line_board()
        forwarder = self.forwarder("--port", self.folder / "lines", "--axes", AXES, "--frequency", 100, "--continuous", "--label", "on",
                                   "--length-ms", 300, "--no-deliver")
        forwarder.wait_named("stored", 30)
        board.unplug()
        forwarder.wait_named("lost", 20)
        seen = len(forwarder.events)
        self.line_board()
        forwarder.process.wait_event("open again", lambda event: event["event"] == "opened", 20, seen)
        forwarder.process.wait_event("a sample", lambda event: event["event"] == "stored", 20, seen + 1)
        forwarder.process.process.send_signal(signal.SIGINT)
        self.assertEqual(forwarder.process.join(20), 130)
        for sample in self.spooled():
            self.assert_consecutive(sample)

    def test_auto_baud_rate(self):
        boards = self.started_process(StreamBoards(self.bin, self.folder / "boards", "accelerometer,100", baud=460800, seed=3,
                                                   on_open=None))
        flags = ("--port", boards.links[0], "--baud-rate", "auto", "--axes", "x,y,z", "--frequency", 100, "--label", "auto", "--length-ms", 300,
                 "--no-deliver")
        events = self.forward(*flags)
        self.assertEqual(named(events, "baud")[0]["baud"], 460800)
        self.assertIn("460800", (self.folder / "forwarder/config/tml/config.toml").read_text())
        self.assertEqual(named(self.forward(*flags), "baud")[0]["baud"], 460800)
        self.assertEqual(len(self.spooled()), 2)

    def test_a_recording_that_cannot_go_on_is_told_at_once(self):
        self.line_board()
        events = self.forward("--port", self.folder / "lines", "--axes", AXES, "--frequency", 100, "--label", "full", "--length-ms", 300,
                              "--record", "/dev/full", "--no-deliver", expect=1)
        names = [event["event"] for event in events]
        self.assertEqual(names.count("record_failed"), 1)
        self.assertLess(names.index("record_failed"), names.index("stored"))
        self.assertEqual((named(events, "record_failed")[0]["code"], events[-1]["code"]), ("disk_full", "disk_full"))
        self.assertEqual(len(self.spooled()), 1)


class Errors(ForwarderTest):
    FLAGS = ("--label", "x", "--length-ms", 100, "--no-deliver")

    def fails(self, expect, *flags, **keys):
        error = self.forward(*flags, *self.FLAGS, expect=expect, **keys)[-1]
        self.assertEqual(error["event"], "error")
        return error

    def test_no_such_port(self):
        self.assertEqual(self.fails(4, "--port", self.folder / "nowhere")["code"], "not_found")

    def test_nothing_received(self):
        board = LineBoard(self.folder / "lines", 100)
        self.addCleanup(board.unplug)  # It never starts.
        error = self.fails(10, "--port", self.folder / "lines", "--axes", AXES, "--start-timeout", 1)
        self.assertIn("nothing was received", error["message"])

    def test_wrong_line_rate(self):
        boards = self.started_process(StreamBoards(self.bin, self.folder / "boards", "accelerometer,200", baud=921600, on_open=None))
        error = self.fails(1, "--port", boards.links[0], "--baud-rate", 9600, "--axes", "x,y,z", "--start-timeout", 3)
        self.assertEqual(error["code"], "garbage")
        self.assertIn("--baud-rate auto", error["hint"])

    def test_axes_without_names(self):
        self.line_board()
        error = self.fails(2, "--port", self.folder / "lines")
        self.assertIn("--axes", error["message"])

    def test_names_that_do_not_fit(self):
        self.line_board()
        self.assertEqual(self.fails(2, "--port", self.folder / "lines", "--axes", "a,b")["where"], "--axes")

    def test_frequency_that_the_fit_contradicts(self):
        self.line_board()
        error = self.forward("--port", self.folder / "lines", "--axes", AXES, "--frequency", 80, "--label", "x", "--length-ms", 60000,
                             "--no-deliver", expect=2)[-1]
        self.assertRegex(error["message"], r"\b80 Hz.*\b(99\.9|100)\d*")

    def test_port_held_by_another(self):
        self.line_board()
        forwarder = self.forwarder("--port", self.folder / "lines", "--axes", AXES, "--continuous", "--label", "x", "--length-ms", 1000,
                                   "--no-deliver")
        forwarder.wait_named("opened", 20)
        error = self.fails(5, "--port", self.folder / "lines", "--axes", AXES, home="second")
        self.assertIn("tml-forwarder", error["message"])

    def test_usage(self):
        self.fails(2, "--port", "tcp://nobody")
        self.fails(2, "--port", "id=1")
        self.fails(2, "--port", "a", "--continuous", "--overlap-ms", 200)


if __name__ == "__main__":
    unittest.main()
