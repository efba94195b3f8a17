# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
"""Ingestion (wire reference 4.3 to 4.6, 5, 6.2): forms, rules, replays, bounds, export and verify."""
import errno
import hashlib
import hmac
import json
import os
import socket
import struct
import sqlite3
import time
import unittest
import uuid

from support import Server, ServerTest, document, multipart


def wav(frames=1600, rate=16000):
    data = b"".join(struct.pack("<h", (i * 37) % 2000 - 1000) for i in range(frames))
    return (b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * 2, 2, 16)
            + b"data" + struct.pack("<I", len(data)) + data)


class Ingestion(ServerTest):
    def newest(self):
        return self.server.samples("?limit=1")["samples"][0]

    def test_cbor_document_is_stored_as_received(self):
        body = document(self.server.hmac_key)
        status, name = self.server.ingest("/api/training/data", body, x_file_name="idle.01", content_type="application/cbor")
        self.assertEqual((status, name), (200, b"idle.01"))
        sample = self.newest()
        self.assertEqual(sample["signature"], "verified")
        self.assertEqual(sample["label"], "idle")
        self.assertEqual((sample["valuesCount"], sample["intervalMs"], sample["totalLengthMs"]), (2, 10, 20))
        self.assertEqual(sample["deviceName"], "board-1")
        self.assertEqual(sample["sha256"], hashlib.sha256(body).hexdigest())
        status, raw, _ = self.server.http("GET", self.server.api, f"/v1/api/1/raw-data/{sample['id']}/raw", None, {"x-api-key": self.server.key})
        self.assertEqual(raw, body)

    def test_json_document_and_encoded_label(self):
        status, _ = self.server.ingest("/api/testing/data", document(self.server.hmac_key, as_json=True), X_File_Name="a%20b", X_Label="caf%C3%A9%201.5", content_type="application/json")
        self.assertEqual(status, 200)
        sample = self.newest()
        self.assertEqual((sample["label"], sample["filename"], sample["category"], sample["signature"]), ("café 1.5", "a b", "testing", "verified"))
        self.server.ingest("/api/testing/data", document(self.server.hmac_key), x_file_name="x", x_label="100%")
        self.assertEqual(self.newest()["label"], "100%")
        self.server.ingest("/api/testing/data", document(self.server.hmac_key), x_file_name="walk.1", x_label="", x_no_label="1")
        self.assertIsNone(self.newest()["label"])

    def test_signature_states(self):
        for body, state in ((document("f" * 32), "failed"), (document(self.server.hmac_key, signed=False), "unsigned")):
            status, _ = self.server.ingest("/api/training/data", body, x_file_name="s")
            self.assertEqual((status, self.newest()["signature"]), (200, state))

    def test_old_hmac_key_still_verifies(self):
        old = document(self.server.hmac_key)
        code, lines = self.server.run("key", "create", "--hmac")
        self.assertEqual(code, 0)
        time_limit = time.monotonic() + 10
        while self.server.call("GET", "/v1/api/1/devkeys/hmac")[1]["hmacKey"] != lines[0]["key"]:
            self.assertLess(time.monotonic(), time_limit)
        ids = []
        for body in (old, document(lines[0]["key"])):
            self.server.ingest("/api/training/data", body, x_file_name="k")
            ids.append((self.newest()["signature"], self.newest()["hmacKeyId"]))
        self.assertEqual(ids, [("verified", 1), ("verified", lines[0]["id"])])
        self.server.run("key", "revoke", "--hmac", str(lines[0]["id"]))

    def test_split_rule(self):
        for i in range(12):
            body = document(self.server.hmac_key, nonce=f"n{i}")
            self.server.ingest("/api/split/data", body, x_file_name="split")
            digit = hashlib.md5(body).hexdigest().lstrip("f")[0]
            self.assertEqual(self.newest()["category"], "training" if digit in "0123456789ab" else "testing")

    def test_envelope_makes_replays_harmless(self):
        body, envelope = document(self.server.hmac_key), str(uuid.uuid4())
        before = self.server.samples()["totalCount"]
        first = self.server.ingest("/api/training/data", body, x_file_name="e", x_add_date_id="1", x_tml_envelope=envelope)
        again = self.server.ingest("/api/training/data", body, x_file_name="e", x_add_date_id="1", x_tml_envelope=envelope)
        self.assertEqual(first, again)
        self.assertEqual(first[0], 200)
        self.assertEqual(self.server.samples()["totalCount"], before + 1)
        status, text = self.server.ingest("/api/training/data", document(self.server.hmac_key), x_file_name="e", x_tml_envelope=envelope)
        self.assertEqual(status, 400, text)

    def test_duplicates_only_where_disallowed(self):
        body = document(self.server.hmac_key)
        self.assertEqual(self.server.ingest("/api/training/data", body, x_file_name="d")[0], 200)
        self.assertEqual(self.server.ingest("/api/training/data", body, x_file_name="d")[0], 200)
        status, text = self.server.ingest("/api/training/data", body, x_file_name="d", x_disallow_duplicates="true")
        self.assertEqual(status, 400)
        self.assertIn(b"duplicate", text)

    def test_refusals(self):
        good = document(self.server.hmac_key)
        self.assertEqual(self.server.ingest("/api/training/data", good)[0], 421)
        self.assertEqual(self.server.ingest("/api/training/data", good, x_file_name="a", x_api_key="ei_wrong")[0], 401)
        self.assertEqual(self.server.http("POST", self.server.ingestion, "/api/training/data", good, {"x-file-name": "a"})[0], 401)
        self.assertEqual(self.server.ingest("/api/nowhere/data", good, x_file_name="a")[0], 404)
        self.assertEqual(self.server.ingest("/api/training/data", b"{}", x_file_name="a")[0], 400)
        self.assertEqual(self.server.ingest("/api/training/data", b"", x_file_name="a")[0], 400)
        deep = b'{"protected":' + b"[" * 100_000
        self.assertEqual(self.server.ingest("/api/training/data", deep, x_file_name="a")[0], 400)
        self.assertEqual(self.server.ingest("/api/training/data", b"\xa1\x61a" + b"\x81" * 100_000, x_file_name="a")[0], 400)
        self.assertEqual(self.server.ingest("/api/training/data", good, x_file_name="a", x_metadata="{")[0], 400)
        status, text = self.server.ingest("/api/training/files", b"--x\r\nnothing", content_type="multipart/form-data; boundary=x")
        self.assertEqual((status, json.loads(text)["success"]), (400, False))

    def test_files_with_side_files(self):
        audio, document_json = wav(), document(self.server.hmac_key, as_json=True)
        labels = {"type": "structured-labels", "version": 1, "structuredLabels": {"a.wav": [
            {"startIndex": 0, "endIndex": 799, "label": "on"}, {"startIndex": 800, "endIndex": 1599, "label": "off"}]}}
        boxes = {"version": 1, "type": "bounding-box-labels", "boundingBoxes": {"c.jpg": [{"label": "cat", "x": 1, "y": 2, "width": 3, "height": 4}]}}
        body, kind = multipart([
            ("data", "a.wav", "audio/wav", audio), ("data", "b.json", "application/json", document_json),
            ("data", "c.jpg", "image/jpeg", b"\xff\xd8 not much of a picture"), ("data", "bad.json", "application/json", b"{"),
            ("data", "structured_labels.labels", "application/json", json.dumps(labels).encode()),
            ("data", "bounding_boxes.labels", "application/json", json.dumps(boxes).encode())])
        status, text = self.server.ingest("/api/training/files", body, content_type=kind, x_metadata='{"site":"bench 1"}', x_disallow_duplicates="1")
        answer = json.loads(text)
        self.assertEqual((status, answer["success"]), (200, True))
        self.assertEqual([f["success"] for f in answer["files"]], [True, True, True, False])
        got = {s["filename"]: s for s in self.server.samples("?limit=3")["samples"]}
        self.assertEqual(got["a.wav"]["labels"]["type"], "multi-label")
        self.assertEqual((got["a.wav"]["valuesCount"], got["a.wav"]["totalLengthMs"]), (1600, 100))
        self.assertEqual(got["b.json"]["signature"], "verified")
        self.assertEqual(got["c.jpg"]["boundingBoxes"][0]["label"], "cat")
        self.assertEqual(got["a.wav"]["metadata"], {"site": "bench 1"})
        again = json.loads(self.server.ingest("/api/training/files", body, content_type=kind, x_disallow_duplicates="1")[1])
        self.assertEqual([f["success"] for f in again["files"]], [False] * 4)
        gap = {"structuredLabels": {"a.wav": [{"startIndex": 1, "endIndex": 5, "label": "x"}]}}
        body, kind = multipart([("data", "a.wav", "audio/wav", audio), ("data", "structured_labels.labels", "application/json", json.dumps(gap).encode())])
        self.assertEqual(self.server.ingest("/api/training/files", body, content_type=kind)[0], 400)

    def test_document_with_attachment(self):
        image = b"\xff\xd8" + os.urandom(5000)
        mac = hmac.new(self.server.hmac_key.encode(), image, hashlib.sha256).hexdigest()
        whole = {"protected": {"ver": "v1", "alg": "HS256"}, "signature": "0" * 64, "payload": {
            "device_type": "PHONE", "interval_ms": 0, "sensors": [{"name": "image", "units": "rgba"}],
            "values": [f"Ref-BINARY-image/jpeg ({len(image)} bytes) {mac}"]}}
        blank = json.dumps(whole, separators=(",", ":")).encode()
        signed = blank.replace(b"0" * 64, hmac.new(self.server.hmac_key.encode(), blank, hashlib.sha256).hexdigest().encode(), 1)
        for content, state in ((image, "verified"), (image[:-1] + b"!", "failed")):
            body, kind = multipart([("message", "message.json", "application/json", signed), ("image", "image.jpg", "image/jpeg", content)])
            status, _ = self.server.ingest("/api/training/data", body, content_type=kind, x_file_name="photo")
            self.assertEqual(status, 200)
            sample = self.newest()
            self.assertEqual(sample["signature"], state)
            path = f"/v1/api/1/raw-data/{sample['id']}/attachments/0"
            self.assertEqual(self.server.http("GET", self.server.api, path, None, {"x-api-key": self.server.key})[1], content)

    def test_detached_signature(self):
        audio = wav(100)
        for signature, state in ((hmac.new(self.server.hmac_key.encode(), audio, hashlib.sha256).hexdigest(), "verified"), ("0" * 64, "failed")):
            body, kind = multipart([("data", "sig.wav", "audio/wav", audio)])
            self.server.ingest("/api/training/files", body, content_type=kind, x_tml_signature=signature)
            self.assertEqual(self.newest()["signature"], state)

    def test_large_body_goes_to_a_file(self):
        body = document(self.server.hmac_key, values=[[i * 0.25, -i * 0.5] for i in range(150_000)])
        self.assertGreater(len(body), 1 << 20)
        self.assertEqual(self.server.ingest("/api/training/data", body, x_file_name="big")[0], 200)
        sample = self.newest()
        self.assertEqual((sample["signature"], sample["sizeBytes"]), ("verified", len(body)))
        name = hashlib.sha256(body).hexdigest()
        self.assertTrue(os.path.exists(os.path.join(self.server.event["data"], "blobs", name[:2], name)))

    def test_oversize_is_refused_before_it_is_read(self):
        with socket.create_connection(("127.0.0.1", self.server.ingestion), timeout=20) as s:
            s.sendall(f"POST /api/training/data HTTP/1.1\r\nhost: x\r\nx-api-key: {self.server.key}\r\nx-file-name: a\r\n"
                      f"content-length: {200 << 20}\r\nexpect: 100-continue\r\n\r\n".encode())
            self.assertIn(b" 413 ", s.recv(200))

    def test_chunked_pipelined_and_continue(self):
        body = document(self.server.hmac_key)
        head = f"POST /api/training/data HTTP/1.1\r\nhost: x\r\nx-api-key: {self.server.key}\r\nx-file-name: c\r\n"
        half = len(body) // 2
        chunked = (head + "transfer-encoding: chunked\r\n\r\n").encode() + b"%x\r\n" % half + body[:half] + b"\r\n%x\r\n" % (len(body) - half) + body[half:] + b"\r\n0\r\n\r\n"
        plain = (head + f"content-length: {len(body)}\r\n\r\n").encode() + body
        with socket.create_connection(("127.0.0.1", self.server.ingestion), timeout=20) as s:
            s.sendall(chunked + plain + chunked)
            got = b""
            while got.count(b"HTTP/1.1 200") < 3:
                piece = s.recv(65536)
                self.assertTrue(piece, got)
                got += piece
            s.sendall((head + f"content-length: {len(body)}\r\nexpect: 100-continue\r\n\r\n").encode())
            self.assertIn(b"100 Continue", s.recv(100))
            s.sendall(body)
            self.assertIn(b"HTTP/1.1 200", s.recv(65536))

    def test_garbage_is_answered_and_the_server_lives(self):
        for junk in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n", b"A" * 40_000):
            with socket.create_connection(("127.0.0.1", self.server.ingestion), timeout=20) as s:
                try:  # The server may hang up on it before all of it was sent.
                    s.sendall(junk)
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(65536):
                        pass
                except OSError as error:
                    self.assertIn(error.errno, (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN))
        self.assertEqual(self.server.call("GET", "/healthz", key="", port=self.server.ingestion)[0], 200)


