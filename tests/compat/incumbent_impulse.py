# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# What the incumbent's run-impulse makes of a board's output (wire reference 7): on the terminal it copies everything; for its browser view
# it takes the frames of the debug mode apart. Written from the reference, independent of our own reader.
import base64
import re
import time

MODES = ("#Regression results:", "#Regression prediction:", "#Classification results:", "#Classification predictions:",
         "#Object detection results:", "#Object detection bounding boxes:", "#Visual anomalies:")


class RunImpulse:
    """`port` writes bytes and waits for them: write(bytes), until(predicate, timeout_s) -> bytes."""

    def __init__(self, port):
        self.port = port

    def paced(self, text):
        """Five bytes, then 20 ms (wire reference 1.3)."""
        data = text.encode()
        for at in range(0, len(data), 5):
            self.port.write(data[at:at + 5])
            time.sleep(0.02)

    def connect(self):
        self.port.write(b"b\r")
        self.port.until(lambda seen: seen.endswith(b"> "), 5)
        self.paced("AT+CONFIG?\r")
        config = self.port.until(lambda seen: seen.endswith(b"> "), 2).decode(errors="replace")
        version = re.search(r"AT Version:\s*(\d+)\.(\d+)", config)
        major, minor = (int(version.group(1)), int(version.group(2))) if version else (1, 0)
        if major > 1 or minor > 8:
            raise RuntimeError("Unsupported AT command version running on this device.")

    def run(self, command, enough, timeout_s=60):
        """Everything that it would show until CTRL+C after `enough` was seen."""
        self.paced(command + "\r")
        data = self.port.until(lambda seen: enough(seen.decode(errors="replace")), timeout_s)
        self.port.write(b"b\r")
        data += self.port.until(lambda seen: seen.endswith(b"> "), 5)
        return re.sub(r"(?<!\r)\n", "\r\n", data.decode(errors="replace"))


def milliseconds(line):
    found = re.search(r"(?:Classification:|inference) *([0-9.]+) *(ms|us)", line)
    if not found:
        return None
    return float(found.group(1)) / (1000 if found.group(2) == "us" else 1)


def browser_frames(text):
    """[{'jpeg', 'ms', 'mode', 'classes': {label: value}}] as the browser view would show them."""
    frames = []
    for part in re.findall(r"Begin output(.*?)End output", text, re.DOTALL):
        frame = {"jpeg": None, "ms": None, "mode": None, "classes": {}, "warnings": []}
        for line in part.split("\r\n"):
            if line.startswith("Framebuffer: "):
                frame["jpeg"] = base64.b64decode(line[len("Framebuffer: "):])
            elif line.startswith(("Predictions", "Timing")) and frame["ms"] is None:
                frame["ms"] = milliseconds(line)
            elif line.startswith("#"):
                frame["mode"] = next((mode for mode in MODES if line.startswith(mode)), None)
                if frame["mode"] is None:
                    frame["warnings"].append(line)
            elif line.startswith("    ") and line.count(":") == 1:
                label, value = line.strip().split(":")
                frame["classes"][label] = float(value)
        frames.append(frame)
    return frames
