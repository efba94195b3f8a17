#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# tml-forwarder on a terminal: the questions it asks, and the live view, which leaves the terminal as it found it.
import os
import signal
import sys
import unittest
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS / "compat"), str(TESTS / "support" / "py")]

import tmltest  # noqa: E402
from line_board import plugged_in  # noqa: E402
from processes import run  # noqa: E402

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


class TerminalTest(tmltest.BenchTest):
    def setUp(self):
        super().setUp()
        self.link = self.folder / "lines"
        plugged_in(self, self.link)
        self.home = self.folder / "home"
        self.home.mkdir()

    def start(self, *arguments, **env):
        argv = [self.bin / "tml-forwarder", "--port", self.link, "--device-id", "desk", "--frequency", 100, *arguments]
        return self.terminal(argv, self.home, {"LANG": "C.UTF-8", **env}, rows=30, columns=100)

    def view(self, *arguments, **env):
        return self.start("--axes", "a,b,c", "--label", "idle", "--length-ms", 500, "--repeat", 0, "--no-deliver", "--plot", *arguments, **env)


class Questions(TerminalTest):
    def test_login_and_axes_are_asked_once(self):
        server = self.server()
        terminal = self.start("--host", server.host)
        terminal.log_in(server)
        terminal.expect("3 sensor axes detected (example values: [")
        terminal.expect("]). What do you want to call them? Separate the names with ',':")
        terminal.say("accX, accY")
        terminal.expect("2 names for 3 axes")
        terminal.expect("3 sensor axes detected")
        terminal.say("accX, accY, accZ")
        terminal.expect("remote management connected as desk, Sensor with 3 axes (accX, accY, accZ), 100 Hz", 30)
        self.assertNotIn(server.password, terminal.text)
        self.assertEqual(terminal.end(signal.SIGINT), 130)
        again = self.start()
        again.expect("remote management connected as desk", 30)
        self.assertNotIn("?", again.text)
        self.assertEqual(again.end(), 0)

    def test_interrupt_at_a_question(self):
        server = self.server()
        terminal = self.start("--host", server.host, TML_API_KEY=server.api_key)
        terminal.expect("3 sensor axes detected")
        terminal.kill(signal.SIGINT)
        terminal.rest()
        self.assertEqual(terminal.code, 130)


class LiveView(TerminalTest):
    def test_draws_and_restores(self):
        terminal = self.view()
        terminal.expect(ENTER)
        terminal.expect("streaming")
        terminal.expect("last sample idle")
        self.assertIn("100 Hz", terminal.text)
        self.assertIn("▁", terminal.text)
        self.assertFalse(terminal.echoes())
        terminal.kill(signal.SIGINT)
        rest = terminal.rest()
        self.assertIn(LEAVE, rest)
        # What was said meanwhile comes out on the ordinary screen.
        after = rest.split(LEAVE, 1)[1]
        self.assertNotIn(ENTER, after)
        self.assertRegex(after, r"Stored idle\.json")
        self.assertEqual(terminal.code, 130)
        self.assertTrue(terminal.echoes())

    def test_restores_when_a_signal_ends_it(self):
        terminal = self.view()
        terminal.expect("streaming")
        terminal.kill(signal.SIGQUIT)
        self.assertIn(LEAVE, terminal.rest())
        self.assertEqual(terminal.code, -signal.SIGQUIT)
        self.assertTrue(terminal.echoes())

    def test_gives_the_terminal_back_while_stopped(self):
        terminal = self.view()
        terminal.expect("streaming")
        terminal.kill(signal.SIGTSTP)
        terminal.expect(LEAVE)
        os.waitpid(terminal.pid, os.WUNTRACED)
        self.assertTrue(terminal.echoes())
        terminal.kill(signal.SIGCONT)
        terminal.expect(ENTER)
        terminal.expect("streaming")
        self.assertFalse(terminal.echoes())

    def test_a_question_has_the_terminal_to_itself(self):
        terminal = self.start("--label", "idle", "--length-ms", 300, "--repeat", 1, "--no-deliver", "--plot")
        terminal.expect(ENTER)
        terminal.expect(LEAVE)
        terminal.expect("3 sensor axes detected")
        terminal.say("a,b,c")
        terminal.expect(ENTER)
        self.assertIn(LEAVE, terminal.rest(60))
        self.assertEqual(terminal.code, 0)

    def test_no_color_is_honoured(self):
        terminal = self.view(NO_COLOR="1")
        terminal.expect("streaming")
        self.assertNotIn("\x1b[32m", terminal.text)

    def test_refused_without_a_terminal(self):
        code, _, err = run([self.bin / "tml-forwarder", "--port", self.link, "--axes", "a,b,c", "--label", "x", "--length-ms", "100",
                            "--no-deliver", "--plot"], {"HOME": self.home, "TERM": "xterm"})
        self.assertEqual(code, 2, err)
        self.assertIn("--plot", err)
        code, out, err = run([self.bin / "tml-forwarder", "--port", self.link, "--plot", "--json"], {"HOME": self.home, "TERM": "xterm"})
        self.assertEqual(code, 2, err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
