# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The camera side of the emulated incumbent daemon (wire reference 1.11 and 2.7, step 3): a picture as a sample, and the stream of
# snapshots of which at most five per second are passed on.
import asyncio
import base64
import hashlib
import sys
import time
import urllib.parse
import uuid
from pathlib import Path

from incumbent_cli import UNRESERVED, post
from incumbent_serial import SerialError, SnapshotStream

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support" / "py"))
import jpeg  # noqa: E402


def to_jpeg(data, width, height, quality):
    if len(data) in (width * height, 3 * width * height):
        return jpeg.encode(data, width, height, quality)
    if len(data) < 125 or data[:2] != b"\xff\xd8":
        raise SerialError("Received snapshot is not a RAW or JPEG image...")
    return data


class Camera:
    """The camera of the board that the daemon has open; the daemon sends, logs and knows whether it samples."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.stream, self.frame_at, self.encoding = None, 0.0, False

    async def start_stream(self, socket_):
        if not self.daemon.device.snapshot_stream or not self.daemon.device.resolutions:
            return await self.daemon.send(socket_, {"snapshotFailed": True, "error": "Device does not support snapshot streaming"})
        if self.daemon.sampling:
            return await self.daemon.send(socket_, {"snapshotFailed": True, "error": "Device is sampling, cannot start snapshot stream"})
        width, height = min(self.daemon.device.resolutions, key=lambda size: size[0] * size[1])

        async def forward(data):
            try:
                picture = await asyncio.to_thread(to_jpeg, data, width, height, 80)
                await self.daemon.send(socket_, {"snapshotFrame": base64.b64encode(picture).decode(), "fileName": ""})
                self.daemon.log("snapshot_frame", bytes=len(picture))
            finally:
                self.encoding = False

        def on_frame(data):
            if self.encoding or time.monotonic() - self.frame_at < 0.2:
                return
            self.encoding, self.frame_at = True, time.monotonic()
            asyncio.ensure_future(forward(data))

        self.stream = SnapshotStream(self.daemon.engine, width, height, on_frame)
        await self.stream.start()
        await self.daemon.send(socket_, {"snapshotStarted": True})
        self.daemon.log("snapshot_started", fast=self.stream.fast)

    async def stop_stream(self):
        """Whether one ran."""
        stream, self.stream = self.stream, None
        if stream:
            await stream.stop()
            self.daemon.log("snapshot_stopped")
        return stream is not None

    async def take_picture(self, socket_, request, width, height):
        await self.daemon.send(socket_, {"sampleStarted": True})
        await self.daemon.send(socket_, {"sampleReading": True, "progressPercentage": -1})
        data = await self.daemon.engine.snapshot(width, height)
        await self.daemon.send(socket_, {"sampleProcessing": True})
        picture = await asyncio.to_thread(to_jpeg, data, width, height, 100)
        await self.daemon.send(socket_, {"sampleUploading": True})
        category = "training" if "training" in request["path"] else "testing"
        boundary = f"----compat{uuid.uuid4().hex}"
        name = f"{request['label']}.jpg"
        body = (f'--{boundary}\r\nContent-Disposition: form-data; name="data"; filename="{name}"\r\n'
                "Content-Type: image/jpeg\r\n\r\n").encode() + picture + f"\r\n--{boundary}--\r\n".encode()
        headers = {"x-api-key": self.daemon.device.api_key, "x-label": urllib.parse.quote(request["label"], safe=UNRESERVED),
                   "x-add-date-id": "1", "x-disallow-duplicates": "1", "x-upload-source": "EDGE_IMPULSE_CLI_UPLOADER",
                   "x-device-type": "EDGE_IMPULSE_CLI", "Content-Type": f"multipart/form-data; boundary={boundary}"}

        status, answer = await asyncio.to_thread(post, f"{self.daemon.ingestion_url}/api/{category}/files", body, headers)
        if status != 200:
            raise OSError(f"Failed to upload picture {status} {answer}")
        self.daemon.log("picture_uploaded", status=status, body=answer, raw_bytes=len(data), sha256=hashlib.sha256(picture).hexdigest())
