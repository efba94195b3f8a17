# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# What the compatibility tests share beside tmltest: the incumbent as a process.
import json
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS / "compat"), str(TESTS / "support" / "py")]

import tmltest  # noqa: E402
from processes import Process, wait_until  # noqa: E402

PYTHON = "/usr/bin/python3"
main = tmltest.main


class BenchTest(tmltest.BenchTest):
    def incumbent(self, base_port, link, answers=(), flags=(), name="incumbent", tool="daemon"):
        return self.started_process(Incumbent(self.folder / name, base_port, link, answers, flags, tool))

    def assert_signed(self, document, key, readings=None):
        self.assertTrue(document.verify(key), "the signature does not fit the bytes")
        if readings is not None:
            self.assertAlmostEqual(document.readings, readings, delta=max(2, readings // 50))


class Incumbent(Process):
    """tests/compat/incumbent_daemon.py (or a sister) with its events as a list, and its questions answered from `answers` in turn."""

    def __init__(self, home, base_port, link, answers, flags, tool="daemon"):
        home.mkdir(parents=True, exist_ok=True)
        self.events_file = home / "events.jsonl"
        script = TESTS / "compat" / f"incumbent_{tool}.py"
        super().__init__("incumbent", [PYTHON, "-B", script, "--port", link, "--home", home, "--events", self.events_file,
                                       "--base-port", base_port, *flags], {"EI_HOST": "127.0.0.1"}, stdin=subprocess.PIPE)
        self.process.stdin.write("".join(f"{answer}\n" for answer in answers).encode())
        self.process.stdin.flush()

    def did(self):
        if not self.events_file.exists():
            return []
        return [json.loads(line) for line in self.events_file.read_text().splitlines()]

    def wait_did(self, name, timeout_s=30, count=1):
        def found():
            if not self.alive():
                raise RuntimeError(f"the incumbent ended with {self.process.returncode} before {name}\n{self.report()}")
            matching = [event for event in self.did() if event["event"] == name]
            return matching[count - 1] if len(matching) >= count else None
        try:
            return wait_until(f"incumbent: {name} x{count}", found, timeout_s)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.did()[-12:]}\n{self.report()}") from None
