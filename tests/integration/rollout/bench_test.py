#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The bench of issue 5: 64 virtual boards, 0, 1 and 5 % of them made to fail, slow ones, and a host that is killed and
# restarted. The halt rule holds exactly and every board ends on exactly the old or the new version.
import random

from rollouts import NEW, OLD, PARTIAL, RolloutTest, main
from rollout_test import BAD_MODEL_SECTOR

BOARDS = 64


class Bench(RolloutTest):
    def bench(self, bad):
        self.boards(BOARDS - bad - 2)
        self.boards(2, "--flash-model", "40:1")  # Slow ones.
        if bad:
            self.boards(bad, "--fault", BAD_MODEL_SECTOR)
        self.install_old(count=BOARDS)

    def carry_out(self, name, budget, code, kills=0, **keys):
        plan = self.plan(name, canary=0, size=16, parallel=8, budget=budget, **keys)
        chance = random.Random(7)
        for _ in range(kills):
            running = self.start_rollout(plan)
            records = []
            wanted = chance.randrange(1, 60)
            try:
                running.wait_event("records", lambda e: "board" in e and (records.append(e) or len(records) >= wanted), 120)
            except RuntimeError:
                break  # It ended before.
            running.kill()
        report = self.report(self.flash("rollout", plan, "--yes", code=code, timeout_s=600))
        self.assert_halt_rule(name, budget, BOARDS)
        self.assert_one_version_each(report)
        return report

    def test_none_fails(self):
        self.bench(0)
        report = self.carry_out("none", 0.01, 0)
        self.assertEqual((report["state"], report["confirmed"]), ("complete", BOARDS))

    def test_one_percent(self):
        self.bench(1)
        report = self.carry_out("one", 0.02, PARTIAL)
        self.assertEqual((report["state"], report["confirmed"], report["failed"]), ("complete", BOARDS - 1, 1))

    def unlike_each_other(self, worn):
        """64 boards. Of another product, with an epoch floor that forbids the new version, `worn` with a bad sector: (ports, codes)."""
        self.boards(BOARDS - 4 - worn)
        self.boards(2, "--flash-model", "40:1")  # Slow ones.
        [other], _ = self.boards(1, "--product", "other-thing")
        [ahead], _ = self.boards(1)
        bad, _ = self.boards(worn, "--fault", BAD_MODEL_SECTOR)
        self.install_old(count=BOARDS)
        # The same model again, of a later epoch; from here on the floor of this board is 5.
        self.flash(self.folder / f"{OLD}.tmlm", "--epoch", "5", "--port", ahead)
        # A package runs on any product unless its signature says otherwise.
        self.flash("sign", self.folder / f"{NEW}.tmlm", "--product", "tml-virtual", "-o", self.folder / "new.tmlu")
        return {str(other): "verification", str(ahead): "refused", **{str(port): "failed" for port in bad}}

    def failures(self, report):
        return {row["port"]: row["code"] for row in report["boards"] if row["result"] == "failed"}

    def test_five_percent_within_the_budget(self):
        expected = self.unlike_each_other(1)
        # 5 % of 64 are 3.2: the third failure is within the budget.
        report = self.carry_out("five", 0.05, PARTIAL, file="new.tmlu")
        self.assertEqual((report["state"], report["confirmed"], report["failed"]), ("complete", BOARDS - 3, 3))
        self.assertEqual(self.failures(report), expected)

    def test_five_percent_halt(self):
        expected = self.unlike_each_other(2)
        # The fourth is not.
        report = self.carry_out("five", 0.05, PARTIAL, file="new.tmlu")
        self.assertEqual((report["state"], report["failed"]), ("halted", 4))
        self.assertEqual(self.failures(report), expected)
        # By the order that the journal fixed before anything was written: the batches before that of the fourth failure stay.
        order = [board["port"] for board in self.journal("five")[0]["boards"]]
        bad = sorted(order.index(port) for port in expected)
        earlier = bad[-1] // 16 * 16
        self.assertEqual(report["confirmed"], earlier - sum(1 for index in bad if index < earlier))
        new = {row["port"] for row in report["boards"] if row["result"] == "confirmed"}
        self.assertEqual(new, set(order[:earlier]) - set(expected))

    def test_killed_hosts(self):
        self.bench(1)
        report = self.carry_out("killed", 0.02, PARTIAL, kills=6)
        self.assertEqual((report["state"], report["confirmed"]), ("complete", BOARDS - 1))


if __name__ == "__main__":
    main()
