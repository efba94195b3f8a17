#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The gesture model (circle, flick, idle, updown): python3-numpy is all that it needs.
#
#     gestures.py train [-o gestures.tflite]   the model on all recordings
#     gestures.py folds [--json]               cross validation with quantised models, split by recording
#     gestures.py test MODEL.tflite DIR        a model on a folder of recordings: .json as in the dataset, .csv as tml-board --synthesise
import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy: sums in one order

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np

import augment
import int8
import recordings
from network import Network
from quantise import quantise
from recordings import LABELS
from tflite_writer import Out

WINDOW = 208  # 2 s at 104 Hz
STRIDE = 26   # 0.25 s
FOLDS = 6
SEED = 20261121
STEPS = 6000
BATCH = 64
CONVOLUTIONS = [(16, 8, 4), (24, 5, 2), (32, 3, 2)]  # outputs, width, stride
INPUT = Out(0.12, 0)  # -15.4 .. 15.2: all of a +-2 g sensor's range in g, +-1.5 g in m/s2
GAIN = 0.2            # what the network sees is about 1
SMOOTHED = 0.05       # probability that is spread over all classes in the training goal


def levels(windows):
    """Windows as the int8 input holds them, as real numbers."""
    steps = np.clip(np.round(windows / np.float32(INPUT.scale)) + INPUT.zero_point, -128, 127)
    return ((steps - INPUT.zero_point) * np.float32(INPUT.scale)).astype(np.float32)


def train(chosen, seed, steps=STEPS):
    """The .tflite, trained on a list of (label, values)."""
    random = np.random.default_rng(seed)
    network = Network(random, 3, CONVOLUTIONS, len(LABELS))
    source = augment.Windows(random, chosen, WINDOW)
    for count in range(1, steps + 1):
        windows, labels = source.draw(BATCH)
        wanted = np.full((BATCH, len(LABELS)), SMOOTHED / len(LABELS), dtype=np.float32)
        wanted[np.arange(BATCH), labels] += 1 - SMOOTHED
        rate = 2e-3 * min(1, count / 50) * 0.5 * (1 + np.cos(np.pi * count / steps)) + 1e-5
        network.step(levels(windows) * np.float32(GAIN), wanted, rate, 1e-2, count)
    calibration, _ = source.draw(2048)
    return quantise(network, GAIN, INPUT, levels(calibration), f"TML gestures: {', '.join(LABELS)}")


def vote(model, values):
    """How many windows of a recording go to each class."""
    cut = recordings.windows(values, WINDOW, STRIDE)
    return np.bincount(model.run(model.quantise(cut)).argmax(1), minlength=len(LABELS))


def summary(rows):
    """rows: (fold, name, label, votes). The figures that are reported."""
    confusion = np.zeros((len(LABELS), len(LABELS)), dtype=int)
    right = []
    for _, _, label, votes in rows:
        confusion[label] += votes
        right.append(int(votes.argmax() == label))
    folds = {}
    for (fold, _, label, votes), good in zip(rows, right):
        entry = folds.setdefault(int(fold), {"windows": 0, "windows_right": 0, "recordings": 0, "recordings_right": 0})
        for key, value in (("windows", votes.sum()), ("windows_right", votes[label]), ("recordings", 1), ("recordings_right", good)):
            entry[key] += int(value)
    return {"labels": LABELS, "windows": int(confusion.sum()), "window_accuracy": float(np.trace(confusion) / confusion.sum()),
            "recordings": len(right), "recording_accuracy": sum(right) / len(right), "confusion": confusion.tolist(), "folds": folds}


def show(result):
    print(f"windows    {result['window_accuracy']:.4%} of {result['windows']}")
    print(f"recordings {result['recording_accuracy']:.4%} of {result['recordings']}")
    for fold, entry in result["folds"].items():
        print(f"  fold {fold}: windows {entry['windows_right']}/{entry['windows']}, recordings {entry['recordings_right']}/{entry['recordings']}")
    print("confusion (rows: truth)   " + " ".join(f"{name:>7}" for name in LABELS))
    for name, row in zip(LABELS, result["confusion"]):
        print(f"  {name:<22}  " + " ".join(f"{count:7}" for count in row))


def fold_of(all_recordings):
    return recordings.folds([label for _, label, _ in all_recordings], FOLDS, SEED)


def fold_model(all_recordings, fold, models=None):
    """The model of one fold, trained without that fold's recordings; `models` is a folder that keeps them from run to run."""
    kept = models / f"fold-{fold}.tflite" if models else None
    if kept and kept.exists():
        return kept.read_bytes()
    parts = fold_of(all_recordings)
    made = train([(label, values) for (_, label, values), part in zip(all_recordings, parts) if part != fold], SEED + 1 + fold)
    if kept:
        models.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(made)
    return made


def cross_validate(scale=1.0, models=None):
    everything = recordings.gestures()
    rows = []
    for fold in range(FOLDS):
        model = int8.Model(fold_model(everything, fold, models))
        for (name, label, values), part in zip(everything, fold_of(everything)):
            if part == fold:
                rows.append((fold, name, label, vote(model, values * np.float32(scale))))
    return summary(rows)


def from_folder(folder):
    """(name, label, values) of .json and .csv recordings whose name says one of the labels."""
    for path in sorted(Path(folder).iterdir()):
        label = path.name.split(".")[0]
        if label not in LABELS:
            continue
        if path.suffix == ".json":
            yield path.name, LABELS.index(label), recordings.gesture_file(path)[1]
        elif path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                table = list(csv.reader(file))[1:]
            yield path.name, LABELS.index(label), np.array([row[1:4] for row in table], dtype=np.float32)


def main():
    parser = argparse.ArgumentParser(prog="gestures.py")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("train")
    command.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("gestures.tflite"))
    command = commands.add_parser("folds")
    command.add_argument("--json", action="store_true")
    command.add_argument("--scale", type=float, default=1.0, help="factor on the test recordings (9.80665: as if measured in m/s2)")
    command.add_argument("--models", type=Path, help="folder that keeps the folds' models: a second run skips the training")
    command = commands.add_parser("test")
    command.add_argument("model", type=Path)
    command.add_argument("folder", type=Path)
    command.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    if options.command == "train":
        options.output.write_bytes(train([(label, values) for _, label, values in recordings.gestures()], SEED))
        return 0
    if options.command == "folds":
        result = cross_validate(options.scale, options.models)
        print(json.dumps(result)) if options.json else show(result)
        return 0
    model = int8.Model(options.model.read_bytes())
    show(summary([(0, name, label, vote(model, values * np.float32(options.scale))) for name, label, values in from_folder(options.folder)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
