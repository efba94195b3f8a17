#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# An emulation of the incumbent's daemon, written from the wire reference alone (1.1 to 1.16, 2, 5, 6): the judge of whether our
# board and our server serve the tool that people already have.
#
#     EI_HOST=127.0.0.1 incumbent_daemon.py --home DIR --port /dev/pts/5 [--api-key K] [--silent] [--clean]
#
# --port replaces the incumbent's search for ttyACM/ttyUSB, --base-port moves its fixed 4800/4802/4810, --events appends what it did
# as JSON lines to a file. Questions go to standard output, answers come from standard input.
import argparse
import asyncio
import base64
import hashlib
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

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support" / "py"))
import jpeg  # noqa: E402
from incumbent_serial import DeviceConfig, Engine, Port, PortGone, SerialError, SnapshotStream, lenient_base64  # noqa: E402

UNSET_ID = "00:00:00:00:00:00"
UNRESERVED = "-_.!~*'()"  # What encodeURIComponent leaves alone beside letters and digits.


class Fatal(Exception):
    pass


class ApiError(Exception):
    pass


def js_number(value):
    return str(int(value)) if float(value) == int(value) else repr(float(value))


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
    """What the incumbent's tools have in common: configuration, login, project and keys (2.1 to 2.5)."""

    DEVICES = "daemonDevices"

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


