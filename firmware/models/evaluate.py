#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The accuracy criteria measured from the board itself: in each fold the model is trained without the fold's recordings, compiled with
# tml-flash, put into tml-board, and every window of the fold goes through AT+RUNIMPULSESTATIC. Prints JSON.
#
#     evaluate.py gestures [--bin DIR] [--models DIR]     6 folds, split by recording
#     evaluate.py fan [--bin DIR]                         8 folds of the normal recordings, every anomaly in each
#     evaluate.py fan --flag=--qemu --flag=ELF            on the firmware for the Cortex-M4F, emulated
#
# --models keeps the folds' .tflite files (fold-N.tflite) and uses those that are there: a second run skips the training.
import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import fan
import gestures
import int8
import recordings
from board import Board, compile_package

HERE = Path(__file__).resolve().parent


def fan_impulse(folder, limit):
    """fan.toml with its fit and threshold replaced by a fold's."""
    lines = (HERE / "fan.toml").read_text().splitlines()
    kept = [line for line in lines if line.split("=")[0].strip() not in ("fit", "fitted", "threshold")]
    at = kept.index("[anomaly]") + 1
    return "\n".join(kept[:at] + [f'fit = "{folder}"', f"threshold = {limit}"] + kept[at:]) + "\n"


def evaluate_gestures(programs, work, models, flags):
    everything = recordings.gestures()
    parts, rows, different, resent, seconds = gestures.fold_of(everything), [], 0, 0, 0.0
    for fold in range(gestures.FOLDS):
        host = int8.Model(gestures.fold_model(everything, fold, models))
        package = work / f"fold-{fold}.tmlm"
        compile_package(programs / "tml-flash", package, HERE / "gestures.toml", models / f"fold-{fold}.tflite")
        with Board(programs / "tml-board", package, flags) as board:
            for (name, label, values), part in zip(everything, parts):
                if part != fold:
                    continue
                cut = recordings.windows(values, gestures.WINDOW, gestures.STRIDE)
                expected = host.dequantise(host.run(host.quantise(cut)))
                votes = np.zeros(len(recordings.LABELS), dtype=int)
                start = time.monotonic()
                for window, wanted in zip(cut, expected):
                    scores, _ = board.run(window.ravel().tolist())
                    got = np.array([scores[known] for known in recordings.LABELS])
                    different += int(np.abs(got - wanted).max() > 1e-5)
                    votes[int(got.argmax())] += 1
                seconds += time.monotonic() - start
                rows.append((fold, name, label, votes))
            resent += board.resent
        print(f"fold {fold}: {gestures.summary(rows)['folds'][fold]}", file=sys.stderr)
    result = gestures.summary(rows)
    return {**result, "windows_unlike_numpy": different, "windows_resent": resent, "ms_per_window": 1000 * seconds / result["windows"]}


def evaluate_fan(programs, work, _, flags):
    everything = recordings.fan()
    parts, rows, resent, seconds, windows = fan.split(everything), [], 0, 0.0, 0
    names, normal = everything[recordings.NORMAL]
    for fold in range(fan.FOLDS):
        folder = work / f"normal-{fold}"
        folder.mkdir()
        for name, part in zip(names, parts):
            if part != fold:
                shutil.copy(recordings.shared_data("ceiling-fan") / recordings.NORMAL / name, folder / name)
        limit = fan.threshold(fan.features(normal[parts != fold]))
        impulse, package = work / f"fold-{fold}.toml", work / f"fold-{fold}.tmlm"
        impulse.write_text(fan_impulse(folder, limit))
        compile_package(programs / "tml-flash", package, impulse)
        with Board(programs / "tml-board", package, flags) as board:
            for name, (_, tested) in everything.items():
                tested = normal[parts == fold] if name == recordings.NORMAL else tested
                start = time.monotonic()
                rows += [(fold, name, board.run(window.ravel().tolist())[1], limit) for window in tested]
                seconds += time.monotonic() - start
                windows += len(tested)
            resent += board.resent
        print(f"fold {fold} done", file=sys.stderr)
    return {**fan.summary(rows), "windows_resent": resent, "ms_per_window": 1000 * seconds / windows}


def main():
    parser = argparse.ArgumentParser(prog="evaluate.py")
    parser.add_argument("what", choices=["gestures", "fan"])
    parser.add_argument("--bin", type=Path, default=HERE.parents[1] / "build/release/bin", help="folder of tml-flash and tml-board")
    parser.add_argument("--flag", action="append", default=[], metavar="FLAG", help="for tml-board, as in --flag=--qemu --flag=ELF")
    parser.add_argument("--models", type=Path, help="folder of the folds' models")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        models = options.models or Path(work) / "models"
        run = evaluate_gestures if options.what == "gestures" else evaluate_fan
        print(json.dumps(run(options.bin, Path(work), models, options.flag), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
