# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Power fails at every erase and program of installations, confirmations and reverts, on the bootloader's own code in QEMU. After every cut the
# board must start an application that is whole and of a version that was signed for it, and reach its goal in the end: nothing it was asked
# for may depend on what was under way.
#
#   powercut.py BUILD [--sample] [--scenario NAME] [--chains N] [--second]
#
# --sample: some points of each scenario, spread evenly, in about a minute; otherwise every operation in every mode. --second: for each first
# fault a second one at each of the next 20 operations. --chains N: N runs of 10 faults each, drawn with a seed.
import argparse
import random
import struct
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support/py"))
import qemu  # noqa: E402
import signed_object as so  # noqa: E402
from machine import KEYS, LOG, MODES, SLOTS, Broken, Machine  # noqa: E402

PRODUCT = "tml-mps2-an386"
V1, V2 = 1 << 24, 2 << 24
IMAGE_BYTES, MODEL_BYTES = 20000, 9000
NO = so.NO_SLOT


def fnv(data):
    total = 0x811C9DC5
    for byte in data:
        total = (total ^ byte) * 0x01000193 & 0xFFFFFFFF
    return total


def blank(size):
    return b"\xff" * size


def in_slot(slot, object_bytes, word=so.FACTORY):
    """Regions of a slot that holds the object."""
    offset, size = SLOTS[slot]
    return [(offset, so.payload_of(object_bytes)), (offset + size - so.TRAILER, so.trailer(object_bytes, word))]


