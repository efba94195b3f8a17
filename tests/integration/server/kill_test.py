# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
"""kill -9 while clients store: whatever was answered with 200 is there afterwards, exactly once, however often it is sent again."""
import http.client
import json
import os
import random
import threading
import time
import unittest
import uuid

from support import Server, document, multipart

SEED = int(os.environ.get("TML_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
ROUNDS = int(os.environ.get("TML_TEST_ROUNDS", "5"))
CLIENTS = 4


class Sender(threading.Thread):
    """Stores documents until the server is gone; remembers what was answered and what was not."""

    def __init__(self, server, large):
        super().__init__()
        self.server, self.large = server, large
        self.acknowledged, self.open = {}, {}

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.ingestion, timeout=30)
        try:
            while True:
                envelope = str(uuid.uuid4())
                rows = 6000 if self.large else 20
                body = document(self.server.hmac_key, values=[[float(i), 0.5] for i in range(rows)])
                self.open[envelope] = body
                connection.request("POST", "/api/training/data", body, {"x-api-key": self.server.key, "x-file-name": "k", "x-tml-envelope": envelope})
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200, answer.status
                self.acknowledged[envelope] = self.open.pop(envelope)
        except (OSError, http.client.HTTPException):
            connection.close()


class BatchSender(threading.Thread):
    """Sends /files requests whose parts have envelopes of their own."""

    def __init__(self, server):
        super().__init__()
        self.server = server
        self.acknowledged, self.open = [], []

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.ingestion, timeout=30)
        try:
            while True:
                batch = [(str(uuid.uuid4()), os.urandom(700)) for _ in range(20)]
                self.open = [batch]
                body, kind = multipart(parts_of(batch))
                connection.request("POST", "/api/training/files", body, {"x-api-key": self.server.key, "content-type": kind})
                answer = connection.getresponse()
                text = answer.read()
                assert answer.status == 200 and b'"success":false' not in text, text
                self.acknowledged += self.open
                self.open = []
        except (OSError, http.client.HTTPException):
            connection.close()


def parts_of(batch):
    return [("data", "b.csv", "text/csv", data, {"x-tml-envelope": envelope}) for envelope, data in batch]


class Kill(unittest.TestCase):
    def test_a_batch_is_there_whole_or_not_at_all(self):
        chance = random.Random(SEED + 1)
        server = Server().start()
        self.addCleanup(server.close)
        known = 0
        for _ in range(ROUNDS):
            senders = [BatchSender(server) for _ in range(CLIENTS)]
            for sender in senders:
                sender.start()
            time.sleep(chance.uniform(0.1, 0.5))
            server.kill()
            for sender in senders:
                sender.join()
            server.start()
            for sender in senders:
                for batch, acknowledged in [(b, True) for b in sender.acknowledged[-3:]] + [(b, False) for b in sender.open]:
                    body, kind = multipart(parts_of(batch))
                    status, text = server.ingest("/api/training/files", body, content_type=kind)
                    files = json.loads(text)["files"]
                    self.assertEqual((status, [f["success"] for f in files]), (200, [True] * len(batch)))
                    existing = {f.get("existing", False) for f in files}
                    self.assertEqual(len(existing), 1, "a part of a batch was stored")
                    if acknowledged:
                        self.assertEqual(existing, {True})
                known += sum(len(b) for b in sender.acknowledged + sender.open)
            self.assertEqual(server.samples("?limit=1")["totalCount"], known)

    def test_every_200_survives_exactly_once(self):
        print(f"seed {SEED}", flush=True)
        chance = random.Random(SEED)
        server = Server().start()
        self.addCleanup(server.close)
        known, unanswered = {}, {}
        for _ in range(ROUNDS):
            senders = [Sender(server, large=i == 0) for i in range(CLIENTS)]
            for sender in senders:
                sender.start()
            time.sleep(chance.uniform(0.1, 1.0))
            server.kill()
            for sender in senders:
                sender.join()
                known.update(sender.acknowledged)
                unanswered.update(sender.open)
            server.start()
            for envelope, body in list(unanswered.items()) + chance.sample(sorted(known.items()), min(20, len(known))):
                status, _ = server.ingest("/api/training/data", body, x_file_name="k", x_tml_envelope=envelope)
                self.assertEqual(status, 200)
                known[envelope] = body
            unanswered.clear()
        seen, before = [], None
        while True:
            page = server.samples("?limit=1000" + (f"&before={before}" if before else ""))
            seen += [s["envelope"] for s in page["samples"]]
            self.assertTrue(all(s["signature"] == "verified" for s in page["samples"]))
            before = page.get("nextBefore")
            if not before:
                break
        self.assertEqual(len(seen), len(set(seen)))
        self.assertEqual(set(seen), set(known))
        self.assertEqual(page["totalCount"], len(known))
        self.assertGreater(len(known), ROUNDS)
        code, lines = server.run("verify")
        self.assertEqual((code, lines[-1]["samples"], lines[-1]["damaged"]), (0, len(known), 0))
        print(f"{ROUNDS} kills, {len(known)} samples", flush=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
