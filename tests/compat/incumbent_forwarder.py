#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# An emulation of the incumbent's data forwarder, written from the wire reference alone (2.1 to 2.6, 3, 5, 6), weaknesses included: the
# judge of whether a board that prints lines and our server serve the tool that people already have.
#
#     EI_HOST=127.0.0.1 incumbent_forwarder.py --home DIR --port /dev/pts/5 [--api-key K] [--frequency HZ]
#
# Options beside the incumbent's own are those of incumbent_daemon.py.
import asyncio
import hashlib
import hmac
import json
import math
import re
import time
import urllib.parse

import cbor2

from incumbent_cli import UNRESERVED, Cli, Fatal, main, post
from incumbent_serial import Port

DETECT_MS = 1000
DETECT_EXTRA_MS = 100
SAMPLE_PAUSE_S = 2
SAMPLE_EXTRA_MS = 100
KEEP_STORED_HZ = 10


# 3.1: one line.
def number_of(field):
    """Number(field) for a field without blanks; NaN for what is none."""
    if re.fullmatch(r"0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+", field):
        return float(int(field, 0))
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", field):
        return float(field)
    if re.fullmatch(r"[+-]?Infinity", field):
        return math.copysign(math.inf, -1 if field[0] == "-" else 1)
    return math.nan


def fields_of(line):
    return [number_of(field) for field in re.split(r"[,\s]+", line) if field]


def error_line(lines):
    return next((line for line in lines if re.match(r"<?ERR", line, re.IGNORECASE)), None)


# 3.3: the document, as JSON.stringify writes it.
def js_text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[" + ",".join(map(js_text, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{js_text(key)}:{js_text(item)}" for key, item in value.items()) + "}"
    if not math.isfinite(value):
        return "null"
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    mantissa, _, exponent = repr(float(value)).partition("e")
    if not exponent:
        return mantissa
    power = int(exponent)
    if -7 < power < 0:  # Python changes to exponents below 1e-4, JavaScript below 1e-6.
        digits = mantissa.replace(".", "").lstrip("-")
        return ("-" if mantissa[0] == "-" else "") + "0." + "0" * (-power - 1) + digits
    return f"{mantissa}e{'+' if power > 0 else '-'}{abs(power)}"


def units_of(axis):
    if axis.startswith("acc"):
        return "m/s2"
    return "wav" if axis == "audio" else "N/A"


def signed_document(device_id, frequency, axes, values, key):
    document = {"protected": {"ver": "v1", "alg": "HS256", "iat": int(time.time())}, "signature": "0" * 64,
                "payload": {"device_name": device_id, "device_type": "DATA_FORWARDER", "interval_ms": 1000 / frequency,
                            "sensors": [{"name": axis, "units": units_of(axis)} for axis in axes], "values": values}}
    document["signature"] = hmac.new(key.encode(), js_text(document).encode(), hashlib.sha256).hexdigest()
    return js_text(document).encode()


