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
import asyncio
import json
import re
import time
import urllib.parse

from incumbent_camera import Camera
from incumbent_cli import UNRESERVED, Cli, Fatal, main, post
from incumbent_serial import DeviceConfig, Engine, Port, PortGone, SerialError, lenient_base64

UNSET_ID = "00:00:00:00:00:00"


def js_number(value):
    return str(int(value)) if float(value) == int(value) else repr(float(value))


class Daemon(Cli):
    DEVICES = "daemonDevices"

    def __init__(self, arguments):
        super().__init__(arguments)
        self.engine = self.device = None
        self.camera = Camera(self)

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

    async def greet(self):
        await self.api.post(f"/api/{self.project}/devices/create",
                            {"deviceId": self.device.id, "deviceType": self.device.type, "ifNotExists": True})
        await self.name_device(self.device.id)

    async def before_connecting(self, again):
        if again:
            await self.read_config()
        if self.port.fd < 0:
            raise PortGone("port closed")

    async def serve_connection(self, socket_):
        await super().serve_connection(socket_)
        if self.port.fd < 0:
            raise PortGone("port closed")

    async def refused(self, socket_):
        raise Fatal("authentication failed; the incumbent never reconnects")

    async def handle(self, socket_, message):
        if message.get("startSnapshot"):
            await self.camera.start_stream(socket_)
        elif message.get("stopSnapshot"):
            await self.camera.stop_stream()
            await self.send(socket_, {"snapshotStopped": True})
        elif message.get("startInferenceStream"):
            await self.send(socket_, {"inferenceStreamStarted": False})
        elif message.get("stopInferenceStream"):
            await self.send(socket_, {"inferenceStreamStopped": False})
        elif message.get("impulseRecordRequest"):
            await self.send(socket_, {"impulseRecordsResponse": False, "error": "Model monitor not initialized"})

    @staticmethod
    def encode(message):
        return json.dumps(message)

    @staticmethod
    def decode(frame):
        if isinstance(frame, bytes):
            raise Fatal("binary frame sent to a JSON client (2.6: answer in kind)")
        return json.loads(frame)

    async def sample(self, socket_, request):
        self.begin_sample(request)
        failed = []

        async def accept():
            await asyncio.sleep(0.001)
            if not failed:
                await self.send(socket_, {"sample": True})

        accepting = asyncio.ensure_future(accept())
        picture = re.fullmatch(r"Camera \((\d+)x(\d+)\)", request.get("sensor") or "")
        streamed = await self.camera.stop_stream()
        try:
            if picture:
                await self.camera.take_picture(socket_, request, int(picture[1]), int(picture[2]))
            else:
                await self.capture(socket_, request)
            await accepting
            await self.send(socket_, {"sampleFinished": True})
            self.log("sample_finished", label=request["label"])
        except (SerialError, OSError, KeyError, ValueError) as error:
            failed.append(error)
            self.say(f"Failed to sample data {error}")
            self.log("sample_failed", error=str(error))
            await self.send(socket_, {"sample": False, "error": str(error)})
        finally:
            self.sampling = None
        if streamed:
            await self.camera.start_stream(socket_)

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
                    asyncio.ensure_future(self.send(socket_, {event: True}))

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
            await self.send(socket_, {"sampleReading": True, "progressPercentage": 0})
        else:
            command = f"AT+READFILE={file_name}"
            await self.send(socket_, {"sampleReading": True, "progressPercentage": -1})
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

        status, body = await asyncio.to_thread(post, self.ingestion_url + request["path"], payload, headers)
        self.log("uploaded", status=status, body=body, bytes=len(payload), file_name=base_name, binary=binary)
        if status != 200:
            # Reported and forgotten: sampleFinished goes out regardless (2.7).
            self.say(f"Failed to upload to {self.ingestion_url}{request['path']} {status} {body}")
        if not binary:
            answer = await self.engine.execute(f"AT+UNLINKFILE={file_name}", 2000)
            if answer:
                self.say(f"Failed to unlink file: {answer}")
                self.log("unlink_failed", answer=answer)

    async def work(self):
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


if __name__ == "__main__":
    main(Daemon)
