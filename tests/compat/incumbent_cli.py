# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# What the emulated tools of the incumbent have in common, written from the wire reference alone (2.1 to 2.7, 5, 6): flags, configuration
# file, login, API calls, and the loop around the remote management connection. It shares no code with the toolkit.
import argparse
import asyncio
import json
import os
import re
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

import websockets

UNRESERVED = "-_.!~*'()"  # What encodeURIComponent leaves alone beside letters and digits.


class Fatal(Exception):
    pass


class ApiError(Exception):
    pass


def post(url, body, headers):
    """(status, text) of an ingestion request; status 0 where there was no answer."""
    call = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(call, timeout=60) as response:
            return response.status, response.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except urllib.error.URLError as error:
        return 0, str(error)


class Config:
    """edge-impulse-config.json in the home folder (2.5): written beside and renamed."""

    def __init__(self, home):
        self.path = Path(home) / "edge-impulse-config.json"
        self.data = {}
        if self.path.exists():
            self.data = json.loads(self.path.read_text())

    def save(self):
        temporary = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex[:16]}.lock")
        temporary.write_text(json.dumps(self.data, indent=4))
        temporary.rename(self.path)

    def clear(self):
        self.data = {}
        self.path.unlink(missing_ok=True)


class Api:
    def __init__(self, base, log):
        self.base, self.log = base + "/v1", log
        self.auth = {}

    def _call(self, method, path, body):
        url = self.base + path
        headers = {"User-Agent": "EDGE_IMPULSE_CLI", "Content-Type": "application/json", "Accept": "application/json", **self.auth}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                answer = json.loads(response.read())
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            self.log("api", method=method, path=path, status=error.code)
            try:
                raise ApiError(json.loads(text)["error"]) from None
            except (ValueError, KeyError, TypeError):
                raise ApiError(f'Failed to call "{url}", returned {error.code}: {text}') from None
        self.log("api", method=method, path=path, status=200)
        if not answer.get("success"):
            raise ApiError(answer.get("error", "?"))
        return answer

    async def get(self, path):
        return await asyncio.to_thread(self._call, "GET", path, None)

    async def post(self, path, body=None):
        return await asyncio.to_thread(self._call, "POST", path, {} if body is None else body)


