# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The recordings that the demonstration models are trained on, and how they are split. They are not part of the repository; a script that
# cannot find them says so and ends with exit code 77 (skipped).
import json
import os
import sys
from pathlib import Path

import numpy as np

LABELS = ["circle", "flick", "idle", "updown"]
RATE_HZ = 104
NORMAL = "fan_0_low_0_weight"
FAN_CLASSES = ["fan_0_low_0_weight", "fan_0_low_1_weight", "fan_0_med_0_weight", "fan_0_med_1_weight", "fan_0_high_0_weight",
               "fan_0_high_1_weight", "fan_0_off_0_weight", "fan_0_low_0_weight-moving"]
FAN_RATE_HZ = 200
SKIPPED = 77


def shared_data(name):
    """data/NAME in the folder of shared data: TML_SHARED_DIR, or `shared` beside the repository."""
    folder = Path(os.environ.get("TML_SHARED_DIR") or Path(__file__).resolve().parents[3] / "shared") / "data" / name
    if not folder.is_dir():
        print(f"skipped: no folder {folder}; name the folder that holds data/{name} in TML_SHARED_DIR", file=sys.stderr)
        sys.exit(SKIPPED)
    return folder


def gesture_file(path):
    """One acquisition document: (label, values[rows, 3]); the label is the text before the first dot of the name."""
    payload = json.loads(path.read_text())["payload"]
    return path.name.split(".")[0], np.array(payload["values"], dtype=np.float32)


def gestures(folder=None):
    """All gesture recordings as (name, label index, values), in the order of their names."""
    out = []
    for path in sorted(Path(folder or shared_data("gestures")).glob("*.json")):
        label, values = gesture_file(path)
        if label in LABELS:
            out.append((path.name, LABELS.index(label), values))
    return out


def fan(folder=None):
    """Each class of the ceiling fan as (list of file names, values[recordings, 200, 3] in g)."""
    folder = Path(folder or shared_data("ceiling-fan"))
    out = {}
    for name in FAN_CLASSES:
        paths = sorted((folder / name).glob("*.csv"))
        out[name] = ([path.name for path in paths], np.array([np.loadtxt(path, delimiter=",", dtype=np.float32) for path in paths]))
    return out


def folds(labels, count, seed):
    """Fold numbers, one per recording: each class is dealt out evenly in an order that the seed decides."""
    out, random = np.zeros(len(labels), dtype=int), np.random.default_rng(seed)
    for label in sorted(set(labels)):
        where = random.permutation([i for i, other in enumerate(labels) if other == label])
        out[where] = np.arange(len(where)) % count
    return out


def windows(values, length, stride):
    return np.stack([values[start:start + length] for start in range(0, len(values) - length + 1, stride)])
