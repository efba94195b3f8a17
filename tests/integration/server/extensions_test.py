# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
"""Extensions of ingestion (docs/server.md): headers of parts, known hashes, answers per file, signatures of any file."""
import hashlib
import hmac
import json
import unittest
import uuid

from support import ServerTest, document, multipart


class Extensions(ServerTest):
    def newest(self, count=1):
        return self.server.samples(f"?limit={count}")["samples"]

    def mac(self, data):
        return hmac.new(self.server.hmac_key.encode(), data, hashlib.sha256).hexdigest()

    def files(self, parts, category="training", **headers):
        body, kind = multipart(parts)
        status, text = self.server.ingest(f"/api/{category}/files", body, content_type=kind, **headers)
        answer = json.loads(text)
        self.assertEqual((status, answer["success"]), (200, True), text)
        return answer["files"]

    def known(self, hashes, key=None):
        return self.server.call("POST", "/api/known-hashes", {"sha256": hashes}, key=key, port=self.server.ingestion)

    def test_extensions_are_told(self):
        status, answer, headers = self.server.call("GET", "/api/extensions", port=self.server.ingestion)
        self.assertEqual((status, answer["success"], answer["extensions"]), (200, True, ["part-headers", "known-hashes"]))
        self.assertEqual((answer["maxFilesPerRequest"], answer["maxFileBytes"], answer["maxRequestBytes"]), (1000, 100 << 20, 2 << 30))
        self.assertIn("x-tml-server", headers)
        self.assertEqual(self.server.call("GET", "/api/extensions", key="wrong", port=self.server.ingestion)[0], 401)
        self.assertEqual(self.server.call("GET", "/api/extensions", key="", port=self.server.ingestion)[0], 401)
        self.assertEqual(self.server.call("POST", "/api/extensions", {}, port=self.server.ingestion)[0], 405)

    def test_known_hashes(self):
        body = document(self.server.hmac_key)
        self.server.ingest("/api/training/data", body, x_file_name="k")
        there, absent = hashlib.sha256(body).hexdigest(), hashlib.sha256(b"absent").hexdigest()
        status, answer, _ = self.known([there, absent, there.upper()])
        self.assertEqual((status, answer), (200, {"success": True, "known": [True, False, True]}))
        self.assertEqual(self.known([])[1]["known"], [])
        self.assertEqual(self.known([absent] * 1000)[1]["known"], [False] * 1000)
        for bad in ([absent] * 1001, ["00"], [1], ["z" * 64], absent):
            status, answer, _ = self.known(bad)
            self.assertEqual((status, answer["success"]), (400, False), answer)
        self.assertEqual(self.server.http("POST", self.server.ingestion, "/api/known-hashes", b"{", {"x-api-key": self.server.key})[0], 400)
        self.assertEqual(self.known([absent], key="wrong")[0], 401)
        self.assertEqual(self.server.http("POST", self.server.ingestion, "/api/known-hashes", b" " * 300_000, {"x-api-key": self.server.key})[0], 413)

    def test_part_headers_speak_for_their_file_only(self):
        nonce = uuid.uuid4().hex
        one, two, three, four = (f"timestamp,x\n0,{i}\n10,{nonce}".encode() for i in range(4))
        entries = self.files([
            ("data", "walk.1.csv", "text/csv", one, {"X-Label": "caf%C3%A9", "x-metadata": '{"site":"a"}'}),
            ("data", "walk.2.csv", "text/csv", two, {"x-no-label": "1"}),
            ("data", "walk.3.csv", "text/csv", three, {"x-label": ""}),
            ("data", "walk.4.csv", "text/csv", four)],
            x_label="of%20all", x_metadata='{"site":"b"}')
        self.assertEqual([e["success"] for e in entries], [True] * 4)
        got = {s["filename"]: s for s in self.newest(4)}
        self.assertEqual([got[f"walk.{i}.csv"]["label"] for i in range(1, 5)], ["café", None, "walk", "of all"])
        self.assertEqual([got[f"walk.{i}.csv"]["metadata"]["site"] for i in range(1, 5)], ["a", "b", "b", "b"])
        self.assertEqual([e["sampleId"] for e in entries], sorted(s["id"] for s in got.values()))
        again = self.files([("data", "walk.1.csv", "text/csv", one, {"x-disallow-duplicates": "1"}), ("data", "walk.2.csv", "text/csv", two)])
        self.assertEqual([e["success"] for e in again], [False, True])
        self.assertEqual((again[0]["sampleId"], again[0]["fileName"]), (entries[0]["sampleId"], "walk.1.csv"))
        self.assertIn("duplicate", again[0]["error"])

    def test_envelope_per_part_replays_and_conflicts(self):
        ids = [str(uuid.uuid4()) for _ in range(3)]
        content = [f"timestamp,x\n0,{i}\n10,1".encode() for i in ids]
        parts = [("data", f"e{i}.csv", "text/csv", content[i], {"x-tml-envelope": ids[i]}) for i in range(3)]
        before = self.server.samples()["totalCount"]
        first = self.files(parts[:2])
        again = self.files(parts)
        self.assertEqual(self.server.samples()["totalCount"], before + 3)
        self.assertNotIn("existing", first[0])
        self.assertEqual([e.get("existing", False) for e in again], [True, True, False])
        self.assertEqual([e["sampleId"] for e in again[:2]], [e["sampleId"] for e in first])
        mixed = self.files([
            ("data", "e0.csv", "text/csv", content[0], {"x-tml-envelope": ids[0]}),
            ("data", "other.csv", "text/csv", b"timestamp,x\n0,9\n10,9", {"x-tml-envelope": ids[1]}),
            ("data", "bad.json", "application/json", b"{", {"x-tml-envelope": "fresh"}),
            ("data", "long.csv", "text/csv", b"1", {"x-tml-envelope": "x" * 129}),
            ("data", "meta.csv", "text/csv", b"1", {"x-metadata": "["}),
            ("data", "twice.csv", "text/csv", content[2], {"x-tml-envelope": "twice"}),
            ("data", "twice.csv", "text/csv", content[2], {"x-tml-envelope": "twice"})])
        self.assertEqual([e["success"] for e in mixed], [True, False, False, False, False, True, True])
        self.assertEqual([e["fileName"] for e in mixed[1:5]], ["e1.csv", "bad.json", "long.csv", "meta.csv"])
        self.assertEqual(mixed[5]["sampleId"], mixed[6]["sampleId"])
        self.assertTrue(mixed[6]["existing"])
        self.assertEqual(self.server.samples()["totalCount"], before + 4)

    def test_envelope_of_a_request_is_numbered(self):
        envelope = str(uuid.uuid4())
        parts = [("data", f"n{i}.csv", "text/csv", f"{envelope}{i}".encode()) for i in range(3)]
        self.files(parts, x_tml_envelope=envelope)
        self.assertEqual({s["envelope"] for s in self.newest(3)}, {envelope, envelope + "#1", envelope + "#2"})

    def test_any_file_can_carry_a_signature(self):
        for name, kind in (("a.wav", "audio/wav"), ("a.csv", "text/csv"), ("a.jpg", "image/jpeg"), ("a.parquet", "application/octet-stream"),
                           ("a.txt", "text/plain"), ("a.mp4", "video/mp4"), ("a.avi", "video/avi"), ("a.png", "image/png")):
            data = uuid.uuid4().bytes + name.encode()
            for signature, state in ((self.mac(data), "verified"), (self.mac(data).upper(), "verified"), (self.mac(data + b"x"), "failed"), ("short", "failed"), (None, "unsigned")):
                fields = {"x-tml-signature": signature} if signature else {}
                entry, = self.files([("data", name, kind, data, fields)])
                self.assertEqual(entry["signature"], state, name)
                sample, = self.newest()
                self.assertEqual((sample["signature"], sample.get("uploadSignature")), (state, state if signature else None))
                self.assertEqual(sample["hmacKeyId"], 1 if state == "verified" else None)

    def test_a_documents_own_signature_stays(self):
        for own, state in ((document(self.server.hmac_key, as_json=True), "verified"), (document("f" * 32, as_json=True), "failed")):
            for signature, upload in ((self.mac(own), "verified"), ("0" * 64, "failed")):
                entry, = self.files([("data", "d.json", "application/json", own, {"x-tml-signature": signature})])
                self.assertEqual((entry["signature"], entry["uploadSignature"]), (state, upload))
                sample, = self.newest()
                self.assertEqual((sample["signature"], sample["uploadSignature"]), (state, upload))
        unsigned = document(self.server.hmac_key, as_json=True, signed=False)
        entry, = self.files([("data", "d.json", "application/json", unsigned, {"x-tml-signature": self.mac(unsigned)})])
        self.assertEqual(entry["signature"], "verified")
        self.assertEqual(self.server.run("verify")[0], 0)

    def test_names_that_label_files_cannot_tell_apart(self):
        boxes = {"version": 1, "type": "bounding-box-labels", "boundingBoxes": {"a.jpg": [{"label": "x", "x": 1, "y": 1, "width": 2, "height": 2}]}}
        side = ("data", "bounding_boxes.labels", "application/json", json.dumps(boxes).encode())
        entries = self.files([("data", "a.jpg", "image/jpeg", b"one"), ("data", "b/a.jpg", "image/jpeg", b"two"), ("data", "c.jpg", "image/jpeg", b"three"), side])
        self.assertEqual([e["success"] for e in entries], [False, False, True])
        own = json.dumps(boxes["boundingBoxes"]["a.jpg"])
        entries = self.files([("data", "a.jpg", "image/jpeg", b"one", {"x-bounding-boxes": own}), ("data", "b/a.jpg", "image/jpeg", b"two")])
        self.assertEqual([e["success"] for e in entries], [True, True])
        self.assertEqual([s.get("boundingBoxes") for s in self.newest(2)], [None, boxes["boundingBoxes"]["a.jpg"]])
        attached = {"version": 1, "type": "attachments", "attachments": {"s1.csv": [{"filename": "photo.jpg"}], "s2.csv": [{"filename": "photo.jpg"}]}}
        body, kind = multipart([("data", "s1.csv", "text/csv", b"1"), ("data", "photo.jpg", "image/jpeg", b"p1"), ("data", "s2.csv", "text/csv", b"2"),
                                ("data", "photo.jpg", "image/jpeg", b"p2"), ("data", "attachments.labels", "application/json", json.dumps(attached).encode())])
        status, text = self.server.ingest("/api/training/files", body, content_type=kind)
        self.assertEqual(status, 400, text)


class StrictUploads(ServerTest):
    flags = ("--strict",)

    def test_a_wrong_signature_beside_a_file_is_refused_alone(self):
        data = b"timestamp,x\n0,1\n10,2"
        mac = hmac.new(self.server.hmac_key.encode(), data, hashlib.sha256).hexdigest()
        good = document(self.server.hmac_key, as_json=True)
        body, kind = multipart([
            ("data", "good.csv", "text/csv", data, {"x-tml-signature": mac}), ("data", "bad.csv", "text/csv", data, {"x-tml-signature": "0" * 64}),
            ("data", "none.csv", "text/csv", data), ("data", "d.json", "application/json", good, {"x-tml-signature": "0" * 64})])
        status, text = self.server.ingest("/api/training/files", body, content_type=kind)
        entries = json.loads(text)["files"]
        self.assertEqual((status, [e["success"] for e in entries]), (200, [True, False, True, False]))
        self.assertEqual([e["signature"] for e in entries], ["verified", "failed", "unsigned", "failed"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
