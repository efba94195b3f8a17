#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# A third-party board on a pseudo-terminal, after wire reference 1.2 to 1.10: the judge of our host side. Buffer boards and
# file-system boards, old and new AT versions, with and without a faster transfer rate. Its samples are signed on the board.
#
#     with ReferenceBoard(link, at_version="1.6.0", files=True) as board: ...
import base64
import fcntl
import os
import select
import struct
import termios
import threading
import time
import tty
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support" / "py"))
import acquisition  # noqa: E402
import jpeg  # noqa: E402

ANSWER_DELAY_S = 0.002  # 1.16: at least 1 ms after the CR.
BAUD_PAUSE_S = 0.1
SENSOR = "Built-in accelerometer"


class ReferenceBoard:
    def __init__(self, link, at_version="1.8.0", files=False, transfer_baud=115200, board_id="34:52:00:11:22:33", sign=True,
                 start_delay_s=0.05, wifi=(), camera=None):
        self.link, self.files, self.transfer_baud, self.sign, self.start_delay_s = Path(link), files, transfer_baud, sign, start_delay_s
        self.at_version = at_version
        self.wifi, self.wifi_taken = wifi, None  # Networks in reach: (SSID, security name, number, dBm, password).
        self.version = tuple(int(part) for part in at_version.split("."))
        self.config = {"id": board_id, "label": "test", "interval": "10.00000", "length": "1000", "hmac": "please-set-me",
                       "key": "", "host": "", "path": "", "url": ""}
        self.camera = camera  # (width, height, "RGB" or "Grayscale"); "JPEG" sends files and calls itself RGB, as AT 1.8 allows.
        self.pictures = 0
        self.stored, self.buffer, self.captures = {}, b"", 0
        self.commands = []
        self._stop = threading.Event()

    def __enter__(self):
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self._rate(115200)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(self.slave))
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self.thread.join(10)
        self.link.unlink(missing_ok=True)
        os.close(self.master)
        os.close(self.slave)

    def _rate(self, baud):
        attributes = termios.tcgetattr(self.slave)
        attributes[4] = attributes[5] = getattr(termios, f"B{baud}")
        termios.tcsetattr(self.slave, termios.TCSANOW, attributes)

    def host_rate_is(self, baud):
        # By termios2, where a host that sets its rate as a number is seen too (asm-generic/termbits.h: c_ospeed ends the struct).
        settings = bytearray(44)
        fcntl.ioctl(self.master, 0x802C542A, settings)  # TCGETS2
        return struct.unpack_from("I", settings, 40)[0] == baud

    def put(self, text):
        data = text.encode()
        while data:
            _, writable, _ = select.select([], [self.master], [], 0.2)
            if self._stop.is_set():
                return
            if writable:
                data = data[os.write(self.master, data[:512]):]

    def _run(self):
        self.put("Hello from a reference board\nType AT+HELP to see a list of commands.\n> ")
        line = ""
        while not self._stop.is_set():
            readable, _, _ = select.select([self.master], [], [], 0.1)
            if not readable:
                continue
            try:
                data = os.read(self.master, 4096)
            except OSError:
                return
            for byte in data:
                if byte == 0x0D:
                    self.put("\r\n")
                    time.sleep(ANSWER_DELAY_S)
                    self.commands.append(line)
                    self.execute(line)
                    line = ""
                    self.put("> ")
                elif byte in (0x08, 0x7F):
                    line = line[:-1]
                    self.put(f"\r\x1b[K> {line}\x1b[{len(line) + 3}G")
                elif 0x20 <= byte <= 0x7E:
                    line += chr(byte)
                    self.put(chr(byte))

    def execute(self, line):
        if not line.startswith("AT+"):
            return self.put(f"Not a valid AT command ({line})\n")
        name, mark, rest = line[3:], "", ""
        for at, char in enumerate(name):
            if char in "?=":
                name, mark, rest = name[:at], char, name[at + 1:]
                break
        handler = getattr(self, f"at_{name.lower()}{ {'': '', '?': '_read', '=': '_write'}[mark] }", None)
        if not handler:
            return self.put(f"Command not found! (AT+{name})\n")
        return handler(*rest.split(",")) if mark == "=" else handler()

    def at_config_read(self):
        c = self.config
        self.put(f"===== Device info =====\nID:         {c['id']}\nType:       REFERENCE_BOARD\nAT Version: {self.at_version}\n"
                 f"Data Transfer Baudrate: {self.transfer_baud}\n\n"
                 f"===== Sensors ======\nName: {SENSOR}, Max sample length: 300s, Frequencies: [62.50Hz, 100.00Hz]\n\n"
                 f"===== Snapshot ======\n{self.snapshot_lines()}\n===== Inference ======\nSensor:    2\nModel type:    classification\n\n"
                 "===== WIFI =====\nSSID:      \nPassword:  \nSecurity:  0\nMAC:       00:00:00:00:00:00\n"
                 f"Connected: {int(self.wifi_taken is not None)}\nPresent:   {int(bool(self.wifi))}\n\n"
                 f"===== Sampling parameters =====\nLabel:     {c['label']}\nInterval:  {c['interval']} ms.\n"
                 f"Length:    {c['length']} ms.\nHMAC key:  {c['hmac']}\n\n"
                 f"===== Upload settings =====\nApi Key:   {c['key']}\nHost:      {c['host']}\nPath:      {c['path']}\n\n"
                 f"===== Remote management =====\nURL:        {c['url']}\nConnected:  0\nLast error: \n\n")

    def snapshot_lines(self):
        if not self.camera:
            return "Has snapshot:    0\n"
        width, height, depth = self.camera
        return (f"Has snapshot:    1\nSupports stream: 1\nColor depth:     {'Grayscale' if depth == 'Grayscale' else 'RGB'}\n"
                f"Resolutions:     [ {width}x{height} ]\n")

    def next_picture(self):
        """Bars that move by one pixel from picture to picture."""
        width, height, depth = self.camera
        self.pictures += 1
        colours = 1 if depth == "Grayscale" else 3
        line = bytes(((x + self.pictures) * 8 + 60 * c) % 256 for x in range(width) for c in range(colours))
        return jpeg.encode(line * height, width, height, 90) if depth == "JPEG" else line * height

    def at_snapshot_read(self):
        self.put(self.snapshot_lines())

    def fast_snapshots(self, fast, stream):
        """Whether the answer comes at the other rate (1.5, 1.8)."""
        if self.version >= (1, 6, 0):
            return bool(fast) and fast[0] == "y"
        return not stream and (1, 4, 0) <= self.version and self.transfer_baud != 115200

    def at_snapshot_write(self, width, height, *fast):
        if not self.camera or [width, height] != [str(side) for side in self.camera[:2]]:
            return self.put(f"ERR: Invalid resolution {width}x{height}\n")
        if self.fast_snapshots(fast, False):
            return self._send(self.next_picture(), "y")
        return self.put(base64.b64encode(self.next_picture()).decode() + "\r\nOK\r\n")

    def at_snapshotstream_write(self, width, height, *fast):
        if not self.camera or [width, height] != [str(side) for side in self.camera[:2]]:
            return self.put(f"ERR: Invalid resolution {width}x{height}\n")
        switched = self.fast_snapshots(fast, True)
        if switched:
            self.put("OK\r\n")
            time.sleep(2 * BAUD_PAUSE_S)
        self.put("Starting snapshot stream...\r\n")
        while not self._stop.is_set():
            if select.select([self.master], [], [], 0.03)[0] and b"b" in os.read(self.master, 4096):
                break
            self.put(base64.b64encode(self.next_picture()).decode() + "\r\nOK\r\n")
        self.put("Snapshot streaming stopped by user\r\nOK\r\n")
        if switched:
            time.sleep(2 * BAUD_PAUSE_S)
            self.put("\r\n")

    def at_deviceid_read(self):
        self.put(f"{self.config['id']}\n")

    def at_deviceid_write(self, value):
        self.config["id"] = value
        self.put("OK\n")

    def at_uploadhost_write(self, value):
        self.config["host"] = value
        self.put("OK\n")

    def at_mgmtsettings_write(self, value):
        self.config["url"] = value
        self.put("OK\n")

    def at_uploadsettings_write(self, key, path):
        self.config.update(key=key, path=path)
        self.put("OK\n")

    def at_samplesettings_write(self, label, interval, length, key=None):
        self.config.update(label=label, interval=interval, length=length)
        if key is not None:
            self.config["hmac"] = key
        self.put("OK\n")

    def at_scanwifi(self):
        if not self.wifi:
            return self.put("Device does not have a WiFi interface\n")
        self.put("Scanning...\n")
        for ssid, name, number, dbm, _ in self.wifi:
            self.put(f"SSID: {ssid}, Security: {name} ({number}), RSSI: {dbm} dBm\n")

    def at_wifi_write(self, ssid, password, security):
        for name, _, number, _, expected in self.wifi:
            if (name, str(number), expected) == (ssid, security, password):
                self.wifi_taken = ssid
                return self.put(f"Connecting to {ssid}...\nOK\n")
        return self.put(f"Failed to connect to {ssid} with {password}\n")

    def at_clearconfig(self):
        self.config.update(label="test", hmac="please-set-me", key="", host="", path="", url="")
        self.put("Clearing config...\nOK\n")

    def at_samplestart_write(self, sensor):
        c = self.config
        if sensor != SENSOR:
            return self.put(f"ERR: Failed to find sensor '{sensor}' in the sensor list\n")
        interval, length = float(c["interval"]), int(c["length"])
        name = f"/fs/{c['label']}.{self.captures}" if self.files else f"/fs/{c['label']}"
        self.put(f"Sampling settings:\n\tInterval: {interval:.5f} ms.\n\tLength: {length} ms.\n\tName: {c['label']}\n"
                 f"\tHMAC Key: {c['hmac']}\n\tFile name: {name}\nStarting in 2000 ms... (or until all flash was erased)\n")
        time.sleep(self.start_delay_s)
        self.put("Sampling...\n")
        axes = [{"name": f"acc{axis}", "units": "m/s2"} for axis in "XYZ"]
        rows = [[self.captures + i / 64, -9.81, 0.25] for i in range(int(length / interval))]
        document = acquisition.signed_cbor(c["hmac"], c["id"], "REFERENCE_BOARD", interval, axes, rows)
        if not self.sign:
            document = acquisition.decode(document).zeroed()
        self.captures += 1
        self.put(f"Done sampling, total bytes collected: {len(document)}\n[1/1] Uploading file to Edge Impulse...\n")
        if self.files:
            self.stored[name] = document
            self.put("Not uploading file, not connected to WiFi.\n")
        else:
            self.buffer = document
            self.put(f"Not uploading file, not connected to WiFi. Used buffer, from=0, to={len(document)}.\n")
        self.put("[1/1] Uploading file to Edge Impulse OK (took 0 ms.)\nOK\n")

    def _send(self, data, fast):
        text = data.hex() if self.version < (1, 2, 0) else base64.b64encode(data).decode()
        if fast != "y":
            return self.put(text + "\n")
        self.put("OK\r\n")
        time.sleep(2 * BAUD_PAUSE_S)
        if not self.host_rate_is(self.transfer_baud):
            text = "\x00\xff" * 64
        self.put(text + "\r\nOK\r\n")
        time.sleep(2 * BAUD_PAUSE_S)
        if not self.host_rate_is(115200):
            self.put("\x00\xff" * 8)
        return self.put("\n")

    def at_readbuffer_write(self, start, end, *fast):
        if len(fast) > (1 if self.version >= (1, 6, 0) else 0):
            return self.put("No handler for AT command\n")
        return self._send(self.buffer[int(start):int(end)], fast[0] if fast else "n")

    def at_readfile_write(self, name, *fast):
        if name not in self.stored:
            return self.put(f"File '{name}' does not exist\n")
        return self._send(self.stored[name], fast[0] if fast else "n")

    def at_unlinkfile_write(self, name):
        if self.files and name not in self.stored:
            return self.put(f"File '{name}' could not be unlinked\n")
        self.stored.pop(name, None)
        return self.put("\n")


if __name__ == "__main__":
    with ReferenceBoard(sys.argv[1]) as reference:
        print(os.readlink(sys.argv[1]), flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            sys.exit(130)
