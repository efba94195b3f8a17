# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# A bench of our programs: server, boards, daemons. Each object can be killed and started again on the same state.
import json
import os
import secrets
import socket
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import boards
from processes import Process, run


def free_base_port():
    """A port whose neighbours +2 and +10 are free too: API, remote management, ingestion (as --host HOST:PORT means them)."""
    for _ in range(500):
        base = 20000 + secrets.randbelow(12000)  # Below the range that Linux gives to outgoing connections.
        held = []
        try:
            for port in (base, base + 2, base + 10):
                probe = socket.socket()
                held.append(probe)
                probe.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
        finally:
            for probe in held:
                probe.close()
    raise RuntimeError("no free ports")


class Restartable:
    """A program whose process may die and come back; looks like the current Process."""

    def __init__(self, name, argv, env, log=None, on_event=None):
        self.name, self.argv, self.env, self.log, self.on_event = name, argv, env, log, on_event
        self.process = None
        self.starts = 0

    def start(self):
        self.process = Process(self.name, self.argv, self.env, log=self.log, on_event=self.on_event)
        self.starts += 1
        return self.process

    @property
    def pid(self):
        return self.process.pid

    @property
    def events(self):
        return self.process.events

    def alive(self):
        return self.process is not None and self.process.alive()

    def kill(self):
        return self.process.kill()

    def stop(self):
        return self.process.stop() if self.process else 0

    def report(self):
        return self.process.report() if self.process else "never started"

    def wait_named(self, *arguments, **fields):
        return self.process.wait_named(*arguments, **fields)

    def wait_event(self, *arguments, **fields):
        return self.process.wait_event(*arguments, **fields)


