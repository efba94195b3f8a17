# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
"""Export byte for byte: what was uploaded comes out again with everything that was said of it, and imports as the same dataset."""
import hashlib
import json
import os
import unittest
import urllib.parse
from pathlib import Path

from support import Server, document, multipart

SHARED = Path(os.environ.get("TML_SHARED_DIR", Path(__file__).resolve().parents[4] / "shared")) / "data"
KINDS = {".json": "application/json", ".cbor": "application/cbor", ".csv": "text/csv", ".wav": "audio/wav", ".jpg": "image/jpeg",
         ".png": "image/png", ".parquet": "application/vnd.apache.parquet"}


def side(name, member, kind, file_name, value):
    return ("data", name, "application/json", json.dumps({"version": 1, "type": kind, member: {file_name: value}}).encode())


def upload_entry(server, folder, entry):
    """One entry of info.labels as the ecosystem's uploader sends it (wire reference 4.3, 4.5)."""
    path = folder / entry["path"]
    extension = path.suffix
    name = entry["name"] + extension if entry.get("name") else path.name
    parts = [("data", name, KINDS.get(extension.lower(), "application/octet-stream"), path.read_bytes())]
    label, headers = entry["label"], {}
    if label["type"] == "label":
        headers["x_label"] = urllib.parse.quote(label["label"])
    elif label["type"] == "unlabeled":
        headers.update(x_label="", x_no_label="1")
    elif label["type"] == "multi-label":
        parts.append(side("structured_labels.labels", "structuredLabels", "structured-labels", name, label["labels"]))
    if entry.get("boundingBoxes"):
        parts.append(side("bounding_boxes.labels", "boundingBoxes", "bounding-box-labels", name, entry["boundingBoxes"]))
    if entry.get("attachments"):
        attached = [Path(p) for p in entry["attachments"]]
        parts += [("data", p.name, "application/octet-stream", (folder / p).read_bytes()) for p in attached]
        parts.append(side("attachments.labels", "attachments", "attachments", name, [{"filename": p.name} for p in attached]))
    if label["type"] == "keyvalue-labels":
        parts.append(side("label_map.labels", "labels", "label-map-labels", name, label["labels"]))
    if entry.get("metadata"):
        headers["x_metadata"] = json.dumps(entry["metadata"])
    body, kind = multipart(parts)
    status, text = server.ingest(f"/api/{entry['category']}/files", body, content_type=kind, **headers)
    answer = json.loads(text)
    assert status == 200 and len(answer["files"]) == 1 and answer["files"][0]["success"], answer


def read_manifest(folder):
    text = (folder / "info.labels").read_text(encoding="utf-8")
    if not text.startswith('{"__ndjson":true'):
        return json.loads(text)["files"]
    return [json.loads(line)["__item"] for line in text.splitlines()[1:]]


def facts(folder, entry):
    """All that makes an entry, without what an export chooses itself: the paths."""
    said = {key: value for key, value in entry.items() if key not in ("path", "attachments")}
    said["sha256"] = hashlib.sha256((folder / entry["path"]).read_bytes()).hexdigest()
    said["attached"] = [(Path(p).name, hashlib.sha256((folder / p).read_bytes()).hexdigest()) for p in entry.get("attachments", [])]
    assert entry["tml"]["sha256"] == said["sha256"]
    return json.dumps(said, sort_keys=True)


