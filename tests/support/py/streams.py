# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Boards that stream from power-up, a tml-forwarder that listens, and what each of them counted.
import json
import os
import re
import urllib.request
from pathlib import Path

import fleet
from processes import Process, wait_until


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid, name="VmRSS"):
    """VmRSS now, VmHWM at most so far."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+)", text, re.M)[1]) / 1024


class StreamBoards:
    """One tml-board process with `count` boards that begin to stream when a host opens them."""

    def __init__(self, programs, folder, stream, flags=(), count=1, profile="csv", readings=None, baud=None, on_open="100ms", seed=None):
        self.folder, self.count = Path(folder), count
        self.folder.mkdir(parents=True, exist_ok=True)
        link = self.folder / "port"
        self.links = [link] if count == 1 else [Path(f"{link}-{number}") for number in range(count)]
        truth = self.folder / "truth"
        self.truths = [truth] if count == 1 else [Path(f"{truth}-{number}") for number in range(count)]
        argv = [Path(programs) / "tml-board", "--json", "--link", link, "--truth", truth, "--profile", profile, "--stream", stream, *flags]
        argv += ["--count", count] if count > 1 else []
        argv += ["--limit-readings", readings] if readings else []
        argv += ["--baud-model", baud] if baud else []
        argv += ["--reset-on-open", on_open] if on_open else []
        argv += ["--seed", seed] if seed is not None else []
        self.process = Process("boards", argv)
        for number in range(count):
            self.process.wait_named("ready", 30, board=number)

    def sessions(self, timeout_s):
        """The truth of each board, once all have sent what they should: by the board's link. Events name some ranges, the file all."""
        found = {}
        for number, link in enumerate(self.links):
            sid = self.process.wait_named("stream_end", timeout_s, board=number)["sid"]
            found[str(link)] = wait_until("the truth", lambda file=self.truths[number], sid=sid: self.written(file, sid), 10)
        return found

    @staticmethod
    def written(file, sid):
        lines = file.read_text().splitlines(keepends=True)
        return next((session for session in map(json.loads, (line for line in lines if line.endswith("\n"))) if session["sid"] == sid), None)

    @property
    def name(self):
        return self.process.name

    def report(self):
        return self.process.report()

    def stop(self):
        """The last counters of each board, by number."""
        self.process.stop()
        return {event["board"]: event for event in self.process.events if event["event"] == "counters"}


class MeteredForwarder(fleet.Forwarder):
    """A forwarder whose counters can be read while it runs."""

    def __init__(self, programs, folder, flags, **keys):
        super().__init__(programs, folder, ["--metrics", 0, *flags], **keys)
        self.port = self.wait_named("metrics")["port"]

    def metrics(self):
        """{name: {input: value}} without the prefix; values without an input are under ""."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        found = {}
        for name, labels, value in re.findall(r"^tml_forwarder_(\w+)(?:\{(.*?)\})? (\S+)", text, re.M):
            which = re.search(r'(?:input|port)="([^"]*)"', labels)
            found.setdefault(name, {})[which[1] if which else ""] = float(value)
        return found

    def wait_drained(self, timeout_s=30):
        """Until no more bytes come for a second."""
        seen = {"bytes": -1, "same": 0}

        def quiet():
            now = sum(self.metrics().get("bytes_total", {}).values())
            seen["same"] = seen["same"] + 1 if now == seen["bytes"] else 0
            seen["bytes"] = now
            return seen["same"] >= 5

        wait_until("the end of the bytes", quiet, timeout_s, 0.2)

    def accounts(self, inputs, timeout_s=20):
        """Readings and missing per input once every one of them has gone away."""
        return {str(name): self.wait_event(f"{name} lost", lambda event, name=str(name): event.get("event") in ("lost", "ended") and
                                           event["input"] == name, timeout_s) for name in inputs}
