#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# A rollout over ports that a running tml-daemon serves: it borrows them, and the daemon serves them afterwards.
from rollouts import RolloutTest, main, named

from tmltest import ACCELEROMETER


class ThroughTheDaemon(RolloutTest):
    def test_bench_of_a_daemon(self):
        server = self.server()
        boards = [self.board(name=f"bench{n}") for n in range(4)]
        self.install_old(count=4)
        flags = [part for board in boards[1:] for part in ("--port", board.link)]
        # The same home: the tool finds the daemon's socket where it looks for it.
        daemon = self.daemon(server, boards[0], *flags, register=False, env={"XDG_STATE_HOME": self.home / ".local/state"})
        for board in boards:
            daemon.wait_named("remote_connected", device_id=board.id)
        start = len(daemon.events)
        report = self.report(self.flash("rollout", self.plan("new", canary=1, size=2, parallel=2), "--yes"))
        self.assertEqual((report["state"], report["confirmed"]), ("complete", 4))
        lent = named(daemon.events[start:], "board_lent")
        self.assertEqual({event["device_id"] for event in lent}, {board.id for board in boards})
        for board in boards:
            returned = max(n for n, e in enumerate(daemon.events) if e.get("event") == "board_returned" and e["device_id"] == board.id)
            daemon.wait_event("served again", lambda e, b=board: e.get("event") == "remote_connected" and e["device_id"] == b.id, 30,
                              returned)
        self.assertTrue(server.start_sampling(boards[0].id, "after", 500, 16, ACCELEROMETER)["success"])
        daemon.wait_named("delivered", label="after")

    def test_a_loan_that_lasts_longer_than_its_lease(self):
        # The lease is for 30 s and renewed every 10; 400 kB at 115200 baud take 35.
        server = self.server()
        board = self.board("--baud-model", "115200")
        daemon = self.daemon(server, board, env={"XDG_STATE_HOME": self.home / ".local/state"})
        daemon.wait_named("remote_connected", device_id=board.id)
        plan = self.plan("long", file=self.image("2.0.0", size=400_000), ports=[board.link], canary=0, selftest=False, board_s=240,
                         extra="[update]\nbaud = 115200\nbackground = true")
        start = len(daemon.events)
        report = self.report(self.flash("rollout", plan, "--yes"))
        self.assertEqual((report["state"], report["confirmed"]), ("complete", 1))
        update = next(record for record in self.journal("long")[1:] if record["event"] == "passed")
        self.assertGreater(update["seconds"], 30)
        daemon.wait_event("the second return", lambda e: len(named(daemon.events[start:], "board_returned")) >= 2, 30, start)
        # One loan for the inspection and one for all the rest, each given back and none taken.
        self.assertEqual([event["reason"] for event in named(daemon.events[start:], "board_returned")], 2 * ["given back"])


if __name__ == "__main__":
    main()