class Slow(ServerTest):
    def test_slow_header_is_bounded(self):
        start = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.server.ingestion), timeout=30) as s:
            s.sendall(b"POST /api/training/data HTTP/1.1\r\n")
            s.settimeout(0.5)
            closed = False
            while not closed and time.monotonic() - start < 25:
                try:
                    s.sendall(b"a: b\r\n")
                    closed = s.recv(100) == b""
                except socket.timeout:
                    continue
                except OSError:
                    closed = True
        self.assertTrue(closed)
        self.assertLess(time.monotonic() - start, 20)


class Strict(ServerTest):
    flags = ("--strict",)

    def test_only_valid_signatures(self):
        self.assertEqual(self.server.ingest("/api/training/data", document(self.server.hmac_key), x_file_name="a")[0], 200)
        self.assertEqual(self.server.ingest("/api/training/data", document("f" * 32), x_file_name="a")[0], 400)
        self.assertEqual(self.server.ingest("/api/training/data", document(self.server.hmac_key, signed=False), x_file_name="a")[0], 400)


class ExportAndVerify(ServerTest):
    def test_export_is_byte_for_byte_and_verify_finds_damage(self):
        bodies = {}
        for i in range(6):
            body = document(self.server.hmac_key, values=[[float(j), i * 0.5] for j in range(10 if i else 20_000)])
            self.server.ingest("/api/training/data" if i % 2 else "/api/testing/data", body, x_file_name=f"walk.{i}", x_metadata='{"n":"%d"}' % i)
            bodies[f"walk.{i}"] = body
        out = os.path.join(self.server.data, "out")
        code, lines = self.server.run("export", "--out", out)
        self.assertEqual((code, lines[-1]["samples"]), (0, 6))
        with open(os.path.join(out, "info.labels"), encoding="utf-8") as file:
            manifest = json.load(file)
        self.assertEqual(manifest["version"], 1)
        for entry in manifest["files"]:
            with open(os.path.join(out, entry["path"]), "rb") as file:
                self.assertEqual(file.read(), bodies[entry["name"]])
            self.assertEqual(entry["label"], {"type": "label", "label": "walk"})
            self.assertEqual(entry["metadata"], {"n": entry["name"][-1]})
            self.assertTrue(entry["path"].startswith(entry["category"] + "/"))
        self.assertEqual(self.server.run("export", "--out", out)[0], 2)
        code, lines = self.server.run("verify")
        self.assertEqual((code, lines[-1]["samples"], lines[-1]["signatures_checked"], lines[-1]["damaged"]), (0, 6, 6, 0))
        big = hashlib.sha256(bodies["walk.0"]).hexdigest()
        path = os.path.join(self.server.event["data"], "blobs", big[:2], big)
        with open(path, "r+b") as file:
            file.seek(5000)
            byte = file.read(1)
            file.seek(5000)
            file.write(bytes([byte[0] ^ 1]))
        db = sqlite3.connect(os.path.join(self.server.event["data"], "samples.db"))
        payload = bytearray(db.execute("select bytes from payloads where sample_id = 3").fetchone()[0])
        payload[-3] ^= 1
        db.execute("update payloads set bytes = ? where sample_id = 3", (bytes(payload),))
        db.commit()
        db.close()
        code, lines = self.server.run("verify")
        self.assertEqual(code, 9)
        self.assertEqual(sorted(line["sampleId"] for line in lines if line["event"] == "damaged"), [1, 3])


if __name__ == "__main__":
    unittest.main(verbosity=2)
