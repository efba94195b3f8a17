#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# tml-uploader against tml-server: labels, signatures, duplicates, partial failure, outage, interruption, and real data there and back.
import hashlib
import json
import signal
import struct
import sys
import unittest
from pathlib import Path

from upload import UploaderTest, csv_text, wav
import acquisition
from fleet import shared_data
from processes import run
from tmltest import named


class AgainstServer(UploaderTest):
    def test_files_arrive_labelled_and_signed(self):
        server = self.server()
        self.put("set/idle/idle.1.csv", csv_text(1))
        self.put("set/wave/wave.1.csv", csv_text(2))
        large = self.put("set/wave/large.csv", csv_text(3, 60_000))
        document = self.put("doc.json", "{}")
        events = self.upload(server, self.folder / "set", "--label-from", "folder", "--category", "testing", "--metadata", '{"site":"lab"}')
        self.assertEqual({event["signature"] for event in named(events, "file")}, {"verified"})
        stored = {sample["filename"]: sample for sample in server.samples()}
        self.assertEqual({name: (one["label"], one["category"], one["signature"]) for name, one in stored.items()},
                         {"idle.1.csv": ("idle", "testing", "verified"), "wave.1.csv": ("wave", "testing", "verified"),
                          "large.csv": ("wave", "testing", "verified")})
        self.assertEqual(stored["idle.1.csv"]["metadata"], {"site": "lab"})
        self.assertEqual(server.raw(stored["large.csv"]["id"]), large.read_bytes())
        self.assertEqual(self.journals(), [], "a finished upload leaves no journal")
        events = self.upload(server, document, expect=1)
        self.assertEqual(self.summary(events)["failed"], 1)

    def test_duplicates_are_not_sent_again_unless_asked_for(self):
        server = self.server()
        for n in range(5):
            self.put(f"set/a{n}.csv", csv_text(n))
        self.put("set/twin.csv", csv_text(0))
        first = self.summary(self.upload(server, self.folder / "set"))
        self.assertEqual((first["uploaded"], first["existing"]), (5, 1))
        again = self.summary(self.upload(server, self.folder / "set"))
        self.assertEqual((again["uploaded"], again["existing"], again["bytes"]), (0, 6, 0))
        more = self.summary(self.upload(server, self.folder / "set", "--allow-duplicates"))
        self.assertEqual((more["uploaded"], more["existing"]), (6, 0))
        self.assertEqual(len(server.samples()), 11)

    def test_one_bad_file_does_not_cost_the_others(self):
        server = self.server()
        good = [self.put(f"good{n}.csv", csv_text(n)) for n in range(3)]
        empty = self.put("empty.csv", "")
        program = self.put("x.exe", "x")
        broken = self.put("broken.json", "{")
        events = self.upload(server, *good, empty, program, broken, self.folder / "missing.wav", expect=3)
        self.assertEqual({Path(event["path"]).name: event["state"] for event in named(events, "file")},
                         {"good0.csv": "uploaded", "good1.csv": "uploaded", "good2.csv": "uploaded", "empty.csv": "failed", "x.exe": "failed",
                          "broken.json": "failed", "missing.wav": "failed"})
        self.assertTrue(all(event["error"] for event in named(events, "file") if event["state"] == "failed"))
        self.assertEqual(len(self.journals()), 1)
        events = self.upload(server, *good, empty, program, broken, self.folder / "missing.wav", "--resume", expect=3)
        self.assertEqual((self.summary(events)["done"], self.summary(events)["failed"]), (3, 4))
        self.upload(server, good[0], empty, "--dont-allow-failed-uploads", expect=1)
        self.upload(server, empty, expect=1)

    def test_on_a_terminal_it_asks_once(self):
        server = self.server()
        file = self.put("wave.1.csv", csv_text(1))
        terminal = self.terminal([self.bin / "tml-uploader", "--host", server.host, "--verbose", file], self.home)
        terminal.log_in(server)
        terminal.expect(f"[1/1] Uploading {file} OK (")
        terminal.expect("Done. Files uploaded successful: 1. Files that failed to upload: 0.")
        terminal.rest()
        self.assertEqual(terminal.code, 0)
        self.assert_no_keys(terminal.text, server.password, server.api_key, server.hmac_key)
        self.assertEqual(server.samples()[0]["signature"], "verified")
        self.put("wave.1.csv", csv_text(2))
        code, out, _ = run([self.bin / "tml-uploader", "--host", server.host, "--no-input", file], {"HOME": self.home})
        self.assertEqual(code, 0, out)
        self.assertIn("training  wave   1", out)

    def test_dry_run_needs_no_server(self):
        self.put("i/a.jpg", b"\xff\xd8")
        self.put("i/bounding_boxes.labels", json.dumps({"version": 1, "type": "bounding-box-labels", "boundingBoxes": {
            "a.jpg": [{"label": "cup", "x": 0, "y": 0, "width": 5, "height": 5}]}}))
        code, out, _ = run([self.bin / "tml-uploader", "--json", "--dry-run", "--category", "split", self.folder / "i"], {"HOME": self.home})
        event = json.loads(out.splitlines()[0])
        self.assertEqual((code, event["category"], event["size"], event["side_files"]), (0, "split", 2, ["bounding_boxes.labels"]))

    def test_errors_have_their_exit_codes(self):
        server = self.server()
        file = self.put("a.csv", csv_text(1))
        code, out, _ = run([self.bin / "tml-uploader", "--json", "--host", server.host, "--api-key", "ei_wrong", file], {"HOME": self.home})
        self.assertEqual(code, 7, out)
        code, out, _ = run([self.bin / "tml-uploader", "--json", "--no-input", "--host", server.host, file], {"HOME": self.home})
        self.assertEqual(code, 2, out)
        server.kill()
        self.upload(server, file, "--retries", "0", expect=8)
        self.upload(server, "--greengrass", file, expect=2)

    def test_broken_tables_and_sounds_are_named_before_they_travel(self):
        server = self.server()
        gap = self.put("gap.csv", "timestamp,x\n0,1\n10,2\n30,3\n40,4\n")
        bare = self.put("bare.csv", "0.1,0.2\n0.3,0.4\n")
        cut = self.put("cut.wav", wav()[:-100])
        events = self.upload(server, gap, bare, cut, self.put("good.wav", wav()), expect=3)
        errors = {event["name"]: event.get("error", "") for event in named(events, "file")}
        self.assertIn("line 4, column 1", errors["gap.csv"])
        self.assertIn("--csv-", errors["bare.csv"])
        self.assertIn("byte", errors["cut.wav"])
        self.assertEqual([sample["filename"] for sample in server.samples()], ["good.wav"])
        self.assertEqual(self.summary(self.upload(server, gap, bare, "--no-check"))["uploaded"], 2)

    def test_a_sound_as_a_signed_document(self):
        server = self.server()
        self.put("tone.wav", wav(frames=1000, rate=16000, channels=2))
        self.upload(server, self.folder / "tone.wav", "--wav-as", "document", "--label", "tone", "--hmac-key", server.hmac_key)
        sample = server.samples()[0]
        self.assertEqual((sample["filename"], sample["label"], sample["signature"]), ("tone.cbor", "tone", "verified"))
        document = acquisition.decode(server.raw(sample["id"]))
        self.assertTrue(document.verify(server.hmac_key))
        self.assertEqual((document.payload["interval_ms"], document.readings), (0.0625, 1000))
        self.assertEqual(document.tail[:6], struct.pack("<3h", 50, 51, 52))

    def test_an_outage_is_waited_out(self):
        server = self.server()
        # More events than the pipe between the uploader and this test holds: it cannot be done before the first one is read.
        for n in range(3000):
            self.put(f"set/a{n}.csv", csv_text(n, 3))
        killed = []

        def kill_once(process, event):
            if event.get("event") == "file" and not killed:
                killed.append(True)
                server.process.process.kill()

        upload = self.start(server, self.folder / "set", "--allow-duplicates", on_event=kill_once)
        upload.wait_named("retry")
        server.process.join()
        server.start()
        server.wait_ready()
        self.assertEqual(upload.join(), 0)
        hashes = sorted(sample["sha256"] for sample in server.samples())
        self.assertEqual(hashes, sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in (self.folder / "set").iterdir()))

    def test_an_interrupted_upload_is_resumed(self):
        server = self.server()
        for n in range(3000):
            self.put(f"set/a{n}.csv", csv_text(n, 3))
        upload = self.start(server, self.folder / "set", "--allow-duplicates")
        sent = upload.wait_named("file")["path"]
        upload.process.send_signal(signal.SIGINT)
        self.assertEqual(upload.join(), 130)
        self.assertEqual(len(self.journals()), 1)
        before = named(upload.events, "summary")[-1]
        self.assertGreater(before["not_sent"], 0)
        Path(sent).write_text("timestamp,x,y\n0,7,7\n")
        after = self.summary(self.upload(server, self.folder / "set", "--allow-duplicates", "--resume"))
        self.assertEqual(after["done"] + after["uploaded"], 3000)
        self.assertEqual(after["changed"], 1)
        self.assertGreaterEqual(len(server.samples()), 3000)
        self.assertEqual(self.journals(), [])

    def test_real_data_there_and_back(self):
        data = shared_data()
        if data is None:
            self.skipTest("no ../shared/data: the gestures export and the fan recordings are not there")
        server = self.server()
        self.upload(server, "--info-file", data / "gestures" / "info.labels")
        fan = self.summary(self.upload(server, data / "ceiling-fan", "--label-from", "folder", "--csv-axes", "x,y,z", "--frequency", "200"))
        self.upload(server, data / "speech", "--category", "testing")
        manifest = json.loads((data / "gestures" / "info.labels").read_text())["files"]
        wanted = {hashlib.sha256((data / "gestures" / one["path"]).read_bytes()).hexdigest(): (one["label"]["label"], one["category"])
                  for one in manifest}
        for path in data.glob("ceiling-fan/*/*.csv"):
            wanted[hashlib.sha256(path.read_bytes()).hexdigest()] = (path.parent.name, "training")
        for path in data.glob("speech/*.wav"):
            wanted[hashlib.sha256(path.read_bytes()).hexdigest()] = (path.name.split(".")[0], "testing")
        self.assertEqual(fan["uploaded"], len(list(data.glob("ceiling-fan/*/*.csv"))))
        out = self.folder / "export"
        code, _, err = server.command("export", "--out", out)
        self.assertEqual(code, 0, err)
        exported = json.loads((out / "info.labels").read_text())["files"]
        found = {hashlib.sha256((out / one["path"]).read_bytes()).hexdigest(): (one["label"].get("label"), one["category"]) for one in exported}
        self.assertEqual(found, wanted)
        described = [one for one in exported if one["label"].get("label", "").startswith("fan_")]
        self.assertEqual({one["metadata"]["csv_axes"] for one in described}, {"x,y,z"})
        # Our own export is uploaded to another server and comes back the same.
        second = self.server(name="second")
        self.upload(second, "--info-file", out / "info.labels")
        again = {sample["sha256"]: (sample["label"], sample["category"]) for sample in second.samples()}
        self.assertEqual(again, wanted)
        self.assertEqual(second.command("export", "--out", self.folder / "export2")[0], 0)
        twice = json.loads((self.folder / "export2" / "info.labels").read_text())["files"]
        self.assertEqual(sorted(one["name"] for one in twice), sorted(one["name"] for one in exported))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