class Daemon(Cli):
    def __init__(self, arguments):
        super().__init__(arguments)
        self.engine = self.device = None
        self.stream, self.frame_at, self.encoding = None, 0.0, False

    # 1.4: connect.
    async def read_config(self):
        text = await self.engine.execute("AT+CONFIG?", 2000)
        device = DeviceConfig(text)
        for option in device.unknown:
            self.say(f"Unhandled configuration option {option}")
            self.log("unhandled_option", option=option)
        self.engine.at_version, self.engine.transfer_baud = device.at_version, device.transfer_baud
        self.device = device
        return device

    async def connect(self):
        while True:
            try:
                if self.port is None or self.port.fd < 0:
                    self.port = Port(self.arguments.port, self.arguments.baud_rate)
                    self.engine = Engine(self.port, self.log)
                await self.engine.wake()
                if self.arguments.clean or self.arguments.api_key:
                    await self.engine.execute("AT+CLEARCONFIG", 10000)
                await self.read_config()
                break
            except (SerialError, OSError) as error:
                self.say(f"Failed to get info off device: {error}. Is this device running a binary built through Edge Impulse?")
                self.log("connect_failed", error=str(error))
                await asyncio.sleep(5)
        major, minor = self.device.at_version[:2]
        if major > 1 or minor > 8:
            version = ".".join(map(str, self.device.at_version))
            raise Fatal("Unsupported AT command version running on this device. "
                        f"Supported version is 1.8.x and lower, but found {version}.")
        self.log("connected", id=self.device.id, type=self.device.type, sensors=[s["name"] for s in self.device.sensors])

    # 2.4: what the wizard writes.
    async def set_up_device(self):
        device, engine = self.device, self.engine
        api_key, hmac_key = await self.project_keys()
        if device.wifi_connected and device.mgmt_connected and device.api_key and device.hmac_key \
                and device.host == self.ingestion_url and device.mgmt_url == self.mgmt_url:
            return
        if device.id == UNSET_ID and device.at_version >= (1, 4, 0) and self.arguments.usb_serial:
            await engine.set(f"AT+DEVICEID={self.arguments.usb_serial}")
        if device.host != self.ingestion_url:
            await engine.set(f"AT+UPLOADHOST={self.ingestion_url}")
        if device.mgmt_url != self.mgmt_url:
            await engine.set(f"AT+MGMTSETTINGS={self.mgmt_url}")
        if device.api_key != api_key:
            path = device.path if device.path not in ("", "b") else "/api/training/data"
            await engine.set(f"AT+UPLOADSETTINGS={api_key},{path}")
        if not device.hmac_key and hmac_key:
            await engine.set(f"AT+SAMPLESETTINGS={device.label},{device.interval},{device.length},{hmac_key}")
        if device.wifi_present and not device.wifi_connected:
            await self.ask("WiFi is not connected, do you want to set up a WiFi network now?")

    # 2.6 and 2.7: remote management.
    def hello(self):
        device = self.device
        cameras = [{"name": f"Camera ({w}x{h})", "maxSampleLengthS": 60000, "frequencies": []} for w, h in device.resolutions]
        return {"hello": {"apiKey": device.api_key, "deviceId": device.id, "deviceType": device.type, "connection": "daemon",
                          "sensors": device.sensors + cameras, "supportsSnapshotStreaming": device.snapshot_stream, "version": 4,
                          "mode": "ingestion"}}

    async def name_device(self):
        device_id = urllib.parse.quote(self.device.id, safe=UNRESERVED)
        await self.api.post(f"/api/{self.project}/devices/create",
                            {"deviceId": self.device.id, "deviceType": self.device.type, "ifNotExists": True})
        name = (await self.api.get(f"/api/{self.project}/device/{device_id}"))["device"]["name"]
        if name == self.device.id and not self.arguments.silent:
            name = await self.ask("What name do you want to give this device?")
            await self.api.post(f"/api/{self.project}/devices/{device_id}/rename", {"name": name})
        self.say(f'Device "{name}" is now connected to project')
        self.log("device_ready", name=name)

    async def serve(self):
        first = True
        while True:
            if not first:
                await asyncio.sleep(1)
                await self.read_config()
            first = False
            if self.port.fd < 0:
                raise PortGone("port closed")
            try:
                async with websockets.connect(self.mgmt_url, ping_interval=self.arguments.ping_s, ping_timeout=6, compression=None,
                                              max_size=None) as socket_:
                    await self.serve_connection(socket_)
            except (OSError, websockets.WebSocketException) as error:
                self.log("ws_closed", error=str(error))

    async def serve_connection(self, socket_):
        await socket_.send(json.dumps(self.hello()))
        # The first frame is the answer to hello, whatever it is.
        answer = self.parse(await socket_.recv())
        if not answer.get("hello"):
            self.say(f"Failed to authenticate, API key not correct? {answer.get('err')}")
            self.log("hello_refused", err=answer.get("err"))
            raise Fatal("authentication failed; the incumbent never reconnects")
        self.log("hello_accepted", server_timestamp=answer.get("serverTimestamp"))
        await self.name_device()
        lost = asyncio.ensure_future(self.wait_port(socket_))
        tasks = set()
        try:
            async for frame in socket_:
                message = self.parse(frame)
                self.log("ws_message", keys=sorted(message))
                if "sample" in message:
                    task = asyncio.ensure_future(self.sample(socket_, message["sample"]))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                elif message.get("startSnapshot"):
                    await self.start_snapshots(socket_)
                elif message.get("stopSnapshot"):
                    await self.stop_snapshots()
                    await socket_.send(json.dumps({"snapshotStopped": True}))
                elif message.get("startInferenceStream"):
                    await socket_.send(json.dumps({"inferenceStreamStarted": False}))
                elif message.get("stopInferenceStream"):
                    await socket_.send(json.dumps({"inferenceStreamStopped": False}))
                elif message.get("impulseRecordRequest"):
                    await socket_.send(json.dumps({"impulseRecordsResponse": False, "error": "Model monitor not initialized"}))
        finally:
            lost.cancel()
            for task in list(tasks):
                task.cancel()
        if self.port.fd < 0:
            raise PortGone("port closed")

    async def wait_port(self, socket_):
        await asyncio.shield(self.port.gone)
        await socket_.close()

    def parse(self, frame):
        if isinstance(frame, bytes):
            raise Fatal("binary frame sent to a JSON client (2.6: answer in kind)")
        return json.loads(frame)

    async def sample(self, socket_, request):
        if self.sampling:
            # The incumbent has no lock: commands of two requests would interleave on the wire. A server must never do this.
            self.log("overlapping_sample_requests")
        self.sampling = request
        failed = []

        async def accept():
            await asyncio.sleep(0.001)
            if not failed:
                await socket_.send(json.dumps({"sample": True}))

        accepting = asyncio.ensure_future(accept())
        camera = re.fullmatch(r"Camera \((\d+)x(\d+)\)", request.get("sensor") or "")
        streamed = await self.stop_snapshots()
        try:
            if camera:
                await self.picture(socket_, request, int(camera[1]), int(camera[2]))
            else:
                await self.capture(socket_, request)
            await accepting
            await socket_.send(json.dumps({"sampleFinished": True}))
            self.log("sample_finished", label=request["label"])
        except (SerialError, OSError, KeyError, ValueError) as error:
            failed.append(error)
            self.say(f"Failed to sample data {error}")
            self.log("sample_failed", error=str(error))
            await socket_.send(json.dumps({"sample": False, "error": str(error)}))
        finally:
            self.sampling = None
        if streamed:
            await self.start_snapshots(socket_)

    # 1.11 and 2.7, step 3: pictures.
    def to_jpeg(self, data, width, height, quality):
        if len(data) in (width * height, 3 * width * height):
            return jpeg.encode(data, width, height, quality)
        if len(data) < 125 or data[:2] != b"\xff\xd8":
            raise SerialError("Received snapshot is not a RAW or JPEG image...")
        return data

    async def start_snapshots(self, socket_):
        if not self.device.snapshot_stream or not self.device.resolutions:
            return await socket_.send(json.dumps({"snapshotFailed": True, "error": "Device does not support snapshot streaming"}))
        if self.sampling:
            return await socket_.send(json.dumps({"snapshotFailed": True,
                                                  "error": "Device is sampling, cannot start snapshot stream"}))
        width, height = min(self.device.resolutions, key=lambda size: size[0] * size[1])

        async def forward(data):
            try:
                picture = await asyncio.to_thread(self.to_jpeg, data, width, height, 80)
                await socket_.send(json.dumps({"snapshotFrame": base64.b64encode(picture).decode(), "fileName": ""}))
                self.log("snapshot_frame", bytes=len(picture))
            finally:
                self.encoding = False

        def on_frame(data):
            if self.encoding or time.monotonic() - self.frame_at < 0.2:
                return
            self.encoding, self.frame_at = True, time.monotonic()
            asyncio.ensure_future(forward(data))

        self.stream = SnapshotStream(self.engine, width, height, on_frame)
        await self.stream.start()
        await socket_.send(json.dumps({"snapshotStarted": True}))
        self.log("snapshot_started", fast=self.stream.fast)

    async def stop_snapshots(self):
        """Whether one ran."""
        stream, self.stream = self.stream, None
        if stream:
            await stream.stop()
            self.log("snapshot_stopped")
        return stream is not None

    async def picture(self, socket_, request, width, height):
        await socket_.send(json.dumps({"sampleStarted": True}))
        await socket_.send(json.dumps({"sampleReading": True, "progressPercentage": -1}))
        data = await self.engine.snapshot(width, height)
        await socket_.send(json.dumps({"sampleProcessing": True}))
        picture = await asyncio.to_thread(self.to_jpeg, data, width, height, 100)
        await socket_.send(json.dumps({"sampleUploading": True}))
        category = "training" if "training" in request["path"] else "testing"
        boundary = f"----compat{uuid.uuid4().hex}"
        name = f"{request['label']}.jpg"
        body = (f'--{boundary}\r\nContent-Disposition: form-data; name="data"; filename="{name}"\r\n'
                "Content-Type: image/jpeg\r\n\r\n").encode() + picture + f"\r\n--{boundary}--\r\n".encode()
        headers = {"x-api-key": self.device.api_key, "x-label": urllib.parse.quote(request["label"], safe=UNRESERVED),
                   "x-add-date-id": "1", "x-disallow-duplicates": "1", "x-upload-source": "EDGE_IMPULSE_CLI_UPLOADER",
                   "x-device-type": "EDGE_IMPULSE_CLI", "Content-Type": f"multipart/form-data; boundary={boundary}"}

        def post():
            call = urllib.request.Request(f"{self.ingestion_url}/api/{category}/files", data=body, headers=headers, method="POST")
            with urllib.request.urlopen(call, timeout=60) as response:
                return response.status, response.read().decode(errors="replace")

        status, answer = await asyncio.to_thread(post)
        self.log("picture_uploaded", status=status, body=answer, raw_bytes=len(data), sha256=hashlib.sha256(picture).hexdigest())

    async def capture(self, socket_, request):
        engine = self.engine
        length = int(request["length"])
        budget = 10 * (length + 3000)
        await engine.set(f"AT+SAMPLESETTINGS={request['label']},{js_number(request['interval'])},{length},{request['hmacKey']}")
        await engine.set(f"AT+UPLOADSETTINGS={self.device.api_key},{request['path']}")
        markers = {"Sampling...": "sampleStarted", "Done sampling": None, "Processing...": "sampleProcessing",
                   "Done processing": None, "Uploading...": "sampleUploading"}
        heard = bytearray()

        def listen(data):
            heard.extend(data)
            for text in [text for text in markers if text.encode() in heard]:
                event = markers.pop(text)
                self.log("marker", text=text)
                if event:
                    asyncio.ensure_future(socket_.send(json.dumps({event: True})))

        sensor = request.get("sensor") or self.device.sensors[0]["name"]
        answer = await engine.execute(f"AT+SAMPLESTART={sensor}", budget, listen)
        lines = [line.strip() for line in answer.split("\r\n")]
        error = next((line for line in lines if "ERR:" in line), None)
        if error:
            raise SerialError(error)
        named = next((line for line in lines if "File name:" in line), None)
        if named is None:
            raise SerialError(f"Could not find file name line in sample response {answer}")
        file_name = named.split(":")[1].strip()
        if "Not uploading file" not in answer:
            return
        if "Used buffer" in answer:
            span = re.search(r"from=(\d+).*to=(\d+)", answer)
            start, end = int(span[1]), int(span[2])
            command = f"AT+READBUFFER={start},{end}"
            await socket_.send(json.dumps({"sampleReading": True, "progressPercentage": 0}))
        else:
            command = f"AT+READFILE={file_name}"
            await socket_.send(json.dumps({"sampleReading": True, "progressPercentage": -1}))
        started = time.monotonic()
        text = await engine.transfer(command, budget)
        if "Used buffer" not in answer and engine.at_version < (1, 2, 0):
            payload = bytes.fromhex(re.sub(r"\s", "", text))
        else:
            payload = lenient_base64(text)
        self.log("read_out", bytes=len(payload), seconds=time.monotonic() - started)
        await self.upload(request, file_name, payload)

    async def upload(self, request, file_name, payload):
        binary = b"Ref-BINARY-" in payload
        base_name = file_name.rsplit("/", 1)[-1]
        headers = {"x-api-key": self.device.api_key, "x-file-name": urllib.parse.quote(base_name, safe=UNRESERVED)}
        if binary:
            headers["x-label"] = urllib.parse.quote(request["label"], safe=UNRESERVED)
            headers["Content-Type"] = "application/octet-stream"
        else:
            headers["Content-Type"] = "application/cbor"

        def post():
            call = urllib.request.Request(self.ingestion_url + request["path"], data=payload, headers=headers, method="POST")
            try:
                with urllib.request.urlopen(call, timeout=60) as response:
                    return response.status, response.read().decode(errors="replace")
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode(errors="replace")
            except urllib.error.URLError as error:
                return 0, str(error)

        status, body = await asyncio.to_thread(post)
        self.log("uploaded", status=status, body=body, bytes=len(payload), file_name=base_name, binary=binary)
        if status != 200:
            # Reported and forgotten: sampleFinished goes out regardless (2.7).
            self.say(f"Failed to upload to {self.ingestion_url}{request['path']} {status} {body}")
        if not binary:
            answer = await self.engine.execute(f"AT+UNLINKFILE={file_name}", 2000)
            if answer:
                self.say(f"Failed to unlink file: {answer}")
                self.log("unlink_failed", answer=answer)

    async def run(self):
        if self.arguments.clean:
            self.config.clear()
        await self.log_in()
        while True:
            await self.connect()
            await self.choose_project()
            if not self.arguments.silent:
                await self.set_up_device()
            device = await self.read_config()
            if device.wifi_connected and device.mgmt_connected:
                raise Fatal("Device is connected over WiFi to remote management API, no need to run the daemon. Exiting...")
            if device.mgmt_error:
                self.say(f"Remote management connection error {device.mgmt_error}")
            if not (device.api_key and device.id and device.type):
                self.say("Device is not configured. Retrying in 5 seconds")
                self.log("not_configured")
                await asyncio.sleep(5)
                continue
            try:
                await self.serve()
            except PortGone:
                self.log("port_gone")
                await asyncio.sleep(5)


def main():
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
    daemon = None
    try:
        daemon = Daemon(parser.parse_args())
        asyncio.run(daemon.run())
    except (Fatal, ApiError) as error:
        print(error, flush=True)
        if daemon:
            daemon.log("fatal", error=str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    code = main()
    # A question still waiting on standard input holds a thread; the incumbent just exits.
    sys.stdout.flush()
    os._exit(code)
