#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The AT console beside a background update on the same line: one host that sends frames and commands by turns, at modelled rates. A sample
# of two seconds is taken and read back while a model comes in; both are whole.
import base64
import os
import re
import termios
from pathlib import Path

import acquisition
import at_board
from flash_link import FlashLink, make_bundle, read_bundle
from flashing import FlashTest, named
from tmltest import main

GESTURES = Path(__file__).resolve().parents[3] / "firmware/models/gestures.tflite"
KEY = "fed53116f20684c067774ebf9e7bcbdc"
PROMPT = b"\n> "
WINDOW_BYTES = 8 * 4096


class Console:
    """Commands one after the other over a FlashLink, as far as its text allows: `turn` is called between frames."""

    def __init__(self, link, script):
        self.link, self.script = link, script
        self.ended = False
        self.send(next(script))

    def send(self, command):
        self.link.text.clear()
        self.link.write(command.encode() + b"\r")

    def turn(self):
        text = bytes(self.link.text)
        if self.ended or not text.endswith(PROMPT):
            return
        try:
            self.send(self.script.send(text.decode().replace("\r\n", "\n").split("\n", 1)[1].removesuffix("> ")))
        except StopIteration:
            self.ended = True


class ConsoleBesideAnUpdate(FlashTest):
    def open(self, rate):
        self.board_ = self.board("--baud-model", str(rate))
        line = at_board.Line(self.board_.link)
        self.addCleanup(line.close)
        settings = termios.tcgetattr(line.fd)
        settings[4] = settings[5] = getattr(termios, f"B{rate}")
        termios.tcsetattr(line.fd, termios.TCSANOW, settings)
        line.wake()
        link = FlashLink(line)
        self.assertEqual(link.hello().mode, "application")
        return line, link

    def sample_and_model(self, rate):
        line, link = self.open(rate)
        taken, asked = {}, 0

        def script():
            nonlocal asked
            self.assertEqual((yield f"AT+SAMPLESETTINGS=wave,10,2000,{KEY}").strip(), "OK")
            self.assertIn("ID:", (yield "AT+CONFIG?"))
            answer = yield "AT+SAMPLESTART=Built-in accelerometer"
            self.assertNotIn("ERR", answer)
            size, = re.findall(r"from=0, to=(\d+)", answer)
            taken["raw"] = base64.b64decode((yield f"AT+READBUFFER=0,{size},n").split("\n")[0])
            while True:
                self.assertIn("wave", (yield "AT+CONFIG?"))
                asked += 1

        # Ten seconds on the line: the countdown of two, the sample of two, its readout, and what waits in queues before each command.
        payload = os.urandom(rate)
        bundle = make_bundle(payload, 1, ["model-0a", "model-0b"], abi=link.identity.kernel_abi)
        console = Console(link, script())
        link.on_idle = console.turn
        link.install("model-0b", bundle, resend_s=2 * WINDOW_BYTES * 10 / rate)
        link.on_idle = None
        self.assertIn("raw", taken, "the transfer was over before the sample")
        self.assertGreater(asked, 0)
        document = acquisition.decode(taken["raw"])
        self.assertTrue(document.verify(KEY))
        self.assertEqual(document.readings, 200)
        info = link.verify("model-0b")
        self.assertEqual((info.state, info.payload_bytes), ("complete", len(payload)))
        self.assertEqual(named(self.board_.events, "restart"), [])
        line.wake()

    def test_at_115200(self):
        self.sample_and_model(115200)

    def test_at_460800(self):
        self.sample_and_model(460800)

    def test_a_model_is_selected_while_commands_are_answered(self):
        line, link = self.open(115200)
        package = self.folder / "gestures.tmlm"
        self.flash("compile", GESTURES, "--name", "gestures", "-o", package)
        self.flash("sign", package, "-o", self.folder / "gestures.tmlu")
        bundle = read_bundle((self.folder / "gestures.tmlu").read_bytes())
        answers = []

        def script():
            while True:
                answers.append((yield "AT+CONFIG?"))

        console = Console(link, script())
        link.on_idle = console.turn
        link.install("model-0b", bundle, resend_s=5)
        link.on_idle = None
        while not link.text.endswith(PROMPT):
            link.receive(5)
        link.select("model-0b")
        link.confirm(1)
        self.assertTrue(answers)
        self.assertTrue(all("ID:" in answer for answer in answers), answers)
        self.assertIn("Name: gestures", "\n".join(line.command("AT+MODELINFO?")))


if __name__ == "__main__":
    main()
