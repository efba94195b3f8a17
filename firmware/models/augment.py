# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Training windows of gestures, drawn without end from a few recordings: other starting points, tempo, strength, orientation of the board
# in the hand, noise, and both units in which such recordings are found (g, and m/s2 as our boards measure). Part of them comes from the
# formulas of the product's own generator (firmware/boards/native/synth.cpp), so that a board that synthesises its readings is understood.
import numpy as np

from recordings import LABELS, RATE_HZ

GRAVITY = 9.80665
SYNTHETIC = 0.25  # share of generated windows
CLIP_G = 2.0      # the range of the sensor that the recordings were made with


def rotations(random, count):
    """Matrices [count, 3, 3], evenly over all orientations, every other one mirrored."""
    q = random.standard_normal((count, 4))
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    out = np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                    [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                    [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]]).transpose(2, 0, 1)
    out[::2] *= -1
    return out


def small_rotations(random, count, degrees):
    """Matrices [count, 3, 3] that turn by up to about `degrees` round any axis."""
    axis = random.standard_normal((count, 3))
    axis *= np.deg2rad(degrees) * random.uniform(0, 1, (count, 1)) / np.linalg.norm(axis, axis=1, keepdims=True)
    zero = np.zeros(count)
    turn = np.array([[zero, -axis[:, 2], axis[:, 1]], [axis[:, 2], zero, -axis[:, 0]], [-axis[:, 1], axis[:, 0], zero]]).transpose(2, 0, 1)
    near, _ = np.linalg.qr(np.eye(3) + turn)
    return near * np.sign(np.einsum("nii->ni", near))[:, None, :]


def synthetic(random, labels, length):
    """Windows in g as synth.cpp makes them (accelerometer), with its ranges of tempo, strength, phase, tilt and noise."""
    count = len(labels)
    tempo = random.uniform(0.9, 1.1, count)[:, None]
    strength = random.uniform(0.85, 1.15, count)[:, None]
    phase = random.uniform(0, 2 * np.pi, count)[:, None]
    tilt = random.uniform(-0.175, 0.175, (2, count))[:, :, None]
    t = random.uniform(0, 30, count)[:, None] + np.arange(length) / RATE_HZ
    out = np.stack(np.broadcast_arrays(GRAVITY * np.sin(tilt[0]) + 0 * t, GRAVITY * np.sin(tilt[1]),
                                       GRAVITY * np.cos(tilt[0]) * np.cos(tilt[1])), axis=2).copy()
    noise = np.array([{"circle": 0.3, "flick": 0.2, "idle": 0.05, "updown": 0.3}[LABELS[i]] for i in labels])

    def bump(beat, begin, end):
        return np.where((beat > begin) & (beat < end), np.sin(np.pi * (beat - begin) / (end - begin)), 0)

    circle, flick, updown = (np.asarray(labels) == LABELS.index(name) for name in ("circle", "flick", "updown"))
    turn = 2 * np.pi * 1.1 * tempo * t + phase
    out[circle, :, 0] += (6 * strength * np.cos(turn))[circle]
    out[circle, :, 1] += (6 * strength * np.sin(turn))[circle]
    out[updown, :, 2] += (8 * strength * np.sin(2 * np.pi * 1.4 * tempo * t + phase))[updown]
    beat = np.mod(t * tempo + phase / (2 * np.pi) * 0.9, 0.9)
    push = strength * (bump(beat, 0.1, 0.18) - 0.6 * bump(beat, 0.18, 0.32))
    out[flick, :, 0] += (22 * push)[flick]
    out[flick, :, 2] += (7 * push)[flick]
    return (out + noise[:, None, None] * random.standard_normal(out.shape)) / GRAVITY


class Windows:
    """recordings: list of (label, values[rows, 3] in g)."""

    def __init__(self, random, recordings, length):
        self.random, self.length = random, length
        self.labels = np.array([label for label, _ in recordings])
        self.starts = np.cumsum([0] + [len(values) for _, values in recordings])
        self.values = np.concatenate([values for _, values in recordings]).astype(np.float64)

    def real(self, count):
        random = self.random
        which = random.integers(0, len(self.labels), count)
        sizes = self.starts[which + 1] - self.starts[which]
        tempo = np.minimum(random.uniform(0.8, 1.25, count), (sizes - 1) / self.length)
        first = random.uniform(0, 1, count) * (sizes - 1 - tempo * (self.length - 1))
        at = (self.starts[which] + first)[:, None] + tempo[:, None] * np.arange(self.length)
        low = np.minimum(at.astype(int), len(self.values) - 2)
        part = (at - low)[:, :, None]
        x = self.values[low] * (1 - part) + self.values[low + 1] * part
        any_way = count * 3 // 4
        turn = np.concatenate([rotations(random, any_way), small_rotations(random, count - any_way, 25)])
        x = np.einsum("ntc,ndc->ntd", x, turn)
        middle = x.mean(1, keepdims=True)
        x = middle + (x - middle) * random.uniform(0.5, 1.4, (count, 1, 1)) * random.uniform(0.55, 1.3, (count, 1, 3))
        x += random.uniform(-0.1, 0.1, (count, 1, 3))
        x += random.standard_normal(x.shape) * random.uniform(0, 0.04, (count, 1, 1))
        return np.where(random.uniform(size=(count, 1, 1)) < 0.7, np.clip(x, -CLIP_G, CLIP_G), x), self.labels[which]

    def draw(self, count):
        """windows[count, length, 3] in either unit, and their labels."""
        random = self.random
        made = int(round(SYNTHETIC * count))
        real, labels = self.real(count - made)
        wanted = random.integers(0, len(LABELS), made)
        turned = np.einsum("ntc,ndc->ntd", synthetic(random, wanted, self.length), small_rotations(random, made, 15))
        x, labels = np.concatenate([real, turned]), np.concatenate([labels, wanted])
        unit = np.where(random.uniform(size=(count, 1, 1)) < 0.4, GRAVITY, 1.0)
        return (x * unit).astype(np.float32), labels