class Scenario:
    """What the board holds, what is asked of it, and what must be so afterwards."""

    def __init__(self, name, goal, slot, staged, regions, *, active, floors=(0, 0, 0), good):
        self.name, self.goal, self.slot, self.staged, self.regions = name, goal, slot, staged, regions
        self.active, self.floors, self.good = active, floors, good  # good: {(slot, version): sum}

    def judge(self, machine, point):
        """Sentences; none when all is well."""
        wrong = []
        if point.outcome != "reached":
            wrong.append(f"{point.outcome}, status {point.status} after {point.resets} resets")
        if not point.starts:
            wrong.append("no application was started")
        for slot, version, total in point.starts:
            if self.good.get((slot, version)) != total:
                wrong.append(f"slot {slot} ran version {version >> 24} with the sum {total:#x}, which nobody signed")
                break
        record = so.newest_record(machine.flash(*LOG))
        if record is None:
            return [*wrong, "the boot log is gone"]
        if bytes(record["active"]) != bytes(self.active) or bytes(record["trial"]) != bytes([NO] * 3):
            wrong.append(f"active {record['active'].hex()} trial {record['trial'].hex()} instead of {bytes(self.active).hex()} and none")
        if any(now < before for now, before in zip(record["floors"], self.floors)):
            wrong.append(f"floors {record['floors']} below {self.floors}")
        if self.goal == "install" and self.active[self.slot // 2] == self.slot:
            payload = so.payload_of(self.staged)
            if machine.flash(SLOTS[self.slot][0], len(payload)) != payload:
                wrong.append("the slot does not hold what was installed")
        return wrong


def scenarios(build):
    images = [(build / f"qemu/powercut-app-{letter}.bin").read_bytes() for letter in "ab"]
    a1 = so.patch_image(images[0], version=V1, bytes_=IMAGE_BYTES, filler=1)
    b1 = so.patch_image(images[1], version=V1, bytes_=IMAGE_BYTES, filler=2)
    b2 = so.patch_image(images[1], version=V2, bytes_=IMAGE_BYTES, filler=3)
    object_a1, object_b1, object_b2, same_epoch = (so.signed_image(image, epoch=epoch) for image, epoch in ((a1, 1), (b1, 1), (b2, 2), (b2, 1)))
    sums = {(0, V1): fnv(a1), (1, V2): fnv(b2)}
    model = random.Random(4).randbytes(MODEL_BYTES)
    object_model = so.signed_object(model, so.MODEL, 1 << 2 | 1 << 3, version=V1, product=PRODUCT, epoch=1, name="a model",
                                    contract=(2, 1 << 1, 4096))
    factory = in_slot(0, object_a1)
    # The slot to be written holds an older image, the log is about to change its sector.
    records = [so.boot_record(n + 1, event=2, slot=0, active=(0, NO, NO), floors=(1, 0, 0)) for n in range(62)]
    worn = [*factory, *in_slot(1, object_b1, so.STAGED), (LOG[0] + 4096, b"".join(records)), (LOG[0], random.Random(5).randbytes(4096))]
    return [
        Scenario("app", "install", 1, object_b2, factory, active=(1, NO, NO), good=sums),
        Scenario("app-worn", "install", 1, object_b2, worn, active=(1, NO, NO), floors=(1, 0, 0), good=sums),
        Scenario("model", "install", 2, object_model, factory, active=(NO, 2, NO), good=sums),
        Scenario("exhaust", "exhaust", 1, object_b2, factory, active=(0, NO, NO), good=sums),
        Scenario("revert", "revert", 1, same_epoch, worn, active=(0, NO, NO), floors=(1, 0, 0), good=sums),
    ]


class Sweep:
    def __init__(self, machine):
        self.machine = machine
        self.points = self.resets = 0
        self.failures = []

    def point(self, scenario, faults, seed):
        self.machine.prepare(scenario.regions)
        try:
            point = self.machine.run(scenario.goal, scenario.slot, scenario.staged, faults, seed)
        except Broken as error:
            self.failures.append(f"{scenario.name} {faults} seed {seed}: {error}")
            self.machine.close()
            self.machine.start()
            return None
        self.points += 1
        self.resets += point.resets
        for sentence in scenario.judge(self.machine, point):
            self.failures.append(f"{scenario.name} {faults} seed {seed}: {sentence}")
        return point


def every(scenario, operations):
    for n in range(operations):
        for mode in MODES:
            yield [(n, mode)]


def run(sweep, scenario, options):
    plain = sweep.point(scenario, [], 1)
    if plain is None or sweep.failures:
        return
    started, before = time.monotonic(), sweep.points
    if options.chains:
        rng = random.Random(f"{options.seed} {scenario.name}")
        plans = [[(rng.randrange(plain.operations), rng.choice(MODES)) for _ in range(10)] for _ in range(options.chains)]
    elif options.second:
        plans = [first + [(m, mode)] for first in every(scenario, plain.operations) for m in range(20) for mode in MODES]
    else:
        plans = list(every(scenario, plain.operations))
    if options.sample:
        plans = plans[random.Random(scenario.name).randrange(7)::max(1, len(plans) // options.sample_points)]
    most_stored = 0
    for number, faults in enumerate(plans):
        point = sweep.point(scenario, faults, number + 1)
        if point and point.faults_done == 1:
            most_stored = max(most_stored, point.stored)
        if len(sweep.failures) > 10:
            break
    took = time.monotonic() - started
    print(f"{scenario.name}: {plain.operations} operations, {sweep.points - before} points, {took:.1f} s; chunks sent {plain.stored} without a cut, "
          f"{most_stored} at most with one", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=Path)
    parser.add_argument("--sample", action="store_true")
    parser.add_argument("--sample-points", type=int, default=60)
    parser.add_argument("--scenario", action="append")
    parser.add_argument("--second", action="store_true")
    parser.add_argument("--chains", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    qemu.require()
    elf = options.build / "bin/tml-mps2-an386-boot-faults.elf"
    if not elf.exists():
        print(f"skipped: there is no {elf} (configure with -DTML_ARM=ON)")
        sys.exit(qemu.SKIP)
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(str(elf), folder)
        sweep = Sweep(machine)
        try:
            machine.start()
            for scenario in scenarios(options.build):
                if not options.scenario or scenario.name in options.scenario:
                    run(sweep, scenario, options)
        finally:
            machine.close()
    for failure in sweep.failures:
        print(f"FAILED {failure}")
    print(f"{sweep.points} points, {sweep.resets} resets, {len(sweep.failures)} failures")
    sys.exit(1 if sweep.failures else 0)


if __name__ == "__main__":
    main()