class Export(unittest.TestCase):
    def server(self):
        server = Server().start()
        self.addCleanup(server.close)
        return server

    def export(self, server, *flags):
        out = Path(server.data) / ("out" + "".join(flags))
        code, lines = server.run("export", "--out", str(out), *flags)
        self.assertEqual(code, 0, lines)
        return out, read_manifest(out)

    def check_round_trip(self, entries, folder):
        """Uploads, exports, imports the export elsewhere and exports that; returns the first export."""
        first = self.server()
        for entry in entries:
            upload_entry(first, folder, entry)
        out, exported = self.export(first)
        self.assertEqual(len(exported), len(entries))
        self.assertEqual(len({e["path"] for e in exported}), len(entries))
        for entry, got in zip(entries, exported):
            self.assertEqual((folder / entry["path"]).read_bytes(), (out / got["path"]).read_bytes())
            for key in ("category", "label", "metadata", "boundingBoxes"):
                self.assertEqual(entry.get(key), got.get(key), key)
            self.assertEqual(entry.get("name") or Path(entry["path"]).stem, got["name"])
            self.assertEqual([(folder / p).read_bytes() for p in entry.get("attachments", [])], [(out / p).read_bytes() for p in got.get("attachments", [])])
        second = self.server()
        for entry in exported:
            upload_entry(second, out, entry)
        again, imported = self.export(second, "--ndjson")
        self.assertEqual([facts(out, e) for e in exported], [facts(again, e) for e in imported])
        for server in (first, second):
            self.assertEqual(server.run("verify")[0], 0)
        return out, exported

    def test_everything_that_can_be_said_of_a_sample(self):
        maker = self.server()
        folder = Path(maker.data) / "dataset"
        for name in ("a", "b"):
            (folder / name).mkdir(parents=True)
        files = {"a/0003.csv": b"timestamp,x\n0,1\n10,2\n", "b/0003.csv": b"timestamp,x\n0,3\n10,4\n", "a/photo.jpg": b"\xff\xd8\xff\xe0 picture",
                 "a/big.png": os.urandom(200_000), "a/shake.json": document("f" * 32, as_json=True), "a/shake.cbor": document("e" * 32),
                 "a/A b (1).WAV": b"RIFF....WAVE", "a/table.parquet": b"PAR1 not really PAR1", "a/many.csv": b"timestamp,x\n0,1\n10,2\n20,3\n30,4\n",
                 "a/x.jpg": b"attached picture", "b/caf\u00e9 plan.txt": b"attached text"}
        for name, data in files.items():
            (folder / name).write_bytes(data)
        label = {"type": "label", "label": "caf\u00e9 1.5"}
        ranges = [{"startIndex": 0, "endIndex": 1, "label": "on"}, {"startIndex": 2, "endIndex": 3, "label": "off", "labelMap": {"k": "v"}}]
        boxes = [{"label": "cat", "x": 1, "y": 2, "width": 3, "height": 4}, {"label": "dog", "x": 0.5, "y": 0, "width": 1.25, "height": 1}]
        entries = [
            {"path": "a/0003.csv", "category": "training", "label": label, "metadata": {"site": "bench \u00e9", "n": "1"}},
            {"path": "b/0003.csv", "category": "testing", "label": {"type": "unlabeled"}},
            {"path": "a/photo.jpg", "category": "validation", "label": label, "boundingBoxes": boxes},
            {"path": "a/big.png", "name": "named otherwise", "category": "post-processing", "label": label, "boundingBoxes": boxes[:1]},
            {"path": "a/shake.json", "category": "anomaly", "label": label, "attachments": ["a/x.jpg", "b/caf\u00e9 plan.txt"]},
            {"path": "a/shake.cbor", "category": "training", "label": {"type": "keyvalue-labels", "labels": {"who": "me", "where": "here"}}},
            {"path": "a/A b (1).WAV", "category": "training", "label": label},
            {"path": "a/table.parquet", "name": "-rf", "category": "training", "label": label},
            {"path": "a/many.csv", "name": "..hidden:*", "category": "training", "label": {"type": "multi-label", "labels": ranges}}]
        out, exported = self.check_round_trip(entries, folder)
        self.assertTrue(exported[6]["path"].endswith(".WAV"))
        self.assertFalse([e["path"] for e in exported if Path(e["path"]).name[0] in ".-"])
        self.assertEqual([e["tml"]["signature"] for e in exported[4:6]], ["failed", "failed"])
        self.assertEqual(exported[0]["tml"]["fileName"], exported[1]["tml"]["fileName"])
        self.assertEqual(sorted(p.name for p in out.iterdir()), ["anomaly", "attachments", "info.labels", "post-processing", "testing", "training", "validation"])

    def test_signature_states_are_exported(self):
        server = self.server()
        body, kind = multipart([("data", "s.csv", "text/csv", b"1", {"x-tml-signature": "0" * 64}), ("data", "u.csv", "text/csv", b"2")])
        server.ingest("/api/training/files", body, content_type=kind)
        _, exported = self.export(server)
        self.assertEqual([(e["tml"]["signature"], e["tml"].get("uploadSignature")) for e in exported],
                         [("failed", {"hex": "0" * 64, "state": "failed"}), ("unsigned", None)])

    @unittest.skipUnless((SHARED / "gestures").is_dir(), f"needs {SHARED / 'gestures'}")
    def test_gestures(self):
        folder = SHARED / "gestures"
        entries = json.loads((folder / "info.labels").read_text(encoding="utf-8"))["files"]
        self.assertEqual(len(self.check_round_trip(entries, folder)[1]), 72)

    @unittest.skipUnless((SHARED / "ceiling-fan").is_dir(), f"needs {SHARED / 'ceiling-fan'}")
    def test_ceiling_fan(self):
        folder = SHARED / "ceiling-fan"
        entries = [{"path": str(path.relative_to(folder)), "category": "training", "label": {"type": "label", "label": path.parent.name}}
                   for path in sorted(folder.glob("*/*.csv"))]
        self.assertGreater(len(entries), len({Path(e["path"]).name for e in entries}), "names should repeat")
        self.check_round_trip(entries, folder)


if __name__ == "__main__":
    unittest.main(verbosity=2)
