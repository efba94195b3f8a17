# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# A board that prints a reading per line, as any sketch with a serial port does: a pty with a steady clock behind it. The first axis
# counts the readings, so that a test sees which of them reached a sample. It never waits for its reader: what finds the pty's
# buffer full is lost, as on a wire without flow control.
import os
import pty
import select
import threading
import time
import tty


class LineBoard:
    """Until it is unplugged, `link` points to the port. Once started: `header`, then `rate_hz` lines of `axes` numbers each second."""

    def __init__(self, link, rate_hz=100, axes=3, header=None):
        self.link, self.rate_hz, self.axes = link, rate_hz, axes
        self.lines = self.dropped = 0
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        os.set_blocking(self.master, False)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(self.slave))
        self._stop_read, self._stop_write = os.pipe()
        self._header = header
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def unplug(self):
        if self._stop_write is None:
            return
        os.close(self._stop_write)
        self._stop_write = None
        if self._thread.ident:
            self._thread.join(10)
        for fd in (self.slave, self.master, self._stop_read):
            os.close(fd)
        self.link.unlink(missing_ok=True)

    def line(self, index):
        """The text of a reading; multiples of 1/4, exact in every number format."""
        return ",".join([str(index)] + [f"{((index * (axis + 1)) % 40) / 4 - 5:.2f}" for axis in range(1, self.axes)])

    def _write(self, text):
        data = (text + "\r\n").encode()
        try:
            if os.write(self.master, data) < len(data):
                self.dropped += 1
        except BlockingIOError:
            self.dropped += 1

    def _run(self):
        if self._header:
            self._write(self._header)
        started = time.monotonic()
        while True:
            due = started + self.lines / self.rate_hz
            readable, _, _ = select.select([self._stop_read, self.master], [], [], max(0, due - time.monotonic()))
            if self._stop_read in readable:
                return
            if self.master in readable:
                os.read(self.master, 4096)
                continue
            if time.monotonic() < due:
                continue
            self._write(self.line(self.lines))
            self.lines += 1


def plugged_in(test, link, rate_hz=100, **options):
    """A board that prints until it is unplugged, at the latest by the end of the test."""
    board = LineBoard(link, rate_hz, **options)
    test.addCleanup(board.unplug)
    return board.start()
