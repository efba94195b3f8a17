#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The ceiling fan's anomaly detector: Mahalanobis distance of the shape and size of the vibration of each axis (standard deviation,
# skewness, kurtosis: the block "flatten") from recordings of the fan at low speed without a weight. The mean is left out on purpose: it is
# the tilt of the sensor, which tells recording sessions apart and not machines.
#
#     fan.py folds [--json]    cross validation in numpy (evaluate.py does it on a board)
#     fan.py threshold [DIR]   the threshold for a folder of normal recordings
#
# The threshold's rule: twice the largest distance that a normal training recording has from a detector fitted on the other ones.
import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import json
import sys
from pathlib import Path

import numpy as np

import recordings

FOLDS = 8
SEED = 20261121
MARGIN = 2.0


def features(values):
    """[recordings, 9] from [recordings, readings, 3]: deviation, skewness, kurtosis of each axis, as docs/dsp.md defines them."""
    values = values.astype(np.float64)
    rest = values - values.mean(1, keepdims=True)
    deviation = np.sqrt((rest ** 2).mean(1))
    skewness = (rest ** 3).mean(1) / deviation ** 3
    kurtosis = (rest ** 4).mean(1) / deviation ** 4 - 3
    return np.stack([deviation, skewness, kurtosis], axis=2).reshape(len(values), -1)


def fit(normal):
    """(mean, whitening matrix) of normal feature vectors."""
    return normal.mean(0), np.linalg.inv(np.linalg.cholesky(np.cov(normal.T)))


def score(detector, vectors):
    return np.sqrt((((vectors - detector[0]) @ detector[1].T) ** 2).sum(1))


def threshold(normal):
    left_out = [score(fit(np.delete(normal, i, axis=0)), normal[i:i + 1])[0] for i in range(len(normal))]
    return round(float(MARGIN * max(left_out)), 2)


def area_under_curve(normal, anomalies):
    """The chance that an anomaly scores higher than a normal window; ties count half."""
    normal, anomalies = np.asarray(normal)[:, None], np.asarray(anomalies)[None, :]
    return float((anomalies > normal).mean() + 0.5 * (anomalies == normal).mean())


def summary(rows):
    """rows: (fold, class, score, threshold) of every test window. The figures that are reported."""
    normal = [row for row in rows if row[1] == recordings.NORMAL]
    others = [row for row in rows if row[1] != recordings.NORMAL]
    out = {"normal_windows": len(normal), "false_alarms": sum(row[2] > row[3] for row in normal),
           "thresholds": sorted({float(row[3]) for row in rows}), "largest_normal": max(float(row[2]) for row in normal),
           # Scores of different folds are comparable only as multiples of their threshold.
           "auc": area_under_curve([row[2] / row[3] for row in normal], [row[2] / row[3] for row in others]), "classes": {}}
    for name in recordings.FAN_CLASSES:
        mine = [row for row in others if row[1] == name]
        if mine:
            out["classes"][name] = {"windows": len(mine), "detected": sum(row[2] > row[3] for row in mine),
                                    "least": min(float(row[2]) for row in mine),
                                    "auc": area_under_curve([row[2] / row[3] for row in normal], [row[2] / row[3] for row in mine])}
    return out


def show(result):
    print(f"AUC {result['auc']:.4f}, false alarms {result['false_alarms']} of {result['normal_windows']} unseen normal windows "
          f"(largest score {result['largest_normal']:.2f}), thresholds {result['thresholds']}")
    for name, entry in result["classes"].items():
        print(f"  {name:<26} detected {entry['detected']:4} of {entry['windows']:4}  least score {entry['least']:7.2f}  AUC {entry['auc']:.4f}")


def split(everything):
    """Fold numbers of the normal recordings."""
    return recordings.folds([0] * len(everything[recordings.NORMAL][0]), FOLDS, SEED)


def cross_validate():
    """In each fold the detector sees the normal recordings of the others; it is tested on its own ones and on every anomaly."""
    everything = recordings.fan()
    vectors = {name: features(values) for name, (_, values) in everything.items()}
    normal, parts, rows = vectors[recordings.NORMAL], split(everything), []
    for fold in range(FOLDS):
        known = normal[parts != fold]
        detector, limit = fit(known), threshold(known)
        for name, tested in vectors.items():
            tested = normal[parts == fold] if name == recordings.NORMAL else tested
            rows += [(fold, name, float(value), limit) for value in score(detector, tested)]
    return summary(rows)


def main():
    parser = argparse.ArgumentParser(prog="fan.py")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("folds")
    command.add_argument("--json", action="store_true")
    command = commands.add_parser("threshold")
    command.add_argument("folder", type=Path, nargs="?")
    options = parser.parse_args()
    if options.command == "folds":
        result = cross_validate()
        print(json.dumps(result)) if options.json else show(result)
        return 0
    folder = options.folder or recordings.shared_data("ceiling-fan") / recordings.NORMAL
    values = np.array([np.loadtxt(path, delimiter=",", dtype=np.float32) for path in sorted(folder.glob("*.csv"))])
    print(threshold(features(values)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
