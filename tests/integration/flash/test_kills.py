#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# kill -9 of the board, of tml-flash and of both at random moments of updates of the application (through the bootloader and in the
# background), of a model, of confirm and of revert. After each: the board starts an application, and application and model are exactly the
# old or the new one, whole and authentic. In the end the same command brings the new one and sends no block that the board had. Kills:
# first argument (20 when not told); the seed is printed, TML_TEST_SEED repeats it.
import collections
import hashlib
import os
import random
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "support" / "py")]
from flash_link import SLOTS, read_bundle  # noqa: E402
from flashing import NOT_FOUND, REFUSED, UNPLUGGED, VERIFICATION, FlashTest, named  # noqa: E402
from tmltest import main  # noqa: E402

KILLS = int(sys.argv.pop(1)) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 20
SEED = int(os.environ.get("TML_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
ROOT = Path(__file__).resolve().parents[3]
GESTURES = ROOT / "firmware/models/gestures.tflite"
IMAGE_BYTES = 300_000
# The flash takes its time, so that a transfer is long enough to be hit.
FLASH_MODEL = "4:0.05"
# docs/firmware.md, "Flash layout"; docs/image-format.md, "Slots and trailers".
SLOT_OFFSETS = dict(zip(SLOTS, (0x40000, 0xC0000, 0x140000, 0x1F0000, 0x2A0000, 0x350000)))
SLOT_BYTES = dict(zip(SLOTS, 2 * [0x80000] + 4 * [0xB0000]))
TRAILER, PROGRESS = 12288, 512 + 32
WINDOW = 8  # chunks; may be on their way when a board vanishes
CHAIN = 3  # kills of one update at most: a trial has three attempts
EARLY = "starting connecting identified confirm revert".split()
JOBS = 3 * ["app"] + 2 * ["background"] + 2 * ["model"] + ["confirm", "revert"]


class Kills(FlashTest):
    def setUp(self):
        super().setUp()
        self.chance = random.Random(SEED)
        self.durations = {}  # (job, stage): s
        self.phases, self.victims, self.ends = collections.Counter(), collections.Counter(), collections.Counter()
        self.number = self.resumed = self.saved_blocks = 0

    # ---- what is flashed ----
    def next_image(self):
        self.number += 1
        image = self.image(f"1.{self.number}.0", size=IMAGE_BYTES, seed=self.number)
        return self.signed(image)

    def next_model(self):
        self.number += 1
        package = self.folder / f"model-{self.number}.tmlm"
        self.flash("compile", GESTURES, "--name", f"gestures-{self.number}", "--model-version", f"0.{self.number}.0", "-o", package)
        return self.signed(package)

    def signed(self, path):
        self.flash("sign", path, "-o", path.with_suffix(".tmlu"))
        path.unlink()
        return path.with_suffix(".tmlu")

    # ---- what the board has ----
    def check(self, allowed):
        """`allowed`: lane -> hashes of what may run. Everything that is called complete is, and is what it says."""
        info = self.info(self.board_.link)
        for lane, hashes in allowed.items():
            active = [slot for slot in info["slots"] if slot["slot"].startswith(lane) and slot.get("active")]
            self.assertEqual(len(active), 1, info)
            self.assertIn(active[0]["payload_sha256"], hashes, f"{lane} is neither the old nor the new one: {info}")
        if info["mode"] == "application":
            versions = {self.versions[digest] for digest in allowed["app"]}
            self.assertIn(info["app_version"], versions)
        verified = named(self.flash("verify", "--port", self.board_.link)[0], "verified")
        self.assertGreaterEqual(len(verified), 2)
        self.assertNotIn("damaged", [slot["state"] for slot in verified])
        return info

    def stored(self, bundle, slot):
        """Chunks that the trailer in the flash calls stored, read from the file of the flash."""
        end = SLOT_OFFSETS[slot] + SLOT_BYTES[slot] - TRAILER
        with open(self.board_.folder / "state/flash.bin", "rb") as file:
            file.seek(end)
            trailer = bytes(byte ^ 0xFF for byte in file.read(PROGRESS + 64))
        if trailer[:512] != bundle.manifest:
            return 0
        bits = trailer[PROGRESS:PROGRESS + 32]
        return sum(not bits[n // 8] >> n % 8 & 1 for n in range(len(bundle.chunks)))

    # ---- one disturbed command ----
    def measure(self, job, events, ended):
        stages = named(events, "stage")
        for stage, following in zip(stages, stages[1:] + [{"_t": ended}]):
            self.durations[job, stage["stage"]] = max(0.001, following["_t"] - stage["_t"])

    def disturb(self, job, arguments):
        """Starts it, waits for a stage that is drawn and for a part of its length, and kills. The board lives again at the end."""
        stages = [stage for known, stage in self.durations if known == job]
        stage = self.chance.choice(stages + [stage for stage in stages if stage == "transferring"] * 4)
        after = self.chance.uniform(0, self.durations[job, stage])
        victim = self.chance.choice(("board", "host", "both"))
        tool = self.start_flash(*arguments, "--port", self.board_.link, "--wait", "30")
        self.started.pop()
        try:
            if stage != job:
                tool.wait_event(stage, lambda event: event.get("stage") == stage, timeout_s=60)
            tool.process.wait(after)
        except RuntimeError:
            pass  # It ended before that stage: a chain's later links have less to do.
        except subprocess.TimeoutExpired:
            pass
        alive = tool.alive()
        with tool.changed:
            stages = [event["stage"] for event in named(tool.events, "stage")]
        phase = "ended" if not alive else job if stage == job else stages[-1] if stages else "starting"
        first, second = (self.board_, tool) if self.chance.random() < 0.5 else (tool, self.board_)
        for process in (first, second):
            if victim == "both" or (process is self.board_) == (victim == "board"):
                process.kill()
        if victim != "host":
            self.board_.start()
            self.board_.wait_ready()
        code = tool.join(120)
        self.phases[phase] += 1
        self.victims[victim] += 1
        self.ends["killed" if code < 0 else code] += 1
        self.assertIn(code, (-9, 0, NOT_FOUND, REFUSED, VERIFICATION, UNPLUGGED), tool.report())
        if code == NOT_FOUND:  # Later it waits for the board and goes on.
            self.assertIn(phase, EARLY, tool.report())
        if victim == "board" and alive:
            for done in named(tool.events, "flashed"):
                self.assertLessEqual(done["transfer"]["again_blocks"], WINDOW + 1, tool.report())
        if victim != "host" and (code == -9 or not alive):
            boot = self.board_.wait_named("boot")
            self.assertEqual(boot["mode"], "application", boot)
        return code

    def settle(self, job, arguments, bundle):
        """The same command, in peace: 0, and nothing sent that was there."""
        slots = [slot for slot in SLOT_OFFSETS if slot.startswith("app" if job in ("app", "background") else "model-0")]
        before = {slot: self.stored(bundle, slot) for slot in slots}
        events, _ = self.flash(*arguments, "--port", self.board_.link)
        done = named(events, "flashed")[0]
        self.assertTrue(done["activated"] and done["confirmed"], done)
        transfer = done["transfer"]
        if not done["already"]:
            sent = transfer["blocks"] - transfer["there"] - transfer["copied"] if transfer["blocks"] else 0
            self.assertLessEqual(sent, len(bundle.chunks) - before[done["slot"]], (before, done))
            if before[done["slot"]]:
                self.resumed += 1
                self.saved_blocks += before[done["slot"]]

    # ---- the test ----
    def test_each_ends_as_the_old_or_the_new_one(self):
        print(f"seed {SEED}, {KILLS} kills", flush=True)
        self.board_ = self.board("--flash-model", FLASH_MODEL, "--seed", SEED & 0x7FFFFFFF)
        link = self.board_.link
        self.versions = {}

        def digest(bundle):
            value = hashlib.sha256(b"".join(bundle.chunks)).hexdigest()
            self.versions[value] = bundle.version
            return value

        running = {}
        for job, path in (("app", self.next_image()), ("background", self.next_image()), ("model", self.next_model())):
            # Undisturbed: what there is to kill, and for how long.
            flags = ["--background"] if job == "background" else []
            tool = self.start_flash(path, *flags, "--port", link)
            self.assertEqual(tool.join(120), 0, tool.report())
            self.started.pop()
            self.measure(job, tool.events, named(tool.events, "flashed")[0]["_t"])
            running["model-0" if job == "model" else "app"] = digest(read_bundle(path.read_bytes()))
        done = 0
        while done < KILLS:
            job = self.chance.choice(JOBS)
            lane = "model-0" if job == "model" else "app"
            path = self.next_model() if job == "model" else self.next_image()
            bundle = read_bundle(path.read_bytes())
            new = digest(bundle)
            allowed = {**{key: {value} for key, value in running.items()}, lane: {running[lane], new}}
            command = [path] + (["--background"] if job == "background" else [])
            killed = [path, "--no-confirm"] if job in ("confirm", "revert") else command
            if job in ("confirm", "revert"):
                began = time.monotonic()
                self.flash("info", "--port", link)
                self.durations[job, job] = time.monotonic() - began
                self.flash(*killed, "--port", link)
                killed = [job]
            for _ in range(min(self.chance.randint(1, CHAIN), KILLS - done)):
                code = self.disturb(job, killed)
                done += 1
                self.check(allowed)
                if code == 0:
                    break
            if job == "revert":
                if any(slot.get("trial") for slot in self.info(link)["slots"]):
                    self.flash("revert", "--port", link)
                self.check({key: {value} for key, value in running.items()})
                path = self.next_image()
                bundle = read_bundle(path.read_bytes())
                command, new = [path], digest(bundle)
            self.settle("app" if job in ("confirm", "revert") else job, command, bundle)
            running[lane] = new
            info = self.check({key: {value} for key, value in running.items()})
            self.assertEqual([slot for slot in info["slots"] if slot.get("trial")], [], "something is still on trial")
            if self.chance.random() < 0.2:  # A power cycle in peace starts the same.
                self.board_.kill()
                self.board_.start()
                self.board_.wait_ready()
                self.assertEqual(self.board_.wait_named("boot")["version"], self.versions[running["app"]])
            path.unlink()
        print(f"{done} kills: " + ", ".join(f"{who} {count}" for who, count in sorted(self.victims.items())), flush=True)
        print("in phase: " + ", ".join(f"{phase} {count}" for phase, count in self.phases.most_common()), flush=True)
        print("tml-flash ended with: " + ", ".join(f"{code} {count}" for code, count in sorted(self.ends.items(), key=str)), flush=True)
        print(f"{self.resumed} transfers went on where {self.saved_blocks} blocks were stored; 0 boards that do not start, 0 damaged slots",
              flush=True)


if __name__ == "__main__":
    main()
