# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# tml-flash in the tests of other boards.
import json

from processes import Process, run
from tmltest import BenchTest, fleet


class FlashTest(BenchTest):
    def environment(self):
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return fleet.environment_of(home)

    def argv(self, *arguments):
        return [self.bin / "tml-flash", "--json", *arguments]

    def flash(self, *arguments, timeout_s=120):
        """(exit code, events, standard error)."""
        code, out, err = run(self.argv(*arguments), self.environment(), timeout_s)
        return code, [json.loads(line) for line in out.splitlines() if line.startswith("{")], err

    def flash_process(self, *arguments):
        return self.started_process(Process("tml-flash", self.argv(*arguments), self.environment()))

    def named(self, events, name):
        return [event for event in events if event.get("event") == name]

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path
