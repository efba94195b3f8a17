#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# kill -9 of the daemon in each phase of a sample: what the board had committed, or the spool, arrives exactly once.
import paths  # noqa: F401
from tmltest import ACCELEROMETER, MICROPHONE, BenchTest, main, named, wait_until


class Kills(BenchTest):
    def serve(self, *board_flags):
        self.server_ = self.server()
        self.board_ = self.board(*board_flags)
        self.daemon_ = self.daemon(self.server_, self.board_)
        self.daemon_.wait_online()

    def kill_at(self, event, request, label="cut"):
        start = len(self.daemon_.events)
        answer = self.server_.start_sampling(self.board_.id, label, *request)
        self.assertTrue(answer["success"], answer)
        self.daemon_.wait_event(event, lambda e: e.get("event") == event, 30, start)
        self.daemon_.kill()
        self.daemon_.start()
        self.daemon_.wait_online()

    def labels(self):
        return sorted(sample["label"] for sample in self.server_.samples())

    def finish_with_another(self, expected):
        """A further sample is delivered after everything before it (order per board), so nothing more is to come afterwards."""
        answer = self.server_.start_sampling(self.board_.id, "last", 500, 16, ACCELEROMETER)
        self.assertTrue(answer["success"], answer)
        self.daemon_.wait_named("delivered", 60, label="last")
        self.assertEqual(self.labels(), sorted([*expected, "last"]))
        for sample in self.server_.samples():
            self.assertEqual(sample["signature"], "verified")
        _, events, _ = self.spool_list()
        self.assertEqual(named(events, "entry"), [])

    def spool_list(self):
        return 0, self.daemon_.command("spool", "list"), ""

    def test_while_sampling(self):
        self.serve("--speed", 10)
        self.kill_at("sample_started", (60_000, 16, ACCELEROMETER))
        self.finish_with_another([])

    def test_while_reading_out(self):
        self.serve("--speed", 20, "--baud-model", 115200)
        self.kill_at("sample_reading", (4000, 0.0625, MICROPHONE))
        recovered = self.daemon_.wait_named("recovered", 60)
        self.assertEqual((recovered["label"], recovered["signature"]), ("cut", "verified"))
        self.finish_with_another(["cut"])

    def test_after_the_commit(self):
        self.serve("--speed", 20)
        self.kill_at("sample_stored", (1000, 16, ACCELEROMETER))
        self.finish_with_another(["cut"])

    def test_after_delivery(self):
        self.serve("--speed", 20)
        self.kill_at("delivered", (1000, 16, ACCELEROMETER))
        self.finish_with_another(["cut"])

    def test_while_the_server_is_away(self):
        self.serve("--speed", 20)
        start = len(self.daemon_.events)
        self.assertTrue(self.server_.start_sampling(self.board_.id, "cut", 10_000, 16, ACCELEROMETER, "testing")["success"])
        self.daemon_.wait_event("sample_started", lambda e: e.get("event") == "sample_started", 30, start)
        self.server_.kill()
        self.daemon_.wait_named("sample_stored")
        self.daemon_.kill()
        self.daemon_.start()
        self.daemon_.wait_named("delivery_retry")
        self.server_.start()
        self.server_.wait_ready()
        self.daemon_.wait_named("delivered", 60, label="cut")
        self.daemon_.wait_online(60)
        self.assertEqual([s["category"] for s in self.server_.samples()], ["testing"])
        self.finish_with_another(["cut"])

    def test_category_of_a_recovered_sample(self):
        self.serve("--speed", 20, "--baud-model", 115200)
        self.kill_at("sample_reading", (4000, 0.0625, MICROPHONE, "testing"))
        self.daemon_.wait_named("delivered", 60, label="cut")
        self.assertEqual([s["category"] for s in self.server_.samples()], ["testing"])
        wait_until("the file is off the board", lambda: not named(self.daemon_.events, "warning"))


if __name__ == "__main__":
    main()
