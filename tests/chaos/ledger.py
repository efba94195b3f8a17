# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# What the chaos test knows: every promise that a process made ("stored"), and what each bench was doing at a given moment.
#
# A sample counts as stored from the first of: the board's `sample` event (file commit), the daemon's `sample_stored` or `recovered`
# event (spool commit), its `delivered` event (the server's 200). Events are written after the commit that they tell of, so everything
# in here is a promise; what was committed but not told may arrive too.
import threading
from collections import Counter
from pathlib import Path

PHASES = ("capture", "readout", "spooling", "upload")


class Ledger:
    """One bench: a board and its daemon. Fed by their events from reader threads."""

    def __init__(self, marks):
        self.changed = threading.Condition()
        self.marks = Path(marks)
        self.board_commits = Counter()  # (label, file name) -> times
        self.spooled = {}               # envelope -> label
        self.delivered = set()          # envelopes
        self.refused = []
        self.on_board = {}              # file base name -> label, committed there and not known to be spooled
        self.failed = set()             # labels
        self.requested = set()
        self.settled = set()            # envelopes of earlier requests
        self.begin("")

    def begin(self, label):
        """A new request. What is left of earlier ones stays promised but no longer tells the phase: a process that died after a commit
        and before its word leaves entries here that nobody will ever tick off."""
        with self.changed:
            self.label = label
            self.read = False
            self.capturing = False
            self.on_board.clear()
            self.settled = set(self.spooled)

    def board_event(self, _process, event):
        name = event.get("event")
        with self.changed:
            if name == "capture":
                self.capturing = True
            elif name == "sample":
                self.capturing = False
                base = event["file"].rsplit("/", 1)[-1]
                label = base.rsplit(".", 1)[0]
                self.board_commits[(label, base)] += 1
                self.on_board[base] = label
            elif name == "ready":
                self.capturing = False
            self.changed.notify_all()

    def daemon_event(self, _process, event):
        name = event.get("event")
        with self.changed:
            if name == "sample_requested":
                self.requested.add(event["label"])
            elif name == "sample_reading":
                self.read = True
            elif name in ("sample_stored", "recovered"):
                self.spooled[event["envelope"]] = event["label"]
                self.on_board.pop(event["file"].rsplit("/", 1)[-1], None)
                self.read = False
            elif name == "delivered":
                self.delivered.add(event["envelope"])
            elif name == "delivery_refused":
                self.refused.append(event)
            elif name == "sample_failed":
                self.failed.add(self.label)
                self.capturing = False
            self.changed.notify_all()

    def committing(self):
        """The daemon is inside an fsync: the last mark of the slow disk is a beginning."""
        try:
            return self.marks.read_bytes()[-2:-1] == b"B"
        except OSError:
            return False

    def forget_marks(self):
        self.marks.unlink(missing_ok=True)

    def phase(self):
        """What is under way now. Call with `changed` held."""
        waiting = set(self.spooled) - self.delivered - self.settled
        if self.capturing:
            return "capture"
        if self.on_board:
            if self.read or (self.committing() and not waiting):
                return "spooling"
            return "readout"
        if waiting:
            return "upload"
        return "idle"

    def wait_phase(self, target, timeout_s):
        """Until the phase is `target`, or this label's story is over, or time is up; returns the phase seen last."""
        with self.changed:
            self.changed.wait_for(lambda: self.phase() == target or self.over(), timeout_s)
            return self.phase()

    def over(self):
        spooled = [envelope for envelope, label in self.spooled.items() if label == self.label]
        return self.label in self.failed or (bool(spooled) and all(envelope in self.delivered for envelope in spooled))


    def promises(self):
        """How many samples of each label were called stored."""
        promised = Counter()
        for (label, _), times in self.board_commits.items():
            promised[label] += times
        return promised | Counter(self.spooled.values())

    def kept(self, device, samples):
        """Everything promised so far is among the server's samples."""
        with self.changed:
            arrived = Counter(facts["label"] for facts in samples if facts["deviceName"] == device)
            return not self.promises() - arrived and set(self.spooled) <= {facts["envelope"] for facts in samples}


def audit(ledgers, stored):
    """Compares the promises with what the server has: [(facts, Document or error text)]. Returns (lost, duplicates, unsigned), each a
    list of sentences."""
    lost, duplicates, unsigned = [], [], []
    arrived, envelopes, nonces, content = Counter(), Counter(), Counter(), Counter()
    for facts, document, verified in stored:
        arrived[(facts["deviceName"], facts["label"])] += 1
        envelopes[facts["envelope"]] += 1
        content[facts["sha256"]] += 1
        if document is None or not verified:
            unsigned.append(f"sample {facts['id']} ({facts['filename']}): signature not valid by an independent HMAC")
            continue
        nonces[document.nonce] += 1
        if facts["signature"] != "verified":
            unsigned.append(f"sample {facts['id']} ({facts['filename']}): the server calls it {facts['signature']}")
    for device, ledger in ledgers.items():
        for label, want in ledger.promises().items():
            have = arrived[(device, label)]
            if have < want:
                lost.append(f"{device} {label}: {want} stored, {have} arrived")
        for envelope, label in ledger.spooled.items():
            if envelopes[envelope] == 0:
                lost.append(f"{device} {label}: envelope {envelope} did not arrive")
        # Each request is one capture; a file that the server has twice has another envelope but the same nonce.
    for what, counter in (("envelope", envelopes), ("nonce", nonces), ("content", content)):
        duplicates += [f"{what} {value} arrived {times} times" for value, times in counter.items() if times > 1]
    return lost, duplicates, unsigned
