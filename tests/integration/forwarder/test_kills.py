#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# kill -9 at random moments of a continuous capture that delivers meanwhile, then a new start on the same state: each sample that was called
# stored is on the server exactly once, whole and verified, and no reading stands in two samples. Kills: first argument (20 when not
# told); the seed is printed, TML_TEST_SEED repeats it.
import collections
import os
import random
import sqlite3
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "support" / "py")]
import acquisition  # noqa: E402
from fleet import Forwarder  # noqa: E402
from processes import wait_until  # noqa: E402
from streams import StreamBoards  # noqa: E402
from tmltest import BenchTest, named  # noqa: E402

KILLS = int(sys.argv.pop(1)) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 20
SEED = int(os.environ.get("TML_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
HZ, SAMPLE_MS = 1000, 100


class Kills(BenchTest):
    def start(self, server, board):
        return Forwarder(self.bin, self.folder / "forwarder",
                         ["--port", board.links[0], "--label", "kills", "--length-ms", SAMPLE_MS, "--continuous", "--frequency", HZ,
                          "--axes", "aX,aY,aZ,gX,gY,gZ,mX,mY,mZ"],
                         host=server.host, api_key=server.api_key, hmac_key=server.hmac_key)

    @staticmethod
    def envelopes(server):
        """As the server's database has them: its answers do not show them."""
        with sqlite3.connect(f"file:{server.folder / 'samples.db'}?mode=ro", uri=True) as database:
            return collections.Counter(row[0] for row in database.execute("SELECT envelope FROM samples"))

    def test_each_stored_sample_is_there_once(self):
        print(f"seed {SEED}, {KILLS} kills", flush=True)
        chance = random.Random(SEED)
        server = self.server()
        board = self.started_process(StreamBoards(self.bin, self.folder / "board", f"inertial,{HZ}", profile="frames", on_open=None,
                                                  seed=SEED & 0x7FFFFFFF))
        stored = []
        begin = time.monotonic()
        forwarder = self.start(server, board)
        self.started[2:] = [forwarder]
        wait_until("samples of an undisturbed run", lambda: len(named(forwarder.events, "stored")) >= 10, 60)
        longest = time.monotonic() - begin
        print(f"ten samples take {longest:.2f} s", flush=True)
        for _ in range(KILLS):
            try:
                # The moment is the test's subject: from before the port is open to many samples later.
                code = forwarder.process.process.wait(chance.uniform(0, longest))
                self.fail(f"it ended with {code}\n{forwarder.report()}")
            except subprocess.TimeoutExpired:
                forwarder.kill()
            stored += named(forwarder.events, "stored")
            forwarder = self.start(server, board)
            self.started[2:] = [forwarder]
        forwarder.wait_named("stored", 60)
        forwarder.stop()
        stored += named(forwarder.events, "stored")
        # What the last moments before the stop stored is delivered by one more run.
        last = self.start(server, board)
        self.started[2:] = [last]
        promised = {event["envelope"] for event in stored}
        self.assertEqual(len(promised), len(stored), "two samples have one envelope")
        seen = wait_until("every stored sample on the server",
                          lambda: (found := self.envelopes(server)) and promised <= found.keys() and found, 60, 0.5)
        last.stop()
        self.assertEqual([name for name, count in seen.items() if count > 1], [], "stored twice")
        samples = server.samples()
        rows = collections.Counter()
        for sample in samples:
            document = acquisition.decode(server.raw(sample["id"]))
            self.assertTrue(document.verify(server.hmac_key), "the signature does not fit the stored bytes")
            rows.update(tuple(row) for row in document.payload["values"])
        twice = sum(count - 1 for count in rows.values())
        # Generated readings have random noise on nine axes; equal ones are the same reading.
        self.assertEqual(twice, 0, "a reading stands in two samples")
        code, events, err = server.command("verify")
        self.assertEqual((code, events[-1]["damaged"]), (0, 0), err)
        print(f"{KILLS} kills, {len(stored)} samples called stored, {len(samples)} on the server, 0 lost, 0 twice", flush=True)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
