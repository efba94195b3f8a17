# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# What the forwarder's integration tests share: runs of tml-forwarder to their end, and a look into its spool by an independent hand.
import json
import sqlite3
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS / "compat"), str(TESTS / "support" / "py")]

import acquisition  # noqa: E402
import fleet  # noqa: E402
import tmltest  # noqa: E402
from line_board import plugged_in  # noqa: E402

KEY = "0123456789abcdef0123456789abcdef"
AXES = "count,b,c"


class Sample:
    """An entry of the spool: its document and the request headers that it will be delivered with."""

    def __init__(self, row):
        self.envelope, self.device, self.label, self.category, headers, payload = row
        self.headers = {name.lower(): value for name, value in json.loads(headers)}
        self.metadata = json.loads(self.headers["x-metadata"])
        self.document = acquisition.decode(payload)
        self.rows = self.document.payload["values"]

    @property
    def counts(self):
        """The first axis of boards that number their readings."""
        return [int(row[0]) for row in self.rows]


class ForwarderTest(tmltest.BenchTest):
    def line_board(self, name="lines", rate_hz=100, **options):
        return plugged_in(self, self.folder / name, rate_hz, **options)

    def forwarder(self, *flags, home="forwarder", **keys):
        keys.setdefault("hmac_key", KEY)
        return self.started_process(fleet.Forwarder(self.bin, self.folder / home, flags, **keys))

    def forward(self, *flags, expect=0, timeout_s=60, home="forwarder", **keys):
        """A run to its end: the events."""
        process = self.forwarder(*flags, home=home, **keys).process
        code = process.join(timeout_s)
        self.assertEqual(code, expect, process.report())
        return process.events

    def spooled(self, home="forwarder"):
        with sqlite3.connect(f"file:{self.folder / home}/state/tml/spool/spool.db?mode=ro", uri=True) as database:
            rows = database.execute("SELECT envelope, device, label, category, headers, payload FROM entries ORDER BY sequence").fetchall()
        return [Sample(row) for row in rows]

    def assert_consecutive(self, sample, length=None):
        counts = sample.counts
        self.assertEqual(counts, list(range(counts[0], counts[0] + len(counts))))
        if length is not None:
            self.assertEqual(len(counts), length)
