# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# What integration tests of the programs share: a scratch folder, servers, boards and daemons that end with the test, and the questions
# one asks of them. Waits end with events and have deadlines; nothing sleeps.
import json
import os
import shutil
import signal
import sys
import tempfile
import unittest
from pathlib import Path

import acquisition
import fleet
from boards import native_only, require_board
from processes import programs, run, wait_until
from terminal import Terminal

ACCELEROMETER, MICROPHONE = "Built-in accelerometer", "Built-in microphone"


class BenchTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tml-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.bin = programs()
        self.started = []
        self.addCleanup(self.stop_all)

    def stop_all(self):
        for process in reversed(self.started):
            process.stop()

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        outcome = super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            for process in self.started:
                print(f"--- {process.name}\n{process.report()}", file=sys.stderr)
        return outcome

    def started_process(self, process):
        self.started.append(process)
        return process

    def server(self, *flags, name="server", **keys):
        return self.started_process(fleet.Server(self.bin, self.folder / name, flags, **keys))

    def board(self, *flags, name="board", **keys):
        return self.started_process(fleet.Board(self.bin, self.folder / name, flags, **keys))

    def daemon(self, server, board, *flags, name="daemon", **keys):
        keys.setdefault("api_key", server.api_key)
        return self.started_process(fleet.Daemon(self.bin, self.folder / name, server.host, board.link, flags, **keys))

    def tool(self, *arguments, home="home", env=None, timeout_s=60):
        """tml-daemon with a home of its own: (exit code, events, standard error)."""
        folder = self.folder / home
        folder.mkdir(exist_ok=True)
        environment = {"HOME": folder, **(env or {})}
        code, out, err = run([self.bin / "tml-daemon", "--json", "--no-input", *arguments], environment, timeout_s)
        return code, [json.loads(line) for line in out.splitlines() if line.startswith("{")], err

    def terminal(self, argv, home, env=None, **size):
        """A program on a pseudo-terminal, with a home and nothing else of this environment."""
        environment = {"HOME": home, "PATH": os.environ["PATH"], "TERM": "xterm", **(env or {})}
        terminal = Terminal(argv, environment, **size)
        self.addCleanup(terminal.end, signal.SIGKILL)
        return terminal

    def assert_verified(self, server, sample, label, category="training"):
        self.assertEqual((sample["label"], sample["category"], sample["signature"]), (label, category, "verified"), sample)
        document = acquisition.decode(server.raw(sample["id"]))
        self.assertTrue(document.verify(server.hmac_key), "the signature does not fit the stored bytes")
        return document

    def assert_no_keys(self, text, *keys):
        for key in keys:
            self.assertNotIn(key, text, "a key was shown")


def named(events, name):
    return [event for event in events if event.get("event") == name]


def unprivileged():
    return os.geteuid() != 0


def main():
    require_board(programs())
    unittest.main(verbosity=2)


__all__ = ["ACCELEROMETER", "MICROPHONE", "BenchTest", "acquisition", "fleet", "main", "named", "native_only", "run", "unprivileged", "wait_until"]
