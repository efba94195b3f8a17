# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# What the tests of tml-flash share: a board, images for it, keys, and the tool as a process.
import json
import os
import signal
import subprocess
import time

from processes import Process
from tmltest import BenchTest, named

INTERRUPTED, UNPLUGGED = 130, 10
FAILED, NOT_FOUND, BUSY, PERMISSION, AUTH, VERIFICATION, REFUSED, USAGE = 1, 4, 5, 6, 7, 9, 11, 2


class FlashTest(BenchTest):
    def setUp(self):
        super().setUp()
        self.home = self.folder / "home"
        self.home.mkdir()

    def environment(self, env=None):
        return {"HOME": self.home, **(env or {})}

    def flash(self, *arguments, code=0, env=None, timeout_s=120, prefix=()):
        """tml-flash to its end: (events, standard error). Nothing can be asked: there is no terminal."""
        done = subprocess.run([*prefix, str(self.bin / "tml-flash"), "--json", *map(str, arguments)], capture_output=True, text=True, timeout=timeout_s,
                              stdin=subprocess.DEVNULL,
                              env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **{k: str(v) for k, v in self.environment(env).items()}})
        self.assertEqual(done.returncode, code, f"{arguments}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")], done.stderr

    def text(self, *arguments, code=0):
        done = subprocess.run([str(self.bin / "tml-flash"), *map(str, arguments)], capture_output=True, text=True, timeout=120,
                              stdin=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(self.home)})
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def start_flash(self, *arguments, env=None):
        return self.started_process(Process("tml-flash", [self.bin / "tml-flash", "--json", *arguments], self.environment(env)))

    def image(self, version="1.1.0", name=None, **options):
        """An application image of the virtual board: raw, or signed with the development key when the name says so."""
        path = self.folder / (name or f"app-{version}-{options.get('behaviour', 'good')}.bin")
        argv = [self.bin / "tml-board", "--make-image", path, "--image-version", version]
        for flag, value in (("--image-behaviour", options.get("behaviour")), ("--image-bytes", options.get("size")), ("--seed", options.get("seed", 1)),
                            ("--product", options.get("product")), ("--image-slots", options.get("slots"))):
            if value is not None:
                argv += [flag, str(value)]
        subprocess.run(list(map(str, argv)), check=True, capture_output=True, timeout=60)
        return path

    def info(self, port):
        return named(self.flash("info", "--port", port)[0], "board")[0]

    def slot(self, port, name):
        return next(slot for slot in self.info(port)["slots"] if slot["slot"] == name)

    def running(self, port):
        """(version that answers, slot that is active, slot on trial)."""
        info = self.info(port)
        by = {key: next((s["slot"] for s in info["slots"] if s.get(key) and s["slot"].startswith("app")), None) for key in ("active", "trial")}
        return info.get("app_version"), by["active"], by["trial"]

    def key(self, name, *flags):
        self.flash("keygen", "--out", self.folder / name, *flags)
        return self.folder / f"{name}.key", self.folder / f"{name}.pub"

    def error(self, events):
        return named(events, "error")[-1]

    def stages(self, events):
        return [event["stage"] for event in named(events, "stage")]


__all__ = ["AUTH", "BUSY", "FAILED", "INTERRUPTED", "NOT_FOUND", "PERMISSION", "REFUSED", "UNPLUGGED", "USAGE", "VERIFICATION", "FlashTest", "named", "os", "signal", "time"]
