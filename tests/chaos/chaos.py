#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Chaos: several benches (a virtual board and its daemon each) and one server work, and at random moments of a chosen phase one of the
# three is killed with SIGKILL and started again on the same state. In the end everything that was ever called stored must be on the
# server exactly once, with a signature that Python's hmac recomputes from the stored bytes.
#
#     chaos.py --bin DIR [--seed N] [--kills N] [--benches N] [--figures] [--keep]
#
# Two helps make short phases hittable, and neither changes what is under test: the device clock runs faster, and a preloaded library
# makes fsync as slow as an SD card's (slow_disk.c).
import argparse
import json
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support" / "py"))
import acquisition  # noqa: E402
import fleet  # noqa: E402
from ledger import PHASES, Ledger, audit  # noqa: E402
from processes import programs, wait_until  # noqa: E402

SENSOR, INTERVAL_MS, LENGTH_MS = "Built-in accelerometer", 10, 2500
# How long a phase usually lasts on two shared cores; a kill comes after a random part of it.
USUAL_S = {"capture": 0.45, "readout": 0.45, "spooling": 0.08, "upload": 0.10}
STALL_S = 45


def say(text):
    print(text, file=sys.stderr, flush=True)


class Bench:
    def __init__(self, chaos, index):
        self.chaos, self.index = chaos, index
        self.random = random.Random(f"{chaos.seed}/{index}")
        folder = chaos.folder / f"bench{index}"
        folder.mkdir()
        self.ledger = Ledger(folder / "marks")
        self.board = fleet.Board(chaos.bin, folder / "board",
                                 ["--id", f"0c:a0:5c:a0:{index:02x}:01", "--seed", chaos.seed + index, "--speed", 10,
                                  "--baud-model", 115200, "--sensor", "accelerometer=synth:circle"],
                                 log=folder / "board.log", on_event=self.ledger.board_event)
        slow = {"LD_PRELOAD": chaos.slow_disk, "TML_SLOW_DISK_MS": 20, "TML_SLOW_DISK_MARKS": self.ledger.marks}
        self.daemon = fleet.Daemon(chaos.bin, folder / "daemon", chaos.server.host, self.board.link, api_key=chaos.server.api_key,
                                   log=folder / "daemon.log", on_event=self.ledger.daemon_event, start=False, name=f"bench {index}")
        self.daemon.env.update(slow)
        self.daemon.start()
        self.thread = threading.Thread(target=self.run, name=f"bench{index}")
        self.problem = None

    def run(self):
        try:
            number = 0
            while self.chaos.wants_more():
                number += 1
                self.round(f"b{self.index}n{number}")
        except Exception as problem:  # The main thread reports it and ends the run.
            self.problem = problem

    def round(self, label):
        target = self.chaos.choose_phase(self.random)
        self.ledger.begin(label)
        if not self.request(label):
            return
        seen = self.ledger.wait_phase(target, STALL_S)
        if seen != target:
            self.chaos.note_miss(self, label, target, seen)
            return
        # The random moment within the phase is the point of the test.
        time.sleep(self.random.uniform(0, USUAL_S[target]))
        self.kill(self.random.choice(("daemon", "board", "server")))

    def request(self, label):
        """Asks the server for a sample until the daemon has taken the request; False when this run is over."""
        deadline = time.monotonic() + STALL_S
        error = "no answer"
        while time.monotonic() < deadline and self.chaos.wants_more():
            try:
                answer = self.chaos.server.start_sampling(self.board.id, label, LENGTH_MS, INTERVAL_MS, SENSOR)
                if answer.get("success"):
                    with self.ledger.changed:
                        if self.ledger.changed.wait_for(lambda: label in self.ledger.requested or label in self.ledger.failed, 8):
                            return True
                    error = "accepted by the server, not seen by the daemon"
                    continue
                error = answer.get("error")
            except (OSError, urllib.error.URLError, ValueError) as problem:
                error = str(problem)
            time.sleep(0.05)
        if self.chaos.wants_more():
            raise TimeoutError(f"bench {self.index}: no sample request went through in {STALL_S} s: {error}\n{self.daemon.report()}")
        return False

    def kill(self, victim):
        if victim == "server":
            with self.chaos.server_lock:
                with self.ledger.changed:
                    phase = self.ledger.phase()
                self.chaos.server.kill()
                self.chaos.server.start()
                self.chaos.server.wait_ready()
        elif victim == "board":
            with self.ledger.changed:
                phase = self.ledger.phase()
            self.board.kill()
            with self.ledger.changed:
                # Its last words are read now: a file committed just before the end makes this a read-out.
                if phase == "capture":
                    phase = self.ledger.phase() if self.ledger.on_board else "capture"
                self.ledger.capturing = False
            self.board.start()
        else:
            self.daemon.kill()
            # All that it said has been read: the phase is exact.
            with self.ledger.changed:
                phase = self.ledger.phase()
                self.ledger.read = False
                self.ledger.capturing = False
            self.ledger.forget_marks()
            self.daemon.start()
        self.chaos.count(phase, victim)


