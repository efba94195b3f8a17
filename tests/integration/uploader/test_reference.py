#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# tml-uploader against the independent reference server, which knows none of our extensions: every request must be the reference's, and a
# file whose answer is lost must be there once.
import json
import sys
import unittest

from upload import UploaderTest, csv_text, wav
from reference_server import ReferenceServer
from tmltest import named


class AgainstReference(UploaderTest):
    def setUp(self):
        super().setUp()
        self.reference = ReferenceServer()
        self.reference.__enter__()
        self.addCleanup(self.reference.__exit__)

    def assert_no_offence(self):
        self.assertEqual(self.reference.offences, [])

    def test_requests_are_exactly_the_references(self):
        self.put("a.csv", csv_text(1))
        self.put("b.wav", wav())
        self.put("c.png", b"\x89PNG")
        self.put("d.json", "{}")
        self.put("att/x.png", b"one")
        self.put("att/more/x.png", b"two")
        ranges = [{"startIndex": 0, "endIndex": 9, "label": "q"}, {"startIndex": 10, "endIndex": 19, "label": "r"}]
        boxes = [{"label": "cup", "x": 1, "y": 2, "width": 3, "height": 4}]
        self.put("info.labels", json.dumps({"version": 1, "files": [
            {"path": "a.csv", "name": "first", "category": "training", "label": {"type": "label", "label": "grün & blau"}, "metadata": {"k": "ü"}},
            {"path": "b.wav", "category": "testing", "label": {"type": "unlabeled"}},
            {"path": "c.png", "category": "split", "label": {"type": "unlabeled"}, "boundingBoxes": boxes,
             "attachments": ["att/x.png", "att/more/x.png"]},
            {"path": "d.json", "category": "validation", "label": {"type": "multi-label", "labels": ranges}},
            {"path": "a.csv", "name": "again", "category": "anomaly", "label": {"type": "keyvalue-labels", "labels": {"key": "value"}}}]}))
        self.upload(self.reference, "--info-file", self.folder / "info.labels", "--allow-duplicates")
        self.assert_no_offence()
        stored = {sample["name"]: sample for sample in self.reference.samples}
        self.assertEqual({name: (one["label"], one["category"]) for name, one in stored.items()},
                         {"first.csv": ("grün & blau", "training"), "b.wav": (None, "testing"), "c.png": (None, "split"),
                          "d.json": ("d", "validation"), "again.csv": ("again", "anomaly")})
        self.assertEqual(json.loads(stored["first.csv"]["headers"]["x-metadata"]), {"k": "ü"})
        self.assertNotIn("x-disallow-duplicates", stored["first.csv"]["headers"])
        self.assertEqual(json.loads(stored["c.png"]["side"]["bounding_boxes.labels"])["boundingBoxes"]["c.png"], boxes)
        self.assertEqual((stored["c.png"]["side"]["x.png"], stored["c.png"]["side"]["2-x.png"]), (b"one", b"two"))
        self.assertEqual(json.loads(stored["d.json"]["side"]["structured_labels.labels"])["structuredLabels"]["d.json"], ranges)
        self.assertEqual(json.loads(stored["again.csv"]["side"]["label_map.labels"])["labels"]["again.csv"], {"key": "value"})
        self.assertFalse([header for one in stored.values() for header in one["headers"] if header.startswith("x-tml")], "not our server")

    def test_large_files_and_label_flags(self):
        large = self.put("large.csv", csv_text(1, 40_000))
        small = self.put("small.v1.csv", csv_text(2))
        self.upload(self.reference, large, small, "--sign", "--hmac-key", "0123456789abcdef")
        self.assert_no_offence()
        stored = {sample["name"]: sample for sample in self.reference.samples}
        self.assertEqual(stored["large.csv"]["body"], large.read_bytes())
        self.assertEqual((stored["large.csv"]["label"], stored["small.v1.csv"]["label"]), ("large", "small"))
        self.assertEqual(len(stored["large.csv"]["headers"]["x-tml-signature"]), 64)
        self.assertEqual(stored["small.v1.csv"]["headers"]["x-disallow-duplicates"], "1")

    def test_csv_is_rewritten_for_servers_that_insist_on_the_rules(self):
        bare = self.put("bare.csv", "1,2\n3,4\n")
        self.upload(self.reference, bare, "--csv-axes", "x,y", "--frequency", "50")
        self.assertEqual(self.reference.samples[0]["body"].decode(), "timestamp,x,y\n0,1,2\n20,3,4\n")

    def test_lost_answers_and_server_errors(self):
        for n in range(30):
            self.put(f"set/a{n}.csv", csv_text(n))
        self.reference.lose_answers, self.reference.fail_uploads = 5, 3
        events = self.upload(self.reference, self.folder / "set", "--concurrency", "4")
        self.assert_no_offence()
        self.assertEqual(len(self.reference.samples), 30)
        self.assertEqual((self.summary(events)["uploaded"], self.summary(events)["existing"]), (30, 0))
        self.assertTrue(named(events, "retry"))
        self.assertEqual((self.reference.lose_answers, self.reference.fail_uploads), (0, 0))
        # Four at a time: this server's queue of connections is short, and one that it drops looks like a lost answer.
        again = self.summary(self.upload(self.reference, self.folder / "set", "--concurrency", "4"))
        self.assertEqual((again["uploaded"], again["existing"], again["failed"]), (0, 30, 0))

    def test_a_lost_answer_is_no_double_though_duplicates_are_allowed(self):
        for n in range(10):
            self.put(f"set/a{n}.csv", csv_text(n))
        self.reference.lose_answers = 4
        events = self.upload(self.reference, self.folder / "set", "--allow-duplicates", "--concurrency", "2")
        self.assertEqual((len(self.reference.samples), self.summary(events)["uploaded"], self.reference.lose_answers), (10, 10, 0))
        self.assertEqual(sum("x-disallow-duplicates" in sample["headers"] for sample in self.reference.samples), 0)

    def test_gives_up_in_the_end(self):
        file = self.put("a.csv", csv_text(1))
        self.reference.fail_uploads = 1000
        events = self.upload(self.reference, file, "--retries", "1", expect=1)
        self.assertEqual(len(named(events, "retry")), 1)
        self.assertEqual(self.reference.samples, [])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
