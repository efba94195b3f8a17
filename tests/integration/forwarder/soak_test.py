#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Text of 9 axes that fills a modelled line of 3 Mbaud, and 32 boards of 6 axes at 200 Hz, into one forwarder that delivers to a server:
# nothing is lost, every sample arrives once, memory stays flat. Seconds: first argument (20 when not told; scripts/check soak runs 600).
#
# 4 KiB last 13.6 ms at 3 Mbaud, and the modelled line counts what a machine overruns that stands still for longer. With seconds given that is a
# failure. Without, as among the other tests, what was not overrun must be there: how fast the machine is, is measured elsewhere.
import statistics
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "support" / "py")]
from processes import wait_until  # noqa: E402
from streams import MeteredForwarder, StreamBoards, cpu_seconds, memory_mb  # noqa: E402
from tmltest import BenchTest, named  # noqa: E402

STRICT = len(sys.argv) > 1 and sys.argv[1].isdigit()
SECONDS = int(sys.argv.pop(1)) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 20
BAUD = 3_000_000
WIDE_HZ = 2900
BOARDS, BOARDS_HZ = 32, 200
SAMPLE_MS = 5000
FLAT_SHARE, FLAT_MIB = 0.1, 4  # Growth of the median from the second quarter to the last: allocators and caches breathe.


class Soak(BenchTest):
    def sample_memory(self, forwarder):
        while not self.over.wait(0.5):
            try:
                self.memory.append(memory_mb(forwarder.pid))
            except (OSError, TypeError):
                return

    def test_nothing_is_lost_and_memory_stays_flat(self):
        server = self.server()
        wide = self.started_process(StreamBoards(self.bin, self.folder / "wide", f"inertial,{WIDE_HZ}", baud=BAUD,
                                                 readings=WIDE_HZ * SECONDS, seed=1))
        many = self.started_process(StreamBoards(self.bin, self.folder / "many", f"inertial6,{BOARDS_HZ}", baud=BAUD, count=BOARDS,
                                                 readings=BOARDS_HZ * SECONDS, seed=2))
        links = [*wide.links, *many.links]
        ports = [part for link in links for part in ("--port", link)]
        forwarder = self.started_process(MeteredForwarder(
            self.bin, self.folder / "forwarder", [*ports, "--baud-rate", BAUD, "--label", "soak", "--length-ms", SAMPLE_MS, "--continuous"],
            host=server.host, api_key=server.api_key, hmac_key=server.hmac_key))
        for link in links:
            forwarder.wait_named("ready", 60, input=str(link))
        self.memory, self.over = [], threading.Event()
        sampler = threading.Thread(target=self.sample_memory, args=(forwarder,), daemon=True)
        sampler.start()
        begin, cpu = time.monotonic(), cpu_seconds(forwarder.pid)
        truth = {**wide.sessions(SECONDS + 60), **many.sessions(60)}
        share = (cpu_seconds(forwarder.pid) - cpu) / 2 / (time.monotonic() - begin)
        self.over.set()
        sampler.join()
        forwarder.wait_drained()
        counters = [*wide.stop().values(), *many.stop().values()]
        accounts = forwarder.accounts(links)
        # The inputs are gone, so their last samples were cut; the forwarder delivers on.
        counts = []

        def settled():
            counts.append((len(named(forwarder.events, "stored")), len(server.samples())))
            return len(counts) > 2 and counts[-1] == counts[-2] == counts[-3] and counts[-1][0] <= counts[-1][1]

        wait_until("every sample on the server", settled, 60, 0.5)
        stored, delivered = counts[-1]

        sent = sum(session["sent"] for session in truth.values())
        lost = sum(session["sent"] - accounts[link]["readings"] for link, session in truth.items())
        missing = sum(account["missing"] for account in accounts.values())
        quarter = len(self.memory) // 4
        early = statistics.median(self.memory[quarter:2 * quarter])
        late = statistics.median(self.memory[-quarter:])
        overrun = sum(one["tx_overrun_bytes"] for one in counters)
        print(f"soak: {SECONDS} s, {len(links)} boards, {sent} readings sent, {lost} lost, {missing} reported missing, "
              f"{overrun} bytes overrun; {stored} samples stored, {delivered} on the server; "
              f"CPU share {share:.3f}; memory {early:.1f} -> {late:.1f} MiB, at most {max(self.memory):.1f}", flush=True)
        # 12 KB/s: the buffer lasts a third of a second, which no machine that runs tests stands still for.
        for link in many.links:
            self.assertEqual((accounts[str(link)]["readings"], accounts[str(link)]["missing"]), (truth[str(link)]["sent"], 0), link)
        if overrun == 0 or STRICT:
            self.assertEqual((lost, missing), (0, 0))
        else:
            print(f"soak: this machine stood still: {overrun} bytes were overrun before anyone could read them", flush=True)
            self.assertLessEqual(lost, sent // 1000)
            self.assertLessEqual(lost, 2 * overrun)  # A line end that is missing costs the lines on both sides.
        self.assertEqual(delivered, stored)
        if SECONDS >= 60:  # A shorter run is still warming up.
            self.assertLess(late - early, FLAT_SHARE * early + FLAT_MIB)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