class Chaos:
    def __init__(self, arguments):
        self.kills_wanted, self.each_wanted = arguments.kills, arguments.each
        self.seed = arguments.seed if arguments.seed is not None else secrets.randbelow(1 << 31)
        self.bin = programs(arguments.bin)
        self.folder = Path(tempfile.mkdtemp(prefix="tml-chaos-"))
        self.lock, self.server_lock = threading.Lock(), threading.Lock()
        self.phases, self.victims, self.missed = Counter(), Counter(), Counter()
        self.random = random.Random(self.seed)
        self.started = time.monotonic()
        self.deadline = self.started + arguments.minutes * 60
        self.stopping = False
        self.benches = []
        self.bench_count = arguments.benches
        self.server = None

    def wants_more(self):
        with self.lock:
            enough = sum(self.phases[phase] for phase in PHASES) >= self.kills_wanted and all(
                self.phases[phase] >= self.each_wanted for phase in PHASES)
            return not (self.stopping or enough or time.monotonic() > self.deadline)

    def choose_phase(self, source):
        """Mostly the phase that was hit least so far, so that none is starved; sometimes any."""
        with self.lock:
            if source.random() < 0.25:
                return source.choice(PHASES)
            return min(PHASES, key=lambda phase: (self.phases[phase], source.random()))

    def count(self, phase, victim):
        with self.lock:
            self.phases[phase] += 1
            self.victims[victim] += 1
            total = sum(self.phases[name] for name in PHASES)
            if total % 25 == 0 and phase != "idle":
                say(f"chaos: {total} kills after {time.monotonic() - self.started:.0f} s: " +
                    ", ".join(f"{name} {self.phases[name]}" for name in PHASES))

    def note_miss(self, bench, label, target, seen):
        with self.lock:
            self.missed[f"{target}->{seen}"] += 1
        if bench.ledger.label == label and not bench.ledger.over():
            say(f"chaos: bench {bench.index}: {label} stood in '{seen}' for {STALL_S} s while waiting for '{target}'\n"
                f"{bench.daemon.report()}\n{bench.board.report()}")

    def build_slow_disk(self):
        self.slow_disk = self.folder / "slow_disk.so"
        compiler = next((name for name in ("cc", "clang", "gcc") if shutil.which(name)), None)
        if not compiler:
            raise RuntimeError("needs a C compiler for slow_disk.c (cc, clang or gcc)")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", self.slow_disk, HERE / "slow_disk.c", "-ldl"], check=True)

    def run(self):
        self.build_slow_disk()
        say(f"chaos: seed {self.seed}, {self.bench_count} benches, at least {self.kills_wanted} kills; state in {self.folder}")
        self.server = fleet.Server(self.bin, self.folder / "server", log=self.folder / "server.log",
                                   env={"LD_PRELOAD": self.slow_disk, "TML_SLOW_DISK_MS": 20})
        self.benches = [Bench(self, index) for index in range(self.bench_count)]
        for bench in self.benches:
            bench.thread.start()
        for bench in self.benches:
            bench.thread.join()
        for bench in self.benches:
            if bench.problem:
                raise bench.problem
        return self.judge()

    def judge(self):
        say(f"chaos: killing is over after {time.monotonic() - self.started:.0f} s; draining")
        for bench in self.benches:
            for process in (bench.board, bench.daemon):
                if not process.alive():
                    raise RuntimeError(f"{process.name} of bench {bench.index} died by itself\n{process.report()}")
        self.drain()
        for bench in self.benches:
            bench.daemon.stop()
            bench.board.stop()
        stored = []
        for facts in self.server.samples():
            try:
                document = acquisition.decode(self.server.raw(facts["id"]))
                stored.append((facts, document, document.verify(self.server.hmac_key)))
            except ValueError:
                stored.append((facts, None, False))
        lost, duplicates, unsigned = audit({bench.board.id: bench.ledger for bench in self.benches}, stored)
        self.server.stop()
        code, events, err = self.server.command("verify")
        if code != 0:
            unsigned.append(f"tml-server verify: exit code {code}: {events} {err}")
        left = [f"bench {bench.index}: {event}" for bench in self.benches for event in bench.daemon.command("spool", "list")
                if event.get("event") == "totals" and event["pending"] + event["held"] + event["refused"]]
        return lost, duplicates, unsigned, stored, left

    def drain(self):
        def kept():
            samples = self.server.samples()
            return all(bench.ledger.kept(bench.board.id, samples) for bench in self.benches)

        try:
            wait_until("all promises kept", kept, 120, 0.25)
        except TimeoutError:
            samples = self.server.samples()
            for bench in self.benches:
                if not bench.ledger.kept(bench.board.id, samples):
                    say(f"chaos: bench {bench.index} did not drain\n{bench.daemon.report()}\n{bench.board.report()}")

    def stop(self):
        self.stopping = True
        for bench in self.benches:
            if bench.thread.is_alive():
                bench.thread.join(STALL_S + 20)
            bench.daemon.stop()
            bench.board.stop()
        if self.server:
            self.server.stop()


