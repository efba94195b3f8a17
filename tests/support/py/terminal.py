# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# A pseudo-terminal with a program on it.
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time


class Terminal:
    """A program on a pseudo-terminal, talked to as a person would."""

    def __init__(self, argv, env, rows=24, columns=80):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execve(str(argv[0]), [str(part) for part in argv], {key: str(value) for key, value in env.items()})
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.text = ""
        self.seen = 0
        self.code = None

    def expect(self, words, timeout_s=20):
        deadline = time.monotonic() + timeout_s
        while True:
            at = self.text.find(words, self.seen)
            if at >= 0:
                self.seen = at + len(words)
                return
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.master], [], [], left)[0]:
                raise TimeoutError(f"not shown: {words}\n{self.text}")
            try:
                chunk = os.read(self.master, 4096)
            except OSError:
                chunk = b""
            if not chunk:
                raise RuntimeError(f"ended before: {words}\n{self.text}")
            self.text += chunk.decode(errors="replace")

    def say(self, text):
        os.write(self.master, text.encode() + b"\n")

    def log_in(self, server, password=None):
        """Answers what our tools ask first; `server` is a fleet.Server."""
        self.expect(f"What is your user name or e-mail address ({server.host})?")
        self.say(server.user)
        self.expect("What is your password?")
        self.say(password or server.password)

    def echoes(self):
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self.master)[3] & termios.ECHO)

    def kill(self, number):
        os.kill(self.pid, number)

    def rest(self, timeout_s=20):
        """Everything that is still said until the program ends; the exit code is kept."""
        deadline = time.monotonic() + timeout_s
        while select.select([self.master], [], [], max(0, deadline - time.monotonic()))[0]:
            try:
                chunk = os.read(self.master, 4096)
            except OSError:
                break
            if not chunk:
                break
            self.text += chunk.decode(errors="replace")
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        rest, self.seen = self.text[self.seen:], len(self.text)
        return rest

    def end(self, number=signal.SIGTERM):
        if self.code is None:
            os.kill(self.pid, number)
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if self.master >= 0:
            os.close(self.master)
            self.master = -1
        return self.code
