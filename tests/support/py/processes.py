# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Processes under test: started with a private environment, their JSON events read as they come, awaited with deadlines, and never left
# behind. Nothing here sleeps for a fixed time: waits end with the event they wait for.
import json
import os
import signal
import subprocess
import threading
import time
from collections import deque
from pathlib import Path


class Process:
    """One program. Lines of JSON objects on standard output become events; all other output is kept for the failure report."""

    def __init__(self, name, argv, env=None, cwd=None, stdin=None, log=None, on_event=None):
        self.name, self.argv = name, [str(part) for part in argv]
        self.events, self.tail = [], deque(maxlen=60)
        self.changed = threading.Condition()
        self.on_event = on_event
        self.log = open(log, "ab", buffering=0) if log else None
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", "NO_COLOR": "1"}
        for kept in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LD_LIBRARY_PATH", "TMPDIR"):
            if kept in os.environ:
                environment[kept] = os.environ[kept]
        environment.update({key: str(value) for key, value in (env or {}).items()})
        self.process = subprocess.Popen(self.argv, env=environment, cwd=cwd, stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, start_new_session=True)
        self.readers = [threading.Thread(target=self._read, args=(stream, parsed), daemon=True)
                        for stream, parsed in ((self.process.stdout, True), (self.process.stderr, False))]
        for reader in self.readers:
            reader.start()

    @property
    def pid(self):
        return self.process.pid

    def _read(self, stream, parsed):
        for raw in iter(stream.readline, b""):
            if self.log:
                self.log.write(raw)
            line = raw.decode(errors="replace").rstrip("\n")
            event = None
            if parsed and line.startswith("{"):
                try:
                    event = json.loads(line)
                except ValueError:
                    pass
            with self.changed:
                self.tail.append(line)
                if isinstance(event, dict):
                    event["_t"] = time.monotonic()
                    self.events.append(event)
                    if self.on_event:
                        self.on_event(self, event)
                self.changed.notify_all()

    def wait_event(self, what, predicate, timeout_s=20, start=0):
        """The first event from index `start` on for which predicate holds. TimeoutError tells what the program said instead."""
        deadline = time.monotonic() + timeout_s
        with self.changed:
            seen = start
            while True:
                while seen < len(self.events):
                    if predicate(self.events[seen]):
                        return self.events[seen]
                    seen += 1
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"{self.name}: not within {timeout_s} s: {what}\n{self.report()}")
                if self.process.poll() is not None and not any(reader.is_alive() for reader in self.readers):
                    raise RuntimeError(f"{self.name}: ended with {self.process.returncode} before: {what}\n{self.report()}")
                self.changed.wait(min(left, 0.2))

    def wait_named(self, name, timeout_s=20, **fields):
        return self.wait_event(f"event {name} {fields}", lambda event: event.get("event") == name and
                               all(event.get(key) == value for key, value in fields.items()), timeout_s)

    def report(self):
        return f"$ {' '.join(self.argv)}\n" + "\n".join(self.tail)

    def alive(self):
        return self.process.poll() is None

    def kill(self):
        """SIGKILL, and everything it had written is read before this returns.

        A killed board leaves its link behind, and the next pseudo-terminal of anybody may get the number that it names: it goes, as the node
        of a pulled port does.
        """
        if self.alive():
            self.process.kill()
            if "--link" in self.argv:
                Path(self.argv[self.argv.index("--link") + 1]).unlink(missing_ok=True)
        return self.join()

    def join(self, timeout_s=30):
        code = self.process.wait(timeout_s)
        for reader in self.readers:
            reader.join(10)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
        if self.log:
            self.log.close()
            self.log = None
        return code

    def stop(self, timeout_s=10):
        """SIGTERM, SIGKILL after the deadline; the exit code."""
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.join()


def run(argv, env=None, timeout_s=60, input_text=None):
    """A command to its end: (exit code, stdout, stderr)."""
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", "NO_COLOR": "1"}
    environment.update({key: str(value) for key, value in (env or {}).items()})
    done = subprocess.run([str(part) for part in argv], env=environment, capture_output=True, timeout=timeout_s,
                          input=input_text.encode() if input_text is not None else None,
                          stdin=None if input_text is not None else subprocess.DEVNULL, check=False)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def wait_until(what, predicate, timeout_s=20, poll_s=0.02):
    """For conditions that nobody announces (a file, a counter behind an API); events are waited for with Process.wait_event."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s} s: {what}")
        time.sleep(poll_s)


def programs(folder=None):
    """The folder with the built programs: argument, TML_BIN_DIR, or the release build."""
    root = Path(__file__).resolve().parents[3]
    return Path(folder or os.environ.get("TML_BIN_DIR") or root / "build/release/bin")
