#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# kill -9 at random moments of uploads of 1000 files, each continued with --resume until it ends by itself: the server has each file exactly
# once. The runs allow duplicates, so that only the journal and its envelope ids stand between a kill and a double. Kills: first argument
# (20 when not told); the seed is printed, TML_TEST_SEED repeats it.
import hashlib
import os
import random
import subprocess
import sys
import time
import unittest

from upload import UploaderTest, csv_text

KILLS = int(sys.argv.pop(1)) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 20
SEED = int(os.environ.get("TML_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
FILES = 1000


class Kills(UploaderTest):
    def test_each_file_is_there_once(self):
        print(f"seed {SEED}, {KILLS} kills", flush=True)
        chance = random.Random(SEED)
        server = self.server()
        wanted, kills, rounds, longest = [], 0, 0, 0.05
        while kills < KILLS:
            rounds += 1
            files = [self.put(f"set{rounds}/a{n}.csv", csv_text(SEED + 10_000 * rounds + n, chance.randrange(2, 40))) for n in range(FILES)]
            wanted += [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
            arguments = [files[0].parent, "--allow-duplicates"]
            while True:
                upload = self.start(server, *arguments)
                started = time.monotonic()
                try:
                    # The moment is the test's subject: anywhere between the start and what a whole run took last.
                    code = upload.process.wait(chance.uniform(0, longest) if kills < KILLS else None)
                except subprocess.TimeoutExpired:
                    upload.kill()
                    kills += 1
                    arguments = [files[0].parent, "--allow-duplicates", "--resume"]
                    longest += 0.01
                    continue
                longest = max(0.05, time.monotonic() - started)
                upload.join()
                self.assertEqual(code, 0, upload.report())
                break
            self.started.clear()
            self.started.append(server)
        stored = [sample["sha256"] for sample in server.samples()]
        self.assertEqual(len(stored), len(wanted), "something was lost or stored twice")
        self.assertEqual(sorted(stored), sorted(wanted))
        code, events, err = server.command("verify")
        self.assertEqual((code, events[-1]["damaged"]), (0, 0), err)
        print(f"{kills} kills in {rounds} uploads, {len(stored)} samples", flush=True)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