class Forwarder(Cli):
    DEVICES = "dataForwarderDevices"
    READY_PREFIX = "[WS ] "

    @classmethod
    def add_options(cls, parser):
        parser.add_argument("--frequency", type=float)

    def device_key(self):
        serial = self.arguments.usb_serial
        if not serial:
            return "00:00:00:00:00:00"
        return ":".join(serial[start:start + 2] for start in range(0, len(serial), 2))

    @property
    def entry(self):
        return self.config.data.setdefault(self.DEVICES, {}).setdefault(self.device_key(), {})

    async def open_port(self):
        while self.port is None or self.port.fd < 0:
            try:
                self.port = Port(self.arguments.port, self.arguments.baud_rate)
            except OSError as error:
                self.log("connect_failed", error=str(error))
                await asyncio.sleep(5)

    async def listen(self, duration_ms):
        """[(arrival in ms since the start, chunk)] of what arrives in that time."""
        started, chunks = time.monotonic(), []

        def take(data):
            chunks.append(((time.monotonic() - started) * 1000, data))

        self.port.listeners.append(take)
        try:
            await asyncio.sleep(duration_ms / 1000)
        finally:
            self.port.listeners.remove(take)
        return chunks

    # 3.2: rate and axes.
    async def sensor_info(self):
        """(frequency, axis count, example values); Fatal with the incumbent's words."""
        window = DETECT_MS
        if self.arguments.frequency:
            window = max(window, 2500 / self.arguments.frequency)
        chunks = await self.listen(window + DETECT_EXTRA_MS)
        text = b"".join(data for at, data in chunks if at < window).decode(errors="replace")
        lines = [line.strip() for line in text.split("\n")]
        lines = [line for line in lines if line]
        error = error_line(lines)
        if error:
            raise Fatal(error)
        if len(lines) < 2:
            if len(lines) == 1 and fields_of(lines[0]) and not any(map(math.isnan, fields_of(lines[0]))):
                raise Fatal("Could not detect frequency, only a single reading received in 1 second, the data forwarder can only "
                            "auto-detect frequencies >2Hz")
            raise Fatal("No valid sensor readings received from device")
        reference = fields_of(lines[1])
        if not reference or any(map(math.isnan, reference)):
            raise Fatal(f"Sensor readings from device do not seem to be all numbers, found: {lines[1]}")
        if len(fields_of(lines[0])) != len(reference):
            lines.pop(0)
        if len(fields_of(lines[-1])) != len(reference):
            lines.pop()
        frequency = len(lines) / window * 1000
        self.log("detected", frequency=frequency, axes=len(reference))
        return self.arguments.frequency or frequency, len(reference), reference

    async def configure(self):
        frequency, count, example = await self.sensor_info()
        stored = {} if self.arguments.api_key else self.entry
        if "samplingFreq" in stored and abs(frequency - stored["samplingFreq"]) <= KEEP_STORED_HZ and len(stored["sensors"]) == count \
                and not self.arguments.frequency:
            self.say(f"Using last stored frequency ({js_text(stored['samplingFreq'])}Hz) for dataset consistency")
            return
        question = f"{count} sensor axes detected (example values: {js_text(example)}). What do you want to call them? " \
                   "Separate the names with ',':"
        names = []
        while len(names) != count:
            names = [name.strip() for name in (await self.ask(question)).split(",") if name.strip()]
        self.entry.update(samplingFreq=frequency, sensors=names)
        self.config.save()

    async def set_up(self):
        await self.choose_project()
        api_key, hmac_key = await self.project_keys()
        await self.configure()
        self.entry.update(projectId=self.project, apiKey=api_key, hmacKey=hmac_key)
        self.config.save()

    # 3.3: remote management.
    def hello(self):
        axes = self.entry["sensors"]
        return {"hello": {"apiKey": self.entry["apiKey"], "deviceId": self.device_key(), "deviceType": "DATA_FORWARDER",
                          "connection": "daemon", "sensors": [{"name": f"Sensor with {len(axes)} axes ({', '.join(axes)})",
                                                               "maxSampleLengthS": 5 * 60 * 1000,
                                                               "frequencies": [self.entry["samplingFreq"]]}],
                          "supportsSnapshotStreaming": False, "mode": "ingestion", "version": 4}}

    async def greet(self):
        # No devices/create: the record has to be there once hello was accepted.
        await self.name_device(self.device_key())

    async def before_connecting(self, again):
        await self.open_port()

    async def send(self, socket_, message):
        self.log("ws_sent", message=message)
        await super().send(socket_, message)

    async def serve_connection(self, socket_):
        await self.sensor_info()
        await super().serve_connection(socket_)

    async def refused(self, socket_):
        await socket_.close()
        await self.set_up()

    async def wait_port(self, socket_):
        await asyncio.shield(self.port.gone)
        self.log("port_gone")
        await socket_.close()

    @staticmethod
    def encode(message):
        return cbor2.dumps(message)

    @staticmethod
    def decode(frame):
        if not isinstance(frame, bytes):
            raise Fatal("text frame sent to a CBOR client (2.6: answer in kind)")
        return cbor2.loads(frame)

    async def sample(self, socket_, request):
        self.begin_sample(request)
        try:
            await self.send(socket_, {"sample": True})
            await asyncio.sleep(SAMPLE_PAUSE_S)
            await self.send(socket_, {"sampleStarted": True})
            values = await self.capture(int(request["length"]))
            document = signed_document(self.device_key(), self.entry["samplingFreq"], self.entry["sensors"], values, self.entry["hmacKey"])
            await self.send(socket_, {"sampleUploading": True})
            status, text = await self.upload(request, document)
            self.log("uploaded", status=status, body=text, bytes=len(document), readings=len(values))
            if status // 100 == 2:
                self.log("sample_finished", label=request["label"])
                await self.send(socket_, {"sampleFinished": True})
            else:
                await self.send(socket_, {"sample": False, "error": f"Failed to upload sample: {status} {text}"})
        except (Fatal, KeyError, ValueError) as error:
            self.log("sample_failed", error=str(error))
            await self.send(socket_, {"sample": False, "error": str(error)})
        finally:
            self.sampling = None

    async def capture(self, length_ms):
        chunks = await self.listen(length_ms + SAMPLE_EXTRA_MS)
        lines = [line.strip() for line in b"".join(data for _, data in chunks).decode("ascii", errors="replace").split("\n")]
        error = error_line(lines)
        if error:
            raise Fatal(error)
        count = len(self.entry["sensors"])
        rows = [fields_of(line) for line in lines[1:1 + int(self.entry["samplingFreq"] * length_ms / 1000)]]
        if rows and len(rows[-1]) != count:
            rows.pop()
        if any(len(row) != count or any(map(math.isnan, row)) for row in rows):
            raise Fatal("Invalid data collected from device, see data forwarder logs")
        return rows

    async def upload(self, request, document):
        label = request["label"]
        headers = {"x-api-key": self.entry["apiKey"], "x-file-name": urllib.parse.quote(label + ".json", safe=UNRESERVED),
                   "x-label": urllib.parse.quote(label, safe=UNRESERVED), "x-upload-source": "EDGE_IMPULSE_CLI_FORWARDER",
                   "Content-Type": "application/json"}
        return await asyncio.to_thread(post, self.ingestion_url + request["path"], document, headers)

    async def work(self):
        await self.open_port()
        await self.set_up()
        await self.serve()


if __name__ == "__main__":
    main(Forwarder)
