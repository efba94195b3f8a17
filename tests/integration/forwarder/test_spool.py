#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# What tml-forwarder stores is delivered once and nothing of it is lost: a full spool, a server that is away, a killed process.
import signal
import sqlite3
import unittest

from lines import AXES, ForwarderTest  # First: it makes the others importable.
from processes import wait_until
from tmltest import named


class SpoolTest(ForwarderTest):
    def setUp(self):
        super().setUp()
        self.line_board()
        self.flags = ("--port", self.folder / "lines", "--axes", AXES, "--frequency", 100, "--device-id", "desk-1")

    def counts_on(self, server):
        """First axis of every sample that the server has, oldest first."""
        return [[int(row[0]) for row in self.assert_verified(server, sample, sample["label"]).payload["values"]]
                for sample in reversed(server.samples())]

    def test_delivered_before_it_ends(self):
        server = self.server()
        events = self.forward(*self.flags, "--label", "one", "--length-ms", 300, "--repeat", 3, host=server.host, api_key=server.api_key,
                              hmac_key=server.hmac_key)
        self.assertEqual(len(named(events, "delivered")), 3)
        self.assertEqual([len(counts) for counts in self.counts_on(server)], [30, 30, 30])
        self.assertEqual(self.spooled(), [])
        sample = server.samples()[0]
        self.assertEqual(sample["metadata"]["readings_missing"], "0", sample)

    def test_drop_newest(self):
        events = self.forward(*self.flags, "--label", "n", "--length-ms", 300, "--repeat", 6, "--spool-limit", "3kB", "--when-full",
                              "drop-newest", "--no-deliver", expect=3)
        stored, dropped = named(events, "stored"), named(events, "dropped")
        self.assertEqual(len(stored) + len(dropped), 6)
        self.assertTrue(stored and dropped)
        self.assertEqual([sample.envelope for sample in self.spooled()], [event["envelope"] for event in stored])
        self.assertEqual(named(events, "summary")[0]["dropped_newest"], len(dropped))
        self.assertTrue(named(events, "spool_full"))

    def test_drop_oldest(self):
        events = self.forward(*self.flags, "--label", "o", "--length-ms", 300, "--repeat", 6, "--spool-limit", "3kB", "--when-full",
                              "drop-oldest", "--no-deliver", expect=3)
        summary = named(events, "summary")[0]
        left = [sample.envelope for sample in self.spooled()]
        self.assertEqual(len(named(events, "stored")), 6)
        self.assertEqual(left, [event["envelope"] for event in named(events, "stored")][-len(left):])
        self.assertEqual(summary["dropped_oldest"], 6 - len(left))
        self.assertGreater(summary["dropped_oldest"], 0)

    def test_block_until_the_server_is_back(self):
        server = self.server()
        server.kill()
        forwarder = self.forwarder(*self.flags, "--label", "b", "--length-ms", 300, "--repeat", 20, "--spool-limit", "3kB", "--flush-timeout", 0,
                                   host=server.host, api_key=server.api_key, hmac_key=server.hmac_key)
        forwarder.wait_named("blocked", 40)
        server.start()
        server.wait_ready()
        self.assertEqual(forwarder.process.join(90), 0, forwarder.report())
        summary = named(forwarder.events, "summary")[0]
        self.assertEqual((summary["stored"], summary["dropped_newest"], summary["dropped_oldest"], summary["waiting"]), (20, 0, 0, 0))
        self.assertGreater(summary["not_captured"], 0)
        self.assertEqual([len(counts) for counts in self.counts_on(server)], [30] * 20)

    def test_server_away_leaves_samples_for_the_next_run(self):
        server = self.server()
        server.kill()
        keys = {"host": server.host, "api_key": server.api_key, "hmac_key": server.hmac_key}
        events = self.forward(*self.flags, "--label", "a", "--length-ms", 200, "--repeat", 2, "--flush-timeout", 1, expect=8, **keys)
        self.assertEqual(named(events, "summary")[0]["waiting"], 2)
        server.start()
        server.wait_ready()
        self.forward(*self.flags, "--label", "b", "--length-ms", 200, **keys)
        self.assertEqual([sample["label"] for sample in reversed(server.samples())], ["a", "a", "b"])

    def test_what_an_earlier_run_left_behind_a_refused_key_goes_first_and_is_not_judged(self):
        server = self.server()
        keys = {"host": server.host, "api_key": server.api_key, "hmac_key": server.hmac_key}
        self.forward(*self.flags, "--label", "a", "--length-ms", 200, "--no-deliver", **keys)
        with sqlite3.connect(self.folder / "forwarder/state/tml/spool/spool.db") as database:
            database.execute("UPDATE entries SET state = 'held', last_error = 'the key was refused'")
        events = self.forward(*self.flags, "--label", "b", "--length-ms", 200, "--no-deliver", **keys)
        summary = named(events, "summary")[0]
        self.assertEqual((summary["waiting"], summary["earlier"]), (1, 1))
        events = self.forward(*self.flags, "--label", "c", "--length-ms", 200, **keys)
        summary = named(events, "summary")[0]
        self.assertEqual((summary["waiting"], summary["earlier"]), (0, 0))
        self.assertEqual([sample["label"] for sample in reversed(server.samples())], ["a", "b", "c"])

    def test_killed_and_started_again(self):
        server = self.server()
        keys = {"host": server.host, "api_key": server.api_key, "hmac_key": server.hmac_key}
        flags = (*self.flags, "--continuous", "--label", "k", "--length-ms", 100)
        told = set()
        for kill in range(4):
            forwarder = self.forwarder(*flags, **keys)
            process = forwarder.process
            process.wait_event("samples", lambda event: len(named(process.events, "stored")) >= 3 + 4 * kill, 40)
            forwarder.kill()
            told |= {event["envelope"] for event in named(process.events, "stored")}
        self.forward(*self.flags, "--label", "end", "--length-ms", 100, "--flush-timeout", 0, **keys)
        wait_until("an empty spool", lambda: not self.spooled(), 30, 0.1)
        all_counts = [counts for counts in self.counts_on(server)]
        envelopes = {sample["envelope"] for sample in server.samples()}
        self.assertLessEqual(told, envelopes)
        self.assertEqual(len(envelopes), len(all_counts))
        readings = [count for counts in all_counts for count in counts]
        self.assertEqual(len(readings), len(set(readings)), "a reading is in two samples")

    def test_interrupted_while_it_waits_for_the_server(self):
        server = self.server()
        server.kill()
        forwarder = self.forwarder(*self.flags, "--label", "i", "--length-ms", 200, "--flush-timeout", 0, host=server.host,
                                   api_key=server.api_key, hmac_key=server.hmac_key)
        forwarder.wait_named("delivery_retry", 40)
        forwarder.process.process.send_signal(signal.SIGINT)
        self.assertEqual(forwarder.process.join(20), 130, forwarder.report())
        self.assertEqual(len(self.spooled()), 1)

    def test_no_key_and_nobody_to_ask(self):
        error = self.forward(*self.flags, "--label", "x", "--length-ms", 100, host="127.0.0.1", expect=2)[-1]
        self.assertIn("--api-key", error["message"] + error.get("where", "") + error.get("hint", ""))


if __name__ == "__main__":
    unittest.main()