class Server(Restartable):
    def __init__(self, programs, folder, flags=(), base_port=None, log=None, env=None, start=True):
        self.programs, self.folder = Path(programs), Path(folder)
        self.base_port = base_port or free_base_port()
        argv = [self.programs / "tml-server", "--json", "serve", "--data", folder, "--api-port", self.base_port,
                "--ws-port", self.base_port + 2, "--ingestion-port", self.base_port + 10, *flags]
        super().__init__("server", argv, env or {}, log)
        self.api_url = f"http://127.0.0.1:{self.base_port}"
        self.mgmt_url = f"ws://127.0.0.1:{self.base_port + 2}"
        self.ingestion_url = f"http://127.0.0.1:{self.base_port + 10}"
        self.host = f"127.0.0.1:{self.base_port}"
        if start:
            self.start()
            self.wait_ready()

    def wait_ready(self, timeout_s=30):
        self.wait_named("started", timeout_s)
        credentials = json.loads((self.folder / "credentials.json").read_text())
        self.user, self.password = credentials["username"], credentials["password"]
        self.api_key, self.hmac_key, self.project = credentials["apiKey"], credentials["hmacKey"], credentials["projectId"]

    def call(self, method, path, body=None, timeout_s=30, raw=False):
        """An API call of the project; the decoded answer, errors included (success: false)."""
        request = urllib.request.Request(f"{self.api_url}/v1/api/{self.project}{path}", method=method,
                                         data=json.dumps(body).encode() if body is not None else None,
                                         headers={"x-api-key": self.api_key, "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as response:
                content = response.read()
        except urllib.error.HTTPError as error:
            content = error.read()
            if raw:
                raise
        return content if raw else json.loads(content)

    def start_sampling(self, device_id, label, length_ms, interval_ms, sensor, category="training", extra=None):
        body = {"label": label, "lengthMs": length_ms, "intervalMs": interval_ms, "category": category, "sensor": sensor, **(extra or {})}
        return self.call("POST", f"/device/{urllib.parse.quote(device_id, safe='')}/start-sampling", body)

    def device(self, device_id):
        return self.call("GET", f"/device/{urllib.parse.quote(device_id, safe='')}")["device"]

    def samples(self):
        """Every stored sample's facts, newest first."""
        found, before = [], None
        while True:
            answer = self.call("GET", "/raw-data?limit=1000" + (f"&before={before}" if before else ""))
            found += answer["samples"]
            before = answer.get("nextBefore")
            if not before:
                return found

    def raw(self, sample_id):
        return self.call("GET", f"/raw-data/{sample_id}/raw", raw=True)

    def command(self, *arguments, timeout_s=120):
        """tml-server's other commands, beside the running server: (exit code, events)."""
        code, out, err = run([self.programs / "tml-server", "--json", *arguments, "--data", self.folder], timeout_s=timeout_s)
        return code, [json.loads(line) for line in out.splitlines() if line.startswith("{")], err


class Board(Restartable):
    def __init__(self, programs, folder, flags=(), log=None, on_event=None, start=True):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.link = self.folder / "port"
        argv = boards.board_argv(programs, ["--json", "--link", self.link, "--state", self.folder / "state", *flags])
        super().__init__("board", argv, {}, log, on_event)
        if start:
            self.start()
            self.wait_ready()

    def wait_ready(self, timeout_s=20):
        self.id = self.wait_named("ready", timeout_s)["id"]


def environment_of(folder, env=None):
    """Of a tool with a configuration and state of its own."""
    return {"HOME": folder, "XDG_CONFIG_HOME": folder / "config", "XDG_STATE_HOME": folder / "state", **(env or {})}


def key_flags(folder, api_key=None, hmac_key=None):
    """Flags with which a tool reads its keys from files in `folder`: they never stand in argv."""
    flags = []
    for flag, key in (("--api-key", api_key), ("--hmac-key", hmac_key)):
        if key:
            file = folder / flag.strip("-")
            file.touch(0o600)
            file.write_text(key + "\n")
            flags += [flag, f"@{file}"]
    return flags


class Daemon(Restartable):
    """`tml-daemon run` for one or more ports, with a configuration and state of its own."""

    def __init__(self, programs, folder, host, port, flags=(), api_key=None, hmac_key=None, env=None, log=None, on_event=None,
                 register=True, start=True, name="bench board"):
        self.programs, self.folder, self.host, self.port = Path(programs), Path(folder), host, port
        self.folder.mkdir(parents=True, exist_ok=True)
        self.common = [self.programs / "tml-daemon", "--json", "--no-input", "--host", host, *key_flags(self.folder, api_key, hmac_key)]
        self.environment = environment_of(self.folder, env)
        super().__init__("daemon", [*self.common, "--port", port, *flags, "run"], self.environment, log, on_event)
        if register:
            self.registration = self.command("--port", port, *flags, "register", "--name", name)
        if start:
            self.start()

    def command(self, *arguments, timeout_s=60, expect=0):
        """Another tml-daemon command on the same configuration and state; its events."""
        code, out, err = run([*self.common, *arguments], self.environment, timeout_s)
        if expect is not None and code != expect:
            raise AssertionError(f"tml-daemon {' '.join(map(str, arguments))}: exit code {code}, not {expect}\n{out}{err}")
        return [json.loads(line) for line in out.splitlines() if line.startswith("{")]

    def wait_online(self, timeout_s=20):
        return self.wait_named("remote_connected", timeout_s)

    def memory_kb(self):
        """Resident and private memory (Private_Clean + Private_Dirty) of the running daemon."""
        sums = {}
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if rest.strip().endswith("kB"):
                sums[name] = int(rest.split()[0])
        return {"rss": sums["Rss"], "private": sums["Private_Clean"] + sums["Private_Dirty"]}


class Forwarder(Restartable):
    """tml-forwarder for one or more inputs, with a configuration and state of its own."""

    def __init__(self, programs, folder, flags, host=None, api_key=None, hmac_key=None, env=None, log=None, on_event=None, start=True):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        argv = [Path(programs) / "tml-forwarder", "--json", "--no-input", *(("--host", host) if host else ()), *flags,
                *key_flags(self.folder, api_key, hmac_key)]
        super().__init__("forwarder", argv, environment_of(self.folder, env), log, on_event)
        if start:
            self.start()


def shared_data():
    """The folder of real recordings, or None."""
    root = Path(os.environ.get("TML_SHARED_DIR") or Path(__file__).resolve().parents[4] / "shared")
    return root / "data" if (root / "data").is_dir() else None