def main():
    parser = argparse.ArgumentParser(description="Kills daemon, server and board at random moments and checks that nothing stored is lost.")
    parser.add_argument("--bin", help="folder of the programs (default: TML_BIN_DIR, else build/release/bin)")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--kills", type=int, default=300, help="kills in the four phases together, at least (300)")
    parser.add_argument("--each", type=int, help="kills in each phase, at least (a tenth of --kills)")
    parser.add_argument("--benches", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=13, help="stop killing after this long (13)")
    parser.add_argument("--figures", action="store_true", help="JSON lines for scripts/bench on standard output")
    parser.add_argument("--keep", action="store_true", help="leave the state folder for inspection")
    arguments = parser.parse_args()
    if arguments.each is None:
        arguments.each = arguments.kills // 10
    chaos = Chaos(arguments)
    good = False
    try:
        lost, duplicates, unsigned, stored, left = chaos.run()
        kills = sum(chaos.phases[phase] for phase in PHASES)
        counts = {phase: chaos.phases[phase] for phase in PHASES}
        victims = {f"of_{name}": chaos.victims[name] for name in ("daemon", "server", "board")}
        context = {**counts, **victims, "between_phases": chaos.phases["idle"], "samples": len(stored),
                   "seconds": round(time.monotonic() - chaos.started), "seed": chaos.seed}
        for what, problems in (("lost", lost), ("duplicate", duplicates), ("not verified", unsigned), ("left in a spool", left)):
            for problem in problems[:20]:
                say(f"chaos: {what}: {problem}")
        enough = kills >= arguments.kills and all(count >= arguments.each for count in counts.values())
        if not enough:
            say(f"chaos: only {kills} kills ({counts}) in {arguments.minutes} minutes; missed {dict(chaos.missed)}")
        if arguments.figures:
            for figure, value, goal, beside in (("kills", kills, f">= {arguments.kills}", context),
                                                ("lost", len(lost), "= 0", {"signatures_not_valid": len(unsigned)}),
                                                ("duplicates", len(duplicates), "= 0", {})):
                print(json.dumps({"figure": f"chaos.{figure}", "value": value, "unit": "", "goal": goal, "with": beside}))
        say(f"chaos: {kills} kills {context}; lost {len(lost)}, duplicates {len(duplicates)}, "
            f"signatures not valid {len(unsigned)}")
        good = enough and not (lost or duplicates or unsigned or left)
    except KeyboardInterrupt:
        return 130
    except Exception as problem:
        say(f"chaos: {type(problem).__name__}: {problem}")
    finally:
        chaos.stop()
        if good and not arguments.keep:
            shutil.rmtree(chaos.folder, ignore_errors=True)
        else:
            say(f"chaos: seed {chaos.seed}; state and logs are in {chaos.folder}")
    return 0 if good else 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