class Cli:
    """A tool: its configuration, login, project and keys (2.1 to 2.5), and its remote management connection (2.6, 2.7). Each tool adds
    DEVICES, under which its devices stand in the configuration, and work() after the login, before_connecting(again), hello(), greet()
    and refused(socket_) for the two answers to it, sample(socket_, request), and encode() and decode() of a frame."""

    READY_PREFIX = ""

    @classmethod
    def add_options(cls, parser):
        """The tool's own, beside those of all."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.events = open(arguments.events, "a", buffering=1) if arguments.events else None
        self.config = Config(arguments.home)
        host = os.environ.get("EI_HOST") or self.config.data.get("host") or "edgeimpulse.com"
        if os.environ.get("EI_HOST"):
            self.config.data.pop("jwtToken", None)
        if not re.fullmatch(r"\d+\.\d+\.\d+\.\d+", host):
            raise Fatal("this emulation talks to IPv4 literals only")
        self.host = host
        base = arguments.base_port
        self.api_url, self.mgmt_url = f"http://{host}:{base}", f"ws://{host}:{base + 2}"
        self.ingestion_url = f"http://{host}:{base + 10}"
        self.api = Api(self.api_url, self.log)
        self.port = None
        self.project = None
        self.sampling = None

    def device_key(self):
        """Under which a tool remembers the device's project."""
        return self.arguments.usb_serial

    def log(self, event, **fields):
        if self.events:
            self.events.write(json.dumps({"event": event, "t": time.time(), **fields}) + "\n")

    def say(self, text):
        print(text, flush=True)

    async def ask(self, question):
        self.say(f"? {question}")
        self.log("question", text=question)
        answer = await asyncio.to_thread(sys.stdin.readline)
        if not answer:
            raise Fatal(f"no answer to: {question}")
        return answer.strip()

    async def run(self):
        if self.arguments.clean:
            self.config.clear()
        await self.log_in()
        await self.work()

    # 2.1 and 2.3: who we are, and for which project.
    async def log_in(self):
        data = self.config.data
        if self.arguments.api_key:
            for key in ("apiKey", "linuxProjectId", "uploaderProjectId"):
                data.pop(key, None)
            if not self.arguments.api_key.startswith("ei_"):
                raise Fatal("The API key you provided should start with ei_")
            self.api.auth = {"x-api-key": self.arguments.api_key}
            data["apiKey"] = self.arguments.api_key
            try:
                await self.api.get("/api/projects")
            except ApiError as error:
                if "Invalid API key" in str(error):
                    await self.api.get("/api/organizations")
                raise Fatal(f"The API key you provided is not valid: {error}") from error
        else:
            user = await self.ask(f"What is your user name or e-mail address ({self.host})?")
            need = await self.api.get(f"/api-user-need-to-set-password/{urllib.parse.quote(user, safe='')}")
            if need.get("needPassword"):
                raise Fatal("You need to set a password")
            password = await self.ask("What is your password?")
            credentials = {"username": user, "password": password}
            while True:
                try:
                    token = (await self.api.post("/api-login", credentials))["token"]
                    break
                except ApiError as error:
                    if not str(error).startswith("ERR_TOTP_TOKEN IS REQUIRED"):
                        raise Fatal(str(error)) from error
                    credentials["totpToken"] = await self.ask("Enter a code from your authenticator app")
            self.api.auth = {"x-jwt-token": token}
            data["jwtToken"] = token
            user = await self.api.get("/api/user")
            if not any(organization.get("isDeveloperProfile") for organization in user["organizations"]):
                await self.api.post("/api/user/create-developer-profile")
        data["host"] = self.host
        self.config.save()
        self.say(f"Endpoints:\n    * Websocket: {self.mgmt_url}\n    * API:       {self.api_url}\n    * Ingestion: {self.ingestion_url}")

    async def choose_project(self):
        data = self.config.data
        entry = data.setdefault(self.DEVICES, {}).setdefault(self.device_key(), {})
        candidates = [data.get("uploaderProjectId"), entry.get("projectId")]
        for candidate in filter(None, candidates):
            try:
                await self.api.get(f"/api/{candidate}")
                self.project = candidate
                break
            except ApiError:
                continue
        else:
            projects = (await self.api.get("/api/projects"))["projects"]
            if not projects:
                raise Fatal("This user has no projects, create one before continuing")
            chosen = projects[0]
            if len(projects) > 1:
                listing = "\n".join(f"  {p['owner']} / {p['name']}" for p in projects)
                answer = await self.ask(f"To which project do you want to connect this device?\n{listing}\n")
                chosen = next((p for p in projects if f"{p['owner']} / {p['name']}" == answer), projects[0])
            self.project = chosen["id"]
        info = (await self.api.get(f"/api/{self.project}"))["project"]
        if info.get("whitelabelId"):
            await self.api.get(f"/api/whitelabel/{info['whitelabelId']}/domain")
        entry["projectId"] = self.project
        self.config.save()
        self.say(f"Setting up project {info['owner']} / {info['name']}")

    async def project_keys(self):
        data = self.config.data
        hmac_key = "0"
        try:
            hmac_key = (await self.api.get(f"/api/{self.project}/devkeys/hmac")).get("hmacKey") or "0"
        except ApiError:
            pass
        key = self.arguments.api_key or data.get("apiKeysForProject", {}).get(str(self.project))
        if key:
            checking = Api(self.api_url, self.log)
            checking.auth = {"x-api-key": key}
            try:
                await checking.get(f"/api/{self.project}")
            except ApiError:
                key = None
        if not key:
            body = {"name": f"Edge Impulse CLI ({socket.gethostname()})", "role": "ingestion_deployment", "isDevelopmentKey": False}
            key = (await self.api.post(f"/api/{self.project}/apikeys", body))["apiKey"]
            if not key.startswith("ei_"):
                raise Fatal(f"server made an API key of the wrong form: {key[:3]}...")
            data.setdefault("apiKeysForProject", {})[str(self.project)] = key
            self.config.save()
        return key, hmac_key

    # 2.6 and 2.7: remote management.
    async def send(self, socket_, message):
        await socket_.send(self.encode(message))

    async def name_device(self, device_id):
        quoted = urllib.parse.quote(device_id, safe=UNRESERVED)
        name = (await self.api.get(f"/api/{self.project}/device/{quoted}"))["device"]["name"]
        if name == device_id and not self.arguments.silent:
            name = await self.ask("What name do you want to give this device?")
            await self.api.post(f"/api/{self.project}/devices/{quoted}/rename", {"name": name})
        self.say(f'{self.READY_PREFIX}Device "{name}" is now connected to project')
        self.log("device_ready", name=name)

    async def serve(self):
        again = False
        while True:
            if again:
                await asyncio.sleep(1)
            await self.before_connecting(again)
            again = True
            try:
                async with websockets.connect(self.mgmt_url, ping_interval=self.arguments.ping_s, ping_timeout=6, compression=None,
                                              max_size=None) as socket_:
                    await self.serve_connection(socket_)
            except (OSError, websockets.WebSocketException) as error:
                self.log("ws_closed", error=str(error))

    async def serve_connection(self, socket_):
        await socket_.send(self.encode(self.hello()))
        # The first frame is the answer to hello, whatever it is.
        answer = self.decode(await socket_.recv())
        if not answer.get("hello"):
            self.say(f"Failed to authenticate, API key not correct? {answer.get('err')}")
            self.log("hello_refused", err=answer.get("err"))
            await self.refused(socket_)
            return
        self.log("hello_accepted", server_timestamp=answer.get("serverTimestamp"))
        await self.greet()
        lost = asyncio.ensure_future(self.wait_port(socket_))
        tasks = set()
        try:
            async for frame in socket_:
                message = self.decode(frame)
                self.log("ws_message", keys=sorted(message))
                if "sample" in message:
                    task = asyncio.ensure_future(self.sample(socket_, message["sample"]))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                else:
                    await self.handle(socket_, message)
        finally:
            lost.cancel()
            for task in list(tasks):
                task.cancel()

    async def wait_port(self, socket_):
        await asyncio.shield(self.port.gone)
        await socket_.close()

    async def handle(self, socket_, message):
        """A message that asks for no sample: ignored, unless the tool knows it."""

    def begin_sample(self, request):
        if self.sampling:
            # The incumbent has no lock: commands of two requests would interleave on the wire. A server must never do this.
            self.log("overlapping_sample_requests")
        self.sampling = request


def main(tool):
    """Runs a kind of Cli with the process's arguments, and ends the process."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--port", required=True)
    parser.add_argument("--home", required=True)
    parser.add_argument("--events")
    parser.add_argument("--base-port", type=int, default=4800)
    parser.add_argument("--usb-serial", default="")
    parser.add_argument("--api-key")
    parser.add_argument("--baud-rate", type=int, default=115200)
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--clean", action="store_true")
    parser.add_argument("--ping-s", type=float, default=30)
    tool.add_options(parser)
    arguments = parser.parse_args()
    running, code = None, 0
    try:
        running = tool(arguments)
        asyncio.run(running.run())
    except (Fatal, ApiError) as error:
        print(error, flush=True)
        if running:
            running.log("fatal", error=str(error))
        code = 1
    except KeyboardInterrupt:
        code = 130
    # A question still waiting on standard input holds a thread; the incumbent just exits.
    sys.stdout.flush()
    os._exit(code)
