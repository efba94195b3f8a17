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
    """Stores until the server is gone. What was answered is `acknowledged`, what was not is `open`; `wrong` is an answer other than
    success, which nobody may get."""

    def __init__(self, server):
        super().__init__()
        self.server = server
        self.acknowledged, self.open, self.wrong = [], [], None

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.ingestion, timeout=30)
        try:
            while not self.wrong:
                item, path, body, headers = self.make()
                self.open = [item]
                connection.request("POST", path, body, {"x-api-key": self.server.key, **headers})
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 200 or b'"success":false' in text:
                    self.wrong = (answer.status, text)
                    break
                self.acknowledged += self.open
                self.open = []
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()


class DocumentSender(Sender):
    """An item is (envelope, document)."""

    def __init__(self, server, large):
        super().__init__(server)
        self.rows = 6000 if large else 20

    def make(self):
        envelope = str(uuid.uuid4())
        body = document(self.server.hmac_key, values=[[float(i), 0.5] for i in range(self.rows)])
        return (envelope, body), "/api/training/data", body, {"x-file-name": "k", "x-tml-envelope": envelope}


class BatchSender(Sender):
    """An item is a /files request whose parts have envelopes of their own."""

    def make(self):
        batch = [(str(uuid.uuid4()), os.urandom(700)) for _ in range(20)]
        body, kind = multipart(parts_of(batch))
        return batch, "/api/training/files", body, {"content-type": kind}


def parts_of(batch):
    return [("data", "b.csv", "text/csv", data, {"x-tml-envelope": envelope}) for envelope, data in batch]


class Kill(unittest.TestCase):
    def kill_while_they_send(self, server, senders, seconds):
        """The server runs again when this returns."""
        for sender in senders:
            sender.start()
        time.sleep(seconds)
        server.kill()
        for sender in senders:
            sender.join()
        self.assertEqual([sender.wrong for sender in senders if sender.wrong], [])
        server.start()

    def test_a_batch_is_there_whole_or_not_at_all(self):
        chance = random.Random(SEED + 1)
        server = Server().start()
        self.addCleanup(server.close)
        known = 0
        for _ in range(ROUNDS):
            senders = [BatchSender(server) for _ in range(CLIENTS)]
            self.kill_while_they_send(server, senders, chance.uniform(0.1, 0.5))
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
            senders = [DocumentSender(server, large=i == 0) for i in range(CLIENTS)]
            self.kill_while_they_send(server, senders, chance.uniform(0.1, 1.0))
            for sender in senders:
                known.update(sender.acknowledged)
                unanswered.update(sender.open)
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
