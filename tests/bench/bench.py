#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Area `capture` of scripts/bench. Figures, goals and meanings: design, section 8; docs/performance.md.
import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support" / "py"))
import fleet  # noqa: E402
from figures import Figures  # noqa: E402
from processes import programs, run, wait_until  # noqa: E402

BITS_PER_CHARACTER = 10  # 8N1
BOARD_SEED = 1


class Capture:
    def __init__(self, bin_folder, figures, folder):
        self.bin, self.figures, self.folder = bin_folder, figures, folder
        self.boards = 0

    def board(self, *flags):
        self.boards += 1
        return fleet.Board(self.bin, self.folder / f"board{self.boards}", ["--seed", BOARD_SEED, *flags])

    def client(self, *arguments, timeout_s=180):
        code, out, err = run([self.bin / "tml-capture-bench", *arguments], timeout_s=timeout_s)
        if code != 0:
            raise RuntimeError(f"tml-capture-bench {' '.join(map(str, arguments))}: exit code {code}: {err.strip()}")
        return json.loads(out)

    def connect_and_round_trips(self):
        unthrottled, modelled = self.board(), self.board("--baud-model", 115200)
        try:
            quick = self.client("connect", "--port", unthrottled.link, "--repeat", 20)
            slow = self.client("connect", "--port", modelled.link, "--repeat", 20)
            self.figures.add("capture.connect_ms", round(quick["median_ms"], 2), "ms", "<= 100",
                             modelled_115200_ms=round(slow["median_ms"], 1),
                             modelled_115200_goal="<= 180", worst_ms=round(quick["max_ms"], 2), runs=quick["repeat"])
            trips = self.client("round-trips", "--port", unthrottled.link, "--repeat", 2000)
            slow = self.client("round-trips", "--port", modelled.link, "--repeat", 200)
            self.figures.add("capture.at_round_trips_per_s", round(trips["round_trips_per_s"], 1), "1/s", None, command="AT+DEVICEID?",
                             modelled_115200_per_s=round(slow["round_trips_per_s"], 1))
        finally:
            unthrottled.stop()
            modelled.stop()

    def readout(self, baud):
        # The sample is recorded with a quick device clock; the line keeps its real speed.
        flags = ["--baud-model", 115200, "--speed", 20] + (["--transfer-baud", baud] if baud != 115200 else [])
        board = self.board(*flags)
        try:
            what = ["readout", "--port", board.link, "--sensor", "Built-in microphone", "--interval-ms", 0.0625]
            long = self.client(*what, "--length-ms", 8500)
            short = self.client(*what, "--length-ms", 887)
        finally:
            board.stop()
        if long["payload_chars"] < 256 * 1024:
            raise RuntimeError(f"the sample is too short: {long['payload_chars']} characters")
        if long["attempts"] != 1 or long["damaged"]:
            print(f"bench: the read-out at {baud} needed {long['attempts']} attempts", file=sys.stderr)
        line_ms = long["payload_chars"] * BITS_PER_CHARACTER * 1000 / baud
        self.figures.add(f"capture.readout_share.{baud}", round(line_ms / long["payload_ms"], 4), "", ">= 0.72",
                         characters=long["payload_chars"], seconds=round(long["payload_ms"] / 1000, 2), attempts=long["attempts"],
                         whole_command_28kb_s=round(short["command_ms"] / 1000, 3), bytes_28kb=short["bytes"])

    def signing(self):
        code, out, err = run([self.bin / "tml-sign-bench", "--benchmark_format=json", "--benchmark_repetitions=7",
                              "--benchmark_min_time=0.1", "--benchmark_enable_random_interleaving=true"], timeout_s=120)
        if code != 0:
            raise RuntimeError(f"tml-sign-bench: exit code {code}: {err}")
        speeds = {}
        for entry in json.loads(out)["benchmarks"]:
            if entry.get("run_type") == "iteration":
                speeds.setdefault(entry["run_name"], []).append(entry["bytes_per_second"])
        speeds = {name: statistics.median(values) for name, values in speeds.items()}
        base = {size: speeds[f"openssl_hmac/{size}"] for size in (28 * 1024, 1024 * 1024)}

        def share(name, size):
            return round(speeds[f"{name}/{size}"] / base[size], 4)

        self.figures.add("capture.sign_share_of_openssl", share("signer_sign", 28 * 1024), "", ">= 0.9", bytes=28 * 1024,
                         openssl_mb_per_s=round(base[28 * 1024] / 1e6), share_1mb=share("signer_sign", 1024 * 1024),
                         parse_and_verify_share=share("signer_parse_and_verify", 28 * 1024),
                         board_share=share("board_libsodium", 28 * 1024),
                         board_mb_per_s=round(speeds[f"board_libsodium/{28 * 1024}"] / 1e6))

    def memory(self):
        server = fleet.Server(self.bin, self.folder / "server")
        board = self.board("--speed", 10)
        daemon = None
        try:
            daemon = fleet.Daemon(self.bin, self.folder / "daemon", server.host, board.link, api_key=server.api_key)
            daemon.wait_online()
            captures = 5
            for index in range(captures):
                answer = server.start_sampling(board.id, f"memory{index}", 10_000, 10, "Built-in accelerometer")
                if not answer.get("success"):
                    raise RuntimeError(f"start-sampling: {answer}")
                wait_until("a delivered capture", lambda n=index: len([e for e in daemon.events if e["event"] == "delivered"]) > n, 60)
            memory = daemon.memory_kb()
            self.figures.add("capture.daemon_private_mb", round(memory["private"] / 1024, 2), "MiB", "<= 8",
                             rss_mb=round(memory["rss"] / 1024, 1), rss_goal="<= 28", captures=captures)
        finally:
            for process in (daemon, board, server):
                if process:
                    process.stop()

    def all(self):
        failed = 0
        steps = [("connect and round trips", self.connect_and_round_trips)]
        steps += [(f"read-out at {baud}", lambda baud=baud: self.readout(baud)) for baud in (115200, 460800, 921600)]
        steps += [("signing", self.signing), ("memory", self.memory)]
        for name, step in steps:
            print(f"bench: {name}", file=sys.stderr, flush=True)
            try:
                step()
            except (RuntimeError, TimeoutError, AssertionError, OSError) as problem:
                print(f"bench: {name}: {problem}", file=sys.stderr)
                failed += 1
        return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("area", choices=["capture"])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--form", choices=("json", "table"), default="json")
    arguments = parser.parse_args()
    figures = Figures(arguments.form)
    with tempfile.TemporaryDirectory(prefix="tml-bench-") as folder:
        failed = Capture(programs(arguments.bin), figures, Path(folder)).all()
    figures.end()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
