# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The incumbent host's serial engine, odd on purpose: it paces its writes, listens only after it has written, finds the prompt
# anywhere, and may assemble a fast transfer twice (wire reference 1.3 to 1.10, 1.16). Written from the reference alone; it shares no
# code with the toolkit, so that a misreading on our side does not cancel itself out.
import asyncio
import base64
import errno
import fcntl
import os
import re
import termios

PROMPT = b"> "
FAST_OK = b"\r\nOK"
CHUNK_BYTES = 5
CHUNK_PAUSE_S = 0.020
BASE_BAUD = 115200


class SerialError(Exception):
    pass


class PortGone(SerialError):
    pass


class Port:
    """A raw serial port on the running loop. Bytes reach whoever listens at that moment; nobody else keeps them."""

    def __init__(self, path, baud=BASE_BAUD):
        self.path = path
        self.listeners = []
        self.gone = asyncio.get_running_loop().create_future()
        self.bytes_unheard = 0
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            self.set_baud(baud)
            fcntl.ioctl(self.fd, termios.TIOCEXCL)
        except (OSError, termios.error):
            os.close(self.fd)
            raise
        asyncio.get_running_loop().add_reader(self.fd, self._readable)

    def set_baud(self, baud):
        speed = getattr(termios, f"B{baud}")
        attributes = termios.tcgetattr(self.fd)
        attributes[0] = 0
        attributes[1] = 0
        attributes[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
        attributes[3] = 0
        attributes[4] = attributes[5] = speed
        attributes[6][termios.VMIN] = 1
        attributes[6][termios.VTIME] = 0
        termios.tcsetattr(self.fd, termios.TCSANOW, attributes)

    def close(self):
        if self.fd >= 0:
            asyncio.get_running_loop().remove_reader(self.fd)
            os.close(self.fd)
            self.fd = -1
        if not self.gone.done():
            self.gone.set_result("closed")

    def _readable(self):
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return
        except OSError as error:
            data = b""
            if error.errno not in (errno.EIO, errno.ENXIO, errno.ENODEV):
                raise
        if not data:
            self.close()
            return
        if not self.listeners:
            self.bytes_unheard += len(data)
        for listener in list(self.listeners):
            listener(data)

    async def write_paced(self, data):
        for start in range(0, len(data), CHUNK_BYTES):
            if start:
                await asyncio.sleep(CHUNK_PAUSE_S)
            if self.fd < 0:
                raise PortGone("Port is not open")
            try:
                os.write(self.fd, data[start:start + CHUNK_BYTES])
            except OSError as error:
                self.close()
                raise PortGone(f"write: {error}") from error


class Collector:
    """Collects from now on until a sequence has been seen anywhere."""

    def __init__(self, port, sequence):
        self.port, self.sequence = port, sequence
        self.buffer = bytearray()
        self.found = asyncio.get_running_loop().create_future()
        port.listeners.append(self._take)

    def _take(self, data):
        self.buffer += data
        if self.sequence in self.buffer and not self.found.done():
            self.found.set_result(True)

    async def wait(self, timeout_ms, command):
        try:
            await asyncio.wait({self.found, self.port.gone}, timeout=timeout_ms / 1000, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.port.listeners.remove(self._take)
        if self.found.done():
            return bytes(self.buffer)
        if self.port.gone.done():
            raise PortGone("Port closed while waiting")
        raise SerialError(f"Timeout when waiting for {self.sequence.decode().strip()}  (timeout: {timeout_ms}) {command}")


def cut(data):
    """The answer between the first and the last line end (1.3); with one line end, everything from it on."""
    text = re.sub("\r?\n", "\r\n", data.decode("latin-1"))
    first, last = text.find("\r\n"), text.rfind("\r\n")
    if first < 0:
        raise SerialError("TypeError: answer without a line end")
    return text[first:] if first == last else text[first:last]


def lenient_base64(text):
    """As the incumbent's runtime decodes: characters outside the alphabet vanish, padding included, and bits just go on."""
    symbols = re.sub(r"[^A-Za-z0-9+/]", "", text)
    if len(symbols) % 4 == 1:
        symbols = symbols[:-1]
    return base64.b64decode(symbols + "=" * (-len(symbols) % 4))


def without_ok_lines(text):
    return "\r\n".join(line for line in text.split("\r\n") if line.strip() not in ("OK", "OKOK"))


class Engine:
    """One command after the other, as the incumbent writes them."""

    def __init__(self, port, log):
        self.port, self.log = port, log
        self.at_version = (1, 0, 0)
        self.transfer_baud = None

    async def wake(self):
        waiting = Collector(self.port, PROMPT)
        asyncio.ensure_future(self.port.write_paced(b"b\r"))
        await waiting.wait(5000, "b")

    async def execute(self, command, timeout_ms, listener=None):
        if listener:
            self.port.listeners.append(listener)
        try:
            await self.port.write_paced(command.encode() + b"\r")
            data = await Collector(self.port, PROMPT).wait(timeout_ms, command)
        finally:
            if listener:
                self.port.listeners.remove(listener)
        self.log("at", command=command.split("=")[0], answer_bytes=len(data))
        text = cut(data).strip()
        if "Not a valid AT command" in text:
            raise SerialError(f"Error when communicating with device: {text}")
        return text

    async def set(self, command, timeout_ms=2000):
        answer = await self.execute(command, timeout_ms)
        if "OK" not in answer:
            raise SerialError(f"Failed to set {command.split('=')[0]}: {answer}")

    async def snapshot(self, width, height):
        """Raw pixels or a JPEG, as the board sent it (1.11)."""
        text = await self.transfer(f"AT+SNAPSHOT={width},{height}", 70000)
        if text.strip().startswith("ERR:"):
            raise SerialError(text.strip())
        lines = [line.strip() for line in text.split("\r\n")]
        return lenient_base64([line for line in lines if line and line.lower() not in ("ok", "okok")][-1])

    def plan_transfer(self, command):
        """The command with its y/n argument, and the rate to switch to or None (1.8)."""
        rate = self.transfer_baud
        switch = None
        if not rate or rate == BASE_BAUD:
            if self.at_version >= (1, 6, 0):
                command += ",n"
        elif self.at_version >= (1, 6, 0):
            command += ",y"
            switch = rate
        elif self.at_version >= (1, 4, 0) and command.startswith("AT+SNAPSHOT="):
            switch = rate
        if "=" not in command:
            command = command.replace(",", "=", 1)
        return command.replace("=,", "=", 1), switch

    async def transfer(self, command, timeout_ms):
        command, fast = self.plan_transfer(command)
        if not fast:
            return await self.execute(command, timeout_ms)
        await self.port.write_paced(command.encode() + b"\r")
        await Collector(self.port, FAST_OK).wait(1000, command)
        self.port.set_baud(fast)
        body = await Collector(self.port, FAST_OK).wait(timeout_ms, command)
        self.port.set_baud(BASE_BAUD)
        tail = await Collector(self.port, PROMPT).wait(timeout_ms, command)
        self.log("fast_transfer", rate=fast, body_bytes=len(body), tail_bytes=len(tail))
        # The two pieces overlap: a line end in front of the payload makes it appear in both (1.8, 1.16).
        return without_ok_lines(body.decode("latin-1")) + without_ok_lines(cut(body + tail))


class SnapshotStream:
    """AT+SNAPSHOTSTREAM (1.8, 1.11): lines end at CR; one by one they become pictures, errors or nothing."""

    def __init__(self, engine, width, height, on_frame):
        self.engine, self.port, self.on_frame = engine, engine.port, on_frame
        self.width, self.height = width, height
        self.text, self.error, self.fast = "", None, None

    async def start(self):
        command, self.fast = self.engine.plan_transfer(f"AT+SNAPSHOTSTREAM={self.width},{self.height}")
        await self.port.write_paced(command.encode() + b"\r")
        if self.fast:
            await Collector(self.port, FAST_OK).wait(1000, command)
            self.port.set_baud(self.fast)
        self.port.listeners.append(self._take)

    def _take(self, data):
        self.text += data.decode("latin-1")
        while "\r" in self.text:
            line, _, self.text = self.text.partition("\r")
            line = line.strip()
            if line.startswith("ERR:"):
                self.error = line
            elif len(line) >= 100 and not line.startswith(("Image resolution:", "Starting snapshot")):
                self.on_frame(lenient_base64(line))

    async def stop(self):
        self.port.listeners.remove(self._take)
        stopped = Collector(self.port, FAST_OK if self.fast else PROMPT)
        await self.port.write_paced(b"b\r")
        await stopped.wait(5000, "b")
        if self.fast:
            self.port.set_baud(BASE_BAUD)
            await Collector(self.port, PROMPT).wait(5000, "b")


class DeviceConfig:
    """AT+CONFIG?, read as tolerantly and as strictly as the incumbent does (1.6)."""

    SENSOR = re.compile(r"^Name: ?([^,]+), ?Max sample length: ?(\d+)s ?, ?Frequencies: ?\[(.*)\]$")
    LEGACY = {"Built-in accelerometer": (300, [62.5, 100]), "Built-in microphone": (60, [16000])}
    SECTIONS = ("Device info", "Sensors", "Snapshot", "Inference", "WIFI", "Sampling parameters", "Ingestion parameters",
                "Upload settings", "Remote management")

    def __init__(self, text):
        self.sensors, self.values, self.unknown = [], {}, []
        self.wifi_present = True
        section = None
        for raw in text.split("\n"):
            line = raw.strip()
            if not line:
                continue
            header = next((name for name in self.SECTIONS if f"= {name} =" in line), None)
            if header:
                section = header
            elif section == "Sensors":
                self.sensors.append(self._sensor(line))
            elif section:
                key, _, value = line.partition(":")
                self._value(section, key.strip().lower(), value.strip())
        version = self.values.get(("Device info", "at version"), "1.0.0")
        self.at_version = tuple(int(part) for part in version.split("."))
        baud = self.values.get(("Device info", "data transfer baudrate"), "")
        self.transfer_baud = int(baud) if baud.isdigit() else None
        self.id = self.values.get(("Device info", "id"), "")
        self.type = self.values.get(("Device info", "type"), "")
        self.snapshot_stream = self.values.get(("Snapshot", "supports stream")) == "1"
        self.resolutions = []
        if self.values.get(("Snapshot", "has snapshot")) == "1":
            pairs = self.values.get(("Snapshot", "resolutions"), "").strip("[] ").split(",")
            self.resolutions = [tuple(int(side) for side in pair.strip().split("x")) for pair in pairs]
        self.wifi_present = self.values.get(("WIFI", "present"), "1") == "1"
        self.wifi_connected = self.values.get(("WIFI", "connected")) == "1"
        self.label = self.values.get(("Sampling parameters", "label"), "")
        self.interval = self.values.get(("Sampling parameters", "interval"), "").removesuffix(" ms.")
        self.length = self.values.get(("Sampling parameters", "length"), "").removesuffix(" ms.")
        self.hmac_key = self.values.get(("Sampling parameters", "hmac key"), "")
        if self.hmac_key == "please-set-me":
            self.hmac_key = ""
        self.api_key = self.values.get(("Upload settings", "api key"), "")
        self.host = self.values.get(("Upload settings", "host"), "")
        self.path = self.values.get(("Upload settings", "path"), "")
        self.mgmt_url = self.values.get(("Remote management", "url"), "")
        self.mgmt_connected = self.values.get(("Remote management", "connected")) == "1"
        self.mgmt_error = self.values.get(("Remote management", "last error"), "")

    KNOWN = {
        "Device info": {"id", "type", "at version", "data transfer baudrate"},
        "Snapshot": {"has snapshot", "supports stream", "color depth", "resolutions"},
        "Inference": {"sensor", "model type"},
        "WIFI": {"ssid", "password", "security", "mac", "connected", "present"},
        "Sampling parameters": {"label", "interval", "length", "hmac key"},
        "Ingestion parameters": {"sensor", "cycle length", "cycle interval"},
        "Upload settings": {"api key", "host", "path"},
        "Remote management": {"url", "connected", "last error"},
    }

    def _value(self, section, key, value):
        if key not in self.KNOWN[section]:
            self.unknown.append(f"{section}/{key}")
        if section == "Snapshot" and key == "color depth" and value not in ("RGB", "Grayscale"):
            raise SerialError(f"Invalid value for color depth: {value}")
        self.values[(section, key)] = value

    def _sensor(self, line):
        if line in self.LEGACY:
            length, frequencies = self.LEGACY[line]
            return {"name": line, "maxSampleLengthS": length, "frequencies": frequencies}
        match = self.SENSOR.match(line)
        if not match:
            raise SerialError(f"Cannot parse sensor line: {line}")
        frequencies = [float(text.strip().removesuffix("Hz")) for text in match[3].split(",") if text.strip()]
        return {"name": match[1], "maxSampleLengthS": int(match[2]),
                "frequencies": [int(f) if f == int(f) else f for f in frequencies]}
