#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Rollouts on small benches: what a plan does, failing boards, interruptions, abort, status.
import signal

from rollouts import (INTERRUPTED, NEW, NOT_FOUND, OLD, PARTIAL, REFUSED, USAGE, Process, RolloutTest, main, named)

BAD_MODEL_SECTOR = "flash-bad=0x141000"  # In bank 0A, where the new model goes: a blank board takes its first one in 0B.


class Rollout(RolloutTest):
    def test_whole_bench(self):
        ports, _ = self.boards(6)
        self.install_old(count=6)
        plan = self.plan("new", size=3, parallel=3)
        looked = named(self.flash("rollout", plan, "--dry-run"), "rollout_plan")[0]
        self.assertEqual([b["batch"] for b in looked["boards"]], [0, 0, 1, 1, 1, 2])
        self.assertEqual({b["from"] for b in looked["boards"]}, {OLD})
        self.assertEqual({self.runs(p) for p in ports}, {OLD}, "a dry run writes nothing")
        self.flash("rollout", plan, code=USAGE)  # Nobody can be asked: --yes is named.
        report = self.report(self.flash("rollout", plan, "--yes"))
        self.assertEqual((report["state"], report["confirmed"]), ("complete", 6))
        self.assertEqual({row["self_test"] for row in report["boards"]}, {"2 windows"})
        self.assert_one_version_each(report)
        self.assert_halt_rule("new", 0, 6)
        # Again: it has ended. Under another name there is nothing to do.
        self.assertEqual(self.report(self.flash("rollout", plan, "--yes"))["state"], "complete")
        again = named(self.flash("rollout", self.plan("again"), "--yes"), "rollout_plan")[0]
        self.assertEqual((again["boards"], again["current"]), ([], 6))
        status = named(self.flash("rollout", "status", "new"), "rollout_status")[0]
        self.assertEqual((status["state"], status["confirmed"]), ("complete", 6))
        self.flash("rollout", "status", "nothing", code=NOT_FOUND)

    def test_changed_plan_is_refused(self):
        self.boards(2)
        self.install_old(count=2)
        plan = self.plan("new", canary=1)
        running = self.start_rollout(plan)
        running.wait_named("rollout_started")
        running.process.send_signal(signal.SIGINT)
        self.assertEqual(running.join(60), INTERRUPTED)
        plan.write_text(plan.read_text().replace("parallel = 8", "parallel = 2"))
        error = named(self.flash("rollout", plan, "--yes", code=REFUSED), "error")[0]
        self.assertIn("plan has changed", error["message"])
        report = self.report(self.flash("rollout", "--resume", "new"))
        self.assertEqual((report["state"], report["confirmed"]), ("complete", 2))

    def test_failures_within_the_budget(self):
        self.boards(5)
        self.boards(1, "--fault", BAD_MODEL_SECTOR)
        self.install_old(count=6)
        report = self.report(self.flash("rollout", self.plan("new", canary=0, budget=1), "--yes", code=PARTIAL))
        self.assertEqual((report["state"], report["confirmed"], report["failed"]), ("complete", 5, 1))
        self.assert_one_version_each(report)

    def test_halt_and_batch_taken_back(self):
        self.boards(6)
        self.boards(2, "--fault", BAD_MODEL_SECTOR)
        self.install_old(count=8)
        plan = self.plan("new", canary=0, size=8, parallel=2, budget=1)
        report = self.report(self.flash("rollout", plan, "--yes", code=PARTIAL))
        self.assertEqual((report["state"], report["confirmed"], report["failed"]), ("halted", 0, 2))
        failures, halted = self.assert_halt_rule("new", 1, 8)
        self.assertEqual((failures, halted), (2, True))
        self.assert_one_version_each(report)

    def test_killed_host_goes_on(self):
        self.boards(8)
        self.install_old(count=8)
        plan = self.plan("new", canary=1, size=4, parallel=2)
        for count in (1, 3, 5):
            running = self.start_rollout(plan)
            seen = []
            running.wait_event("boards", lambda e: e.get("event", "").startswith("rollout_") and "board" in e and
                               (seen.append(e) or len(seen) >= count), 60)
            running.kill()
        report = self.report(self.flash("rollout", plan, "--yes"))
        self.assertEqual((report["state"], report["confirmed"]), ("complete", 8))
        self.assert_halt_rule("new", 0, 8)
        self.assert_one_version_each(report)

    def test_abort(self):
        self.boards(6, "--baud-model", "115200")  # Long enough for an abort to come in between.
        self.install_old(count=6)
        plan = self.plan("new", canary=1, size=5, parallel=1)
        running = self.start_rollout(plan)
        running.wait_event("canary", lambda e: e.get("event") == "rollout_confirmed", 60)
        running.wait_event("batch", lambda e: e.get("event") == "rollout_passed" and len(
            [x for x in running.events if x["event"] == "rollout_passed"]) >= 2, 60)
        watching = self.started_process(Process("watch", [self.bin / "tml-flash", "--json", "rollout", "status", "new", "--watch"],
                                                self.environment()))
        watching.wait_named("rollout_status", state="running")
        self.flash("rollout", "abort", "new")
        self.assertEqual(running.join(60), PARTIAL)
        self.assertEqual(watching.join(30), 0)
        self.assertEqual(named(watching.events, "rollout_status")[-1]["state"], "aborted")
        report = self.report(running.events)
        self.assertEqual((report["state"], report["confirmed"]), ("aborted", 1))
        self.assert_one_version_each(report)

    def test_unplugged_half_way_and_selection(self):
        self.boards(3)
        ports, lonely = self.boards(1, "--baud-model", "115200")
        self.install_old(count=4)
        plan = self.plan("new", canary=0, budget=1, parallel=4)
        running = self.start_rollout(plan)
        running.wait_event("the slow board is under way", lambda e: e.get("event") == "rollout_started" and
                           e["port"] == str(ports[0]), 60)
        running.wait_event("the others are through", lambda e: e.get("event") == "rollout_passed", 60)
        lonely.kill()
        self.assertEqual(running.join(120), PARTIAL)
        report = self.report(running.events)
        self.assertEqual((report["confirmed"], report["failed"]), (3, 1))
        gone = next(row for row in report["boards"] if row["port"] == str(ports[0]))
        self.assertEqual(gone["result"], "failed")
        # Plugged in again it runs one version whole; a trial that nobody confirmed ends by itself.
        lonely = self.plug_in(lonely)
        self.assertIn(self.runs(ports[0]), (OLD, NEW))
        for _ in range(4):
            lonely.kill()
            lonely = self.plug_in(lonely)
        self.assert_one_version_each(report)
        second = self.report(self.flash("rollout", self.plan("second", canary=0), "--yes"))
        self.assertEqual((second["state"], [row["port"] for row in second["boards"]]), ("complete", [str(ports[0])]))
        self.assert_one_version_each(second)
        nobody = self.plan("none", select='version = ">=9"')
        self.flash("rollout", nobody, "--yes", code=NOT_FOUND)
        some = named(self.flash("rollout", self.plan("some", version=OLD, select=f'version = "{NEW}"'), "--dry-run"), "rollout_plan")[0]
        self.assertEqual(len(some["boards"]), 4)

    def test_a_board_that_computes_something_else(self):
        self.boards(2)
        [odd], process = self.boards(1)
        self.install_old(count=3)
        # The new version is on trial there and was found authentic; then its flash reads wrong bits. Only a run can tell.
        self.flash(self.folder / f"{NEW}.tmlm", "--port", odd, "--no-confirm")
        self.assertEqual(self.runs(odd), NEW)
        self.corrupt_weights(process, NEW)
        report = self.report(self.flash("rollout", self.plan("new", canary=0, budget=1), "--yes", code=PARTIAL))
        self.assertEqual((report["state"], report["confirmed"], report["failed"]), ("complete", 2, 1))
        row = next(row for row in report["boards"] if row["port"] == str(odd))
        self.assertEqual((row["result"], row["code"]), ("failed", "verification"))
        self.assertRegex(row["message"], r"self-test: .* on the board and .* on the host.*window")
        self.assertNotIn("could not be reverted", row["message"])
        self.assert_one_version_each(report)

    def test_a_board_of_another_product(self):
        ports, _ = self.boards(3)
        [other], _ = self.boards(1, "--product", "other-thing")
        before = self.app_versions([other])
        everyone = self.plan("all", file=self.image("2.0.0"), canary=0, size=4, parallel=4, budget=1, selftest=False)
        report = self.report(self.flash("rollout", everyone, "--yes", code=PARTIAL))
        self.assertEqual((report["state"], report["confirmed"], report["failed"]), ("complete", 3, 1))
        row = next(row for row in report["boards"] if row["port"] == str(other))
        self.assertEqual((row["result"], row["code"]), ("failed", "verification"))
        self.assertIn("the board is a other-thing", row["message"])
        self.assertEqual((self.app_versions(ports), self.app_versions([other])), ({"2.0.0"}, before))
        # A plan that names its product leaves it alone.
        chosen = self.plan("chosen", file=self.image("2.1.0"), canary=0, size=4, parallel=4, selftest=False, select='product = "tml-virtual"')
        report = self.report(self.flash("rollout", chosen, "--yes"))
        self.assertEqual((report["state"], report["confirmed"]), ("complete", 3))
        self.assertEqual((self.app_versions(ports), self.app_versions([other])), ({"2.1.0"}, before))

    def test_applications_that_run_and_that_crash(self):
        ports, _ = self.boards(4)
        good = self.plan("good", file=self.image("2.0.0"), canary=1, size=3, parallel=3, selftest=False)
        report = self.report(self.flash("rollout", good, "--yes"))
        self.assertEqual((report["state"], report["confirmed"]), ("complete", 4))
        self.assertEqual(self.app_versions(ports), {"2.0.0"})
        bad = self.plan("bad", file=self.image("3.0.0", "crash"), canary=1, size=3, parallel=3, selftest=False)
        report = self.report(self.flash("rollout", bad, "--yes", code=PARTIAL))
        self.assertEqual((report["state"], report["confirmed"], report["failed"]), ("halted", 0, 1))
        self.assertEqual(len([r for r in self.journal("bad") if r.get("event") == "started"]), 1)
        self.assertEqual(self.app_versions(ports), {"2.0.0"})

    def test_self_test_of_an_application_is_refused(self):
        self.image("2.0.0")
        error = named(self.flash("rollout", self.plan("new", file="2.0.0.bin"), code=USAGE), "error")[0]
        self.assertIn("selftest.windows are for models", error["message"])

    def test_plan_errors_name_line_and_key(self):
        plan = self.plan("bad", extra="[batches2]\nx = 1")
        error = named(self.flash("rollout", plan, code=USAGE), "error")[0]
        self.assertIn("batches2 is not known here", error["message"])
        self.assertIn("bad.toml:", error["message"])


if __name__ == "__main__":
    main()
