# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Running tml-uploader in tests: a home of its own, the key in a file, events parsed.
import io
import json
import random
import struct
import sys
import wave
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "support" / "py"), str(Path(__file__).resolve().parents[2] / "compat")]
from fleet import key_flags  # noqa: E402
from processes import Process, run  # noqa: E402
from tmltest import BenchTest, named  # noqa: E402


def csv_text(seed, rows=20):
    chance = random.Random(seed)
    lines = ["timestamp,x,y"] + [f"{10 * row},{chance.random():.5f},{chance.random():.5f}" for row in range(rows)]
    return "\n".join(lines) + "\n"


def wav(frames=800, rate=8000, channels=1):
    """16 bit PCM: sample n of channel c is n + 100 c."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"".join(struct.pack("<h", n + 100 * c) for n in range(frames) for c in range(channels)))
    return out.getvalue()


class UploaderTest(BenchTest):
    def setUp(self):
        super().setUp()
        self.home = self.folder / "home"
        self.home.mkdir()

    def put(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def argv(self, server, *arguments):
        keys = key_flags(self.folder, server.api_key)
        return [self.bin / "tml-uploader", "--json", "--no-input", "--host", server.host, *keys, *arguments]

    def upload(self, server, *arguments, expect=0, timeout_s=120):
        """The run's events; the exit code must be `expect`."""
        code, out, err = run(self.argv(server, *arguments), {"HOME": self.home}, timeout_s)
        self.assertEqual(code, expect, f"{out[-3000:]}\n{err[-3000:]}")
        self.assert_no_keys(out + err, server.api_key, server.hmac_key)
        return [json.loads(line) for line in out.splitlines()]

    def start(self, server, *arguments, on_event=None):
        return self.started_process(Process("uploader", self.argv(server, *arguments), {"HOME": self.home}, on_event=on_event))

    @staticmethod
    def summary(events):
        return named(events, "summary")[-1]

    def journals(self):
        return list(self.home.rglob("*.journal"))
