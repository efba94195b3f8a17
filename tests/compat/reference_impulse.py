# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# A third-party board that classifies, after wire reference 7 and 1.13: what it prints while it runs its impulse, and windows that
# are sent to it. Its "model" is the mean of a window: below 0 it is idle, else wave; the mean's size is the anomaly score.
import base64
import os
import select
import struct
import time

from reference_board import ReferenceBoard

READINGS, AXES = 25, 3


class ReferenceImpulse(ReferenceBoard):
    def __init__(self, link, style="current", continuous=True, **profile):
        super().__init__(link, **profile)
        self.style, self.continuous = style, continuous
        self.windows, self.stops = [], 0

    def result(self, values):
        mean = sum(values) / len(values)
        wave = 1 / (1 + 2.718281828 ** (-4 * mean))
        scores = [("idle", 1 - wave), ("wave", wave)]
        if self.style == "older":
            lines = ["Predictions (DSP: 12 ms., Classification: 3 ms., Anomaly: 1 ms.): "]
            lines += [f"    {label}: \t{value:.5f}" for label, value in scores] + [f"    anomaly score: {abs(mean):.3f}"]
        else:
            lines = ["Timing: DSP 12 ms, inference 300 us, anomaly 1 ms", "#Classification predictions:"]
            lines += [f"  {label}: {value:.6f}" for label, value in scores] + [f"Anomaly prediction: {abs(mean):.6f}"]
        return "\r\n".join(lines) + "\r\n"

    def stopped(self, seconds):
        asked = bool(select.select([self.master], [], [], seconds)[0]) and b"b" in os.read(self.master, 4096)
        self.stops += asked
        return asked

    def run_impulse(self, pause_s):
        self.put(f"Inferencing settings:\r\n\tInterval: 16.00 ms.\r\n\tFrame size: {READINGS * AXES}\r\n\tSample length: {READINGS * 16} ms.\r\n"
                 "\tNo. of classes: 2\r\nStarting inferencing, press 'b' to break\r\n")
        for turn in range(10_000):
            if self._stop.is_set():
                return
            self.put("Starting inferencing in 2 seconds...\r\n")
            if self.stopped(pause_s):
                break
            self.put("Sampling...\r\n")
            self.put(self.result([-1.0 if turn % 2 else 1.0] * (READINGS * AXES)))
        self.put("Inferencing stopped by user\r\n")

    def at_runimpulse(self):
        self.run_impulse(0.05)

    def at_runimpulsedebug_write(self, fast):
        self.run_impulse(0.05)

    def at_runimpulsecont(self):
        if not self.continuous:
            return self.put("Error no continuous classification available for current model\r\n")
        return self.run_impulse(0.02)

    def at_runimpulsestatic_write(self, debug, count):
        count, block = int(count), 32
        self.put(f"OK CHUNK={block}\r\n")
        text, wanted = b"", (count * 4 + 2) // 3 * 4
        while len(text) < wanted:
            until = min(len(text) + block, wanted)
            while len(text) < until:
                readable = select.select([self.master], [], [], 0.1 if len(text) % block else 5)[0]
                if not readable:
                    return self.put("TIMEOUT\r\nEND OUTPUT\r\n")
                text += os.read(self.master, until - len(text))
            self.put(f"OK {len(text) * 3 // 4 // 4} \r\n")
        values = list(struct.unpack(f"<{count}f", base64.b64decode(text)))
        self.windows.append(values)
        self.put(f"TRANSFER COMPLETED {count}\r\n")
        time.sleep(0.01)
        if count != READINGS * AXES:
            return self.put("ERROR: The size of the input buffer is not correct.\r\n"
                            f"Expected {READINGS * AXES} items, but got {count}\r\nRESULT 1\r\nEND OUTPUT\r\n")
        return self.put(self.result(values).replace("#Classification predictions:", "Predictions:") + "RESULT 0\r\nEND OUTPUT\r\n")
