# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# What the tests of rollouts share: a bench of virtual boards, two versions of a model, plans, and what boards really run.
import contextlib
import json
import math
import re
import struct
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS / "support" / "py"), str(TESTS / "compat")]

from at_board import Line  # noqa: E402
from processes import Process  # noqa: E402
from tmltest import BenchTest, main, named, wait_until  # noqa: E402

MODELS = TESTS.parent / "firmware" / "models"
OK, PARTIAL, NOT_FOUND, BUSY, REFUSED, USAGE, INTERRUPTED = 0, 3, 4, 5, 11, 2, 130
OLD, NEW = "1.0.0", "1.1.0"


class RolloutTest(BenchTest):
    def setUp(self):
        super().setUp()
        self.home = self.folder / "home"
        self.home.mkdir()
        self.benches = 0
        for version in (OLD, NEW):
            self.flash("compile", MODELS / "gestures.tflite", "--impulse", MODELS / "gestures.toml", "--model-version", version,
                       "-o", self.folder / f"{version}.tmlm")
        self.write_window()

    def write_window(self):
        rate = float(re.search(r"frequency(?:_hz)?\s*=\s*([\d.]+)", (MODELS / "gestures.toml").read_text()).group(1))
        rows = ["timestamp,accX,accY,accZ"]
        rows += [f"{n * 1000 / rate:.3f},{4 * math.sin(n / 5):.4f},{3 * math.cos(n / 7):.4f},{9.8 + math.sin(n / 3):.4f}"
                 for n in range(int(rate * 6))]
        (self.folder / "window.csv").write_text("\n".join(rows) + "\n")

    def environment(self, **more):
        return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "NO_COLOR": "1", "HOME": str(self.home), **more}

    def flash(self, *arguments, code=OK, timeout_s=240):
        """tml-flash to its end: its events."""
        done = subprocess.run([str(self.bin / "tml-flash"), "--json", *map(str, arguments)], capture_output=True, text=True, timeout=timeout_s,
                              stdin=subprocess.DEVNULL, env=self.environment(), check=False)
        self.assertEqual(done.returncode, code, f"{arguments}\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def start_rollout(self, plan, *flags):
        return self.started_process(Process("rollout", [self.bin / "tml-flash", "--json", "rollout", plan, "--yes", *flags],
                                            self.environment()))

    def boards(self, count, *flags):
        """Virtual boards of one process; their ports."""
        folder = self.folder / f"bench{self.benches}"
        self.benches += 1
        folder.mkdir()
        process = self.started_process(Process(f"boards {folder.name}", [
            self.bin / "tml-board", "--json", "--count", count, "--link", folder / "port", "--state", folder / "state", *flags]))
        self.wait_ready(process, count)
        ports = [folder / "port"] if count == 1 else [folder / f"port-{n}" for n in range(count)]
        return ports, process

    def wait_ready(self, process, count):
        for number in range(count):
            process.wait_event(f"board {number}", lambda e, n=number: e.get("event") == "ready" and e.get("board") == n, 60)

    def plug_in(self, process, count=1):
        """Boards that were killed, again: the same command over the same state."""
        again = self.started_process(Process(process.name, process.argv))
        self.wait_ready(again, count)
        return again

    def install_old(self, ports="bench*/port*", count=None):
        """What every board ran before: a rollout of its own, of the old version."""
        plan = self.plan("old", OLD, ports=ports, canary=0, size=4096, parallel=16, selftest=False)
        report = self.report(self.flash("rollout", plan, "--yes"))
        if count:
            self.assertEqual(report["confirmed"], count)

    def image(self, version, behaviour="good", size=40_000):
        """An application of the virtual board; crash and hang are what they say."""
        path = self.folder / f"{version}.bin"
        flags = [] if behaviour == "good" else ["--image-behaviour", behaviour]
        subprocess.run([str(self.bin / "tml-board"), "--make-image", str(path), "--image-version", version, "--image-bytes", str(size),
                        "--seed", "1", *flags], check=True, capture_output=True, timeout=60)
        return path.name

    def app_versions(self, ports):
        return {named(self.flash("info", "--port", port), "board")[0].get("app_version") for port in ports}

    def plan(self, name, version=NEW, file=None, ports="bench*/port*", canary=2, size=8, parallel=8, budget=0, selftest=True, select="", extra="", board_s=60):
        path = self.folder / f"{name}.toml"
        share = f"share = {budget}" if isinstance(budget, float) else f"budget = {budget}"
        patterns = ports if isinstance(ports, list) else [ports]
        lines = [f'name = "{name}"', f'file = "{file or version + ".tmlm"}"', "[select]",
                 "ports = " + json.dumps([str(self.folder / pattern) for pattern in patterns]), select,
                 "[canary]", f"count = {canary}", "[batches]", f"size = {size}", f"parallel = {parallel}",
                 "[errors]", share, "[order]", "seed = 5",
                 "[timeouts]", f"board_s = {board_s}", "replug_s = 1", "boot_s = 10"]
        if selftest:
            lines += ["[selftest]", 'windows = ["window.csv"]', "at_most = 2"]
        path.write_text("\n".join([*lines, extra]) + "\n")
        return path

    def corrupt_weights(self, board, version):
        """Turns bits of the weights over in the memory from which a running board reads its flash, behind all that it has checked."""
        package = (self.folder / f"{version}.tmlm").read_bytes()
        begin, size = struct.unpack_from("<II", package, 32)  # Header::constants (common/wire/model_package.hpp)
        pid = board.process.pid
        found = 0
        try:
            with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
                for line in maps:
                    span, rights, _, _, inode = line.split()[:5]
                    first, last = (int(part, 16) for part in span.split("-"))
                    if rights != "rw-p" or inode != "0" or line.rstrip().endswith("]"):
                        continue
                    memory.seek(first)
                    at = memory.read(last - first).find(package)
                    if at < 0:
                        continue
                    found += 1
                    memory.seek(first + at + begin)
                    memory.write(bytes(byte ^ 1 for byte in package[begin:begin + min(size, 64)]))
        except PermissionError as error:
            self.skipTest(f"the memory of a process of ours may not be written here: {error}")
        self.assertGreater(found, 0, "the board has this package nowhere")

    def report(self, events):
        return named(events, "rollout_report")[-1]

    def journal(self, name):
        path = self.home / ".local/state/tml/rollouts" / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{") and line.endswith("}")]

    def runs(self, port):
        """(version of the model that the board runs, by its own word)."""
        with contextlib.closing(Line(port)) as line:
            line.wake()
            text = "\n".join(line.command("AT+MODELINFO?"))
        block = re.search(r"Slot 0[AB]: valid, active.*?Version: ([\d.]+)", text, re.DOTALL)
        return block.group(1) if block else None

    def assert_halt_rule(self, name, budget, total):
        """By the journal alone: no board is started after the failure that exceeds the budget, each at most once per run."""
        failures, halted, started, ended = 0, False, set(), set()
        for record in self.journal(name)[1:]:
            if record["event"] == "resumed":
                started = set(ended)  # What a kill cut off is done again.
            if record["event"] in ("passed", "failed"):
                ended.add(record["board"])
            if record["event"] == "started":
                self.assertFalse(halted, record)
                self.assertNotIn(record["board"], started)
                started.add(record["board"])
            if record["event"] == "failed":
                failures += 1
                halted = failures > (budget * total if isinstance(budget, float) else budget)
        return failures, halted

    def assert_one_version_each(self, report):
        """Every board runs exactly what the report says: the new where it is confirmed, else the old."""
        for row in report["boards"]:
            expected = NEW if row["result"] == "confirmed" else OLD
            self.assertEqual(self.runs(row["port"]), expected, row)


__all__ = ["BUSY", "INTERRUPTED", "NEW", "NOT_FOUND", "OK", "OLD", "PARTIAL", "REFUSED", "USAGE", "Process", "RolloutTest", "main", "named", "wait_until"]
