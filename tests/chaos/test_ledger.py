#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The chaos test's judge, judged: it must notice every kind of broken promise.
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from ledger import Ledger, audit  # noqa: E402


class Document:
    def __init__(self, nonce):
        self.nonce = nonce


def stored(number, label="a", envelope=None, nonce=None, verified=True, signature="verified", device="board"):
    facts = {"id": number, "filename": f"{label}.{number}", "deviceName": device, "label": label, "envelope": envelope or f"e{number}",
             "sha256": nonce or f"n{number}", "signature": signature}
    return facts, Document(nonce or f"n{number}"), verified


class Judge(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.marks = Path(folder.name) / "marks"
        self.ledger = Ledger(self.marks)
        self.ledger.begin("a")

    def board(self, event, **fields):
        self.ledger.board_event(None, {"event": event, **fields})

    def daemon(self, event, **fields):
        self.ledger.daemon_event(None, {"event": event, **fields})

    def audit(self, *samples):
        return audit({"board": self.ledger}, list(samples))

    def test_kept_promises(self):
        self.board("sample", file="/fs/a.1")
        self.daemon("sample_stored", envelope="e1", label="a", file="a.1")
        self.assertEqual(self.audit(stored(1)), ([], [], []))

    def test_file_lost_on_the_board(self):
        self.board("sample", file="/fs/a.1")
        self.board("sample", file="/fs/a.2")
        lost, _, _ = self.audit(stored(1))
        self.assertEqual(len(lost), 1)

    def test_spool_entry_lost(self):
        self.daemon("sample_stored", envelope="e1", label="a", file="a.1")
        self.assertTrue(self.audit()[0])
        self.assertTrue(self.audit(stored(1, envelope="another"))[0])

    def test_other_boards_do_not_keep_the_promise(self):
        self.board("sample", file="/fs/a.1")
        self.assertTrue(self.audit(stored(1, device="other"))[0])

    def test_duplicates(self):
        self.assertTrue(self.audit(stored(1), stored(2, envelope="e1"))[1])
        self.assertTrue(self.audit(stored(1), stored(2, nonce="n1"))[1])
        self.assertFalse(self.audit(stored(1), stored(2))[1])

    def test_signatures(self):
        self.assertTrue(self.audit(stored(1, verified=False))[2])
        self.assertTrue(self.audit(stored(1, signature="failed"))[2])
        facts, _, _ = stored(1)
        self.assertTrue(self.audit((facts, None, False))[2])

    def test_phases(self):
        seen = [self.ledger.phase()]
        for step in (lambda: self.board("capture"), lambda: self.board("sample", file="/fs/a.1"), lambda: self.daemon("sample_reading"),
                     lambda: self.daemon("sample_stored", envelope="e1", label="a", file="a.1"),
                     lambda: self.daemon("delivered", envelope="e1")):
            step()
            seen.append(self.ledger.phase())
        self.assertEqual(seen, ["idle", "capture", "readout", "spooling", "upload", "idle"])
        self.assertTrue(self.ledger.over())

    def test_commit_in_recovery_counts_as_spooling(self):
        self.board("sample", file="/fs/a.1")
        self.marks.write_bytes(b"1 B\n2 E\n3 B\n")
        self.assertEqual(self.ledger.phase(), "spooling")
        self.marks.write_bytes(b"1 B\n2 E\n")
        self.assertEqual(self.ledger.phase(), "readout")


if __name__ == "__main__":
    unittest.main(verbosity=2)
