#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Cameras end to end: the incumbent's daemon on our board, our daemon on a third-party board, and all of ours, each with tml-server:
# pictures as samples, and snapshot streams.
import asyncio
import base64
import datetime
import hashlib
import json
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request

import bench
import jpeg
import tmltest
import websockets
from processes import wait_until
from reference_board import SENSOR, ReferenceBoard


class CameraTest(bench.BenchTest):
    def stream_call(self, what, body):
        return self.server_.call("POST", f"/device/{urllib.parse.quote(self.device, safe='')}/debug-stream/{what}", body)

    def frame(self, after=0):
        """(number, time in ms, JPEG) of a picture newer than `after`, or None."""
        url = (f"{self.server_.api_url}/v1/api/{self.server_.project}/device/{urllib.parse.quote(self.device, safe='')}"
               f"/debug-stream/snapshot/frame?after={after}")
        request = urllib.request.Request(url, headers={"x-api-key": self.server_.api_key})
        with urllib.request.urlopen(request, timeout=10) as answer:
            if answer.status == 204:
                return None
            self.assertEqual(answer.headers["content-type"], "image/jpeg")
            return int(answer.headers["x-tml-frame"]), answer.headers["x-tml-frame-time"], answer.read()

    def watch(self, pictures, resolution="low"):
        """Starts a stream and takes `pictures` new frames from the API."""
        started = self.stream_call("snapshot/start", {"resolution": resolution})
        self.assertTrue(started.get("success"), started)
        frames = []
        while len(frames) < pictures:
            after = frames[-1][0] if frames else 0
            frames.append(wait_until("a frame", lambda after=after: self.frame(after), 30))
        return started["streamId"], frames

    def sample_picture(self, label, sensor, category="training", count=1):
        body = {"label": label, "category": category, "sensor": sensor}
        path = f"/device/{urllib.parse.quote(self.device, safe='')}/start-sampling"
        answer = self.server_.call("POST", path, body)
        self.assertTrue(answer.get("success"), answer)
        request = wait_until("the end of the request", lambda: (
            state := self.server_.call("GET", f"/requests/{answer['id']}")["request"])["state"] in ("finished", "failed") and state, 60)
        self.assertEqual(request["state"], "finished", request)
        samples = wait_until("the picture", lambda: (found := self.server_.samples()) and len(found) >= count and found, 20)
        sample = samples[0]
        self.assertEqual((sample["label"], sample["category"]), (label, category), sample)
        return sample, self.server_.raw(sample["id"])

    def check_rate(self, frames):
        """At most 5 per second, by the numbers of all pictures and the times at which the server had them."""
        def parse(text):
            return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()

        first, last = frames[0], frames[-1]
        self.assertLessEqual(last[0] - first[0], 5 * (parse(last[1]) - parse(first[1])) + 1)


class IncumbentOnOurBoard(CameraTest):
    def serve(self, *flags):
        self.server_ = self.server()
        board = self.board("--speed", 10, *flags)
        self.device = board.id
        self.host = self.incumbent(self.server_.base_port, board.link, (self.server_.user, self.server_.password, "camera"))
        self.host.wait_did("device_ready")

    def check(self, *flags):
        self.serve(*flags)
        sample, stored = self.sample_picture("cat", "Camera (160x120)")
        self.assertEqual(jpeg.decode(stored)[:2], (160, 120))
        uploaded = self.host.wait_did("picture_uploaded")
        self.assertEqual(uploaded["sha256"], hashlib.sha256(stored).hexdigest(), "the server stored other bytes than it was sent")
        self.assertIn("cat", sample["filename"])
        stream, frames = self.watch(4)
        for _, _, picture in frames:
            self.assertEqual(jpeg.decode(picture)[:2], (96, 96))
        # A sample in the middle of the stream, which goes on afterwards.
        before = frames[-1][0]
        self.sample_picture("dog", "Camera (96x96)", "testing", 2)
        wait_until("the stream after the sample", lambda: self.frame(before + 1), 30)
        self.assertTrue(self.stream_call("stop", {"streamId": stream})["success"])
        self.host.wait_did("snapshot_stopped", count=2)
        for complaint in ("sample_failed", "unhandled_option", "overlapping_sample_requests"):
            self.assertFalse([event for event in self.host.did() if event["event"] == complaint], complaint)
        return uploaded

    def test_unthrottled_rgb(self):
        self.assertEqual(self.check("--sensor", "camera=synth:bars")["raw_bytes"], 160 * 120 * 3)

    def test_grayscale_at_921600(self):
        uploaded = self.check("--camera", "grayscale", "--baud-model", 115200, "--transfer-baud", 921600)
        self.assertEqual(uploaded["raw_bytes"], 160 * 120)
        self.assertEqual(self.host.wait_did("snapshot_started")["fast"], 921600)

    def test_board_that_sends_jpeg(self):
        self.assertLess(self.check("--camera", "jpeg")["raw_bytes"], 160 * 120)


class OurDaemonOnTheirBoard(CameraTest):
    def check(self, **profile):
        self.server_ = self.server()
        with ReferenceBoard(self.folder / "port", **profile) as board:
            self.device = board.config["id"]
            daemon = self.daemon(self.server_, board)
            daemon.wait_online()
            width, height, depth = profile["camera"]
            _, stored = self.sample_picture("cat", f"Camera ({width}x{height})")
            self.assertEqual(jpeg.decode(stored)[:2], (width, height))
            stream, frames = self.watch(3)
            self.assertEqual(jpeg.decode(frames[0][2])[:2], (width, height))
            # A signal's sample by the way.
            answer = self.server_.start_sampling(self.device, "idle", 500, 16, SENSOR)
            self.assertTrue(answer["success"], answer)
            daemon.wait_named("sample_stored", label="idle")
            wait_until("the stream after the sample", lambda: self.frame(frames[-1][0] + 1), 30)
            self.assertTrue(self.stream_call("stop", {"streamId": stream})["success"])
            ended = daemon.wait_event("the stream's end", lambda e: e.get("event") == "snapshots_ended", 20)
            self.assertEqual(ended["damaged"], 0)
            self.assertEqual(daemon.stop(), 0)
            return board

    def test_rgb(self):
        board = self.check(camera=(32, 24, "RGB"))
        self.assertIn("AT+SNAPSHOT=32,24,n", board.commands)

    def test_grayscale_at_the_faster_rate(self):
        board = self.check(camera=(48, 48, "Grayscale"), transfer_baud=921600)
        self.assertIn("AT+SNAPSHOTSTREAM=48,48,y", board.commands)

    def test_jpeg(self):
        self.check(camera=(64, 64, "JPEG"))

    def test_at_1_5_switches_without_being_told(self):
        board = self.check(camera=(40, 30, "RGB"), at_version="1.5.0", transfer_baud=921600)
        self.assertIn("AT+SNAPSHOT=40,30", board.commands)
        self.assertIn("AT+SNAPSHOTSTREAM=40,30", board.commands)


class AllOfOurs(CameraTest):
    def serve(self, *flags, **keys):
        self.server_ = self.server()
        self.board_ = self.board("--speed", 10, *flags)
        self.device = self.board_.id
        self.daemon_ = self.daemon(self.server_, self.board_, **keys)
        self.daemon_.wait_online()

    def test_pictures_are_stored_whole(self):
        self.serve("--sensor", "camera=synth:bars")
        names = [sensor["name"] for sensor in self.server_.device(self.device)["sensors"]]
        self.assertEqual(names[-3:], ["Camera (96x96)", "Camera (160x120)", "Camera (320x240)"])
        self.assertTrue(self.server_.device(self.device)["supportsSnapshotStreaming"])
        sample, stored = self.sample_picture("cat & dog", "Camera (320x240)")
        width, height, pixels = jpeg.decode(stored)
        self.assertEqual((width, height), (320, 240))
        # The second of eight bars is yellow (191, 191, 0).
        middle = (120 * 320 + 60) * 3
        for got, expected in zip(pixels[middle:middle + 3], (191, 191, 0)):
            self.assertAlmostEqual(got, expected, delta=6)
        self.assertTrue(sample["filename"].startswith("cat & dog"), sample["filename"])
        # The very same picture again is not stored twice (x-disallow-duplicates), and is no failure.
        answer = self.server_.start_sampling(self.device, "cat & dog", 1, 1, "Camera (320x240)")
        wait_until("the second request", lambda: self.server_.call("GET", f"/requests/{answer['id']}")["request"]["state"] == "finished", 30)
        self.assertEqual(len(self.server_.samples()), 1)

    def test_stream_is_bounded_and_stops(self):
        self.serve("--sensor", "camera=synth:moving", "--baud-model", 115200, "--transfer-baud", 921600)
        stream, frames = self.watch(12)
        self.check_rate(frames)
        self.assertEqual(len({picture for _, _, picture in frames}), 12, "the picture does not move")
        self.assertTrue(self.stream_call("keep-alive", {"streamId": stream})["success"])
        self.assertTrue(self.stream_call("stop", {"streamId": stream})["success"])
        ended = self.daemon_.wait_named("snapshots_ended")
        self.assertEqual(ended["frames"], ended["sent"] + ended["dropped"])
        self.assertGreaterEqual(ended["sent"], 12)
        self.assertFalse(self.stream_call("keep-alive", {"streamId": stream})["success"])
        with self.assertRaises(urllib.error.HTTPError):
            self.frame()
        # Once more, and large.
        stream, frames = self.watch(1, "high")
        self.assertEqual(jpeg.decode(frames[0][2])[:2], (320, 240))
        self.assertEqual(self.daemon_.stop(), 0)

    def test_a_sample_in_the_middle_of_a_stream(self):
        self.serve("--camera", "grayscale")
        stream, frames = self.watch(2)
        _, stored = self.sample_picture("cat", "Camera (160x120)")
        self.assertEqual(jpeg.decode(stored)[:2], (160, 120))
        after = self.frame()
        newer = wait_until("the stream after the sample", lambda: self.frame((after or frames[-1])[0]), 30)
        self.assertEqual(jpeg.decode(newer[2])[:2], (96, 96))
        self.stream_call("stop", {"streamId": stream})

    def test_board_without_camera_says_so(self):
        self.serve()
        self.assertFalse(self.server_.device(self.device)["supportsSnapshotStreaming"])
        self.assertFalse(self.stream_call("snapshot/start", {"resolution": "low"})["success"])
        answer = self.server_.start_sampling(self.device, "cat", 1, 1, "Camera (96x96)")
        failed = wait_until("refusal", lambda: (
            state := self.server_.call("GET", f"/requests/{answer['id']}")["request"])["state"] == "failed" and state, 20)
        self.assertIn("no sensor", failed["error"])

    def test_picture_without_server_is_kept_and_delivered(self):
        self.server_ = self.server()
        board = self.board("--camera", "rgb")
        daemon = self.daemon(self.server_, board, start=False)
        events = daemon.command("--port", board.link, "sample", "--sensor", "Camera (96x96)", "--label", "kept", "--repeat", 2,
                                "--no-deliver")
        self.assertEqual([e["state"] for e in events if e.get("event") == "sample"], ["spooled", "spooled"])
        self.assertFalse(self.server_.samples())
        daemon.command("spool", "verify")
        folder = self.folder / "export"
        daemon.command("spool", "export", folder)
        for file in sorted(folder.glob("*.jpg")):
            self.assertEqual(jpeg.decode(file.read_bytes())[:2], (96, 96))
        self.assertEqual(len(list(folder.glob("*.jpg"))), 2)
        daemon.command("spool", "flush")
        samples = self.server_.samples()
        self.assertEqual([(s["label"], s["category"]) for s in samples], [("kept", "training")] * 2)
        self.assertEqual({hashlib.sha256(self.server_.raw(s["id"])).hexdigest() for s in samples},
                         {hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.glob("*.jpg")})
        code, _, err = self.tool("--host", self.server_.host, "--port", board.link, "sample", "--sensor", "Camera (97x97)",
                                 "--label", "x", "--no-deliver")
        self.assertEqual(code, 2, err)
        self.assertIn("Camera (96x96)", err)

    def test_replayed_pictures(self):
        folder = self.folder / "pictures"
        folder.mkdir()
        for index, name in enumerate(("cat.1", "cat.2", "dog.1")):
            body = bytes([60 * index, 100, 200] * (96 * 96))
            (folder / f"{name}.ppm").write_bytes(b"P6\n# made by a test\n96 96\n255\n" + body)
        self.server_ = self.server()
        board = self.board("--sensor", f"camera=replay:{folder}")
        daemon = self.daemon(self.server_, board, start=False)
        daemon.command("--port", board.link, "sample", "--sensor", "Camera (96x96)", "--label", "any", "--repeat", 3)
        reds = sorted(jpeg.decode(self.server_.raw(s["id"]))[2][0] for s in self.server_.samples())
        for got, expected in zip(reds, (0, 60, 120), strict=True):
            self.assertAlmostEqual(got, expected, delta=3)


class SlowServer:
    """Accepts a device, asks for pictures, and then reads nothing more until released. Kernel buffers are kept small."""

    def __init__(self, base_port):
        self.base_port, self.frames = base_port, []
        self.blocked, self.released, self.finished = threading.Event(), None, threading.Event()

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=lambda: self.loop.run_until_complete(self.serve(ready)), daemon=True)
        self.thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(10)

    async def serve(self, ready):
        self.stop, self.released = asyncio.Event(), asyncio.Event()
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", self.base_port + 2))
        listener.listen()
        async with websockets.serve(self.client, sock=listener, compression=None, ping_interval=None, max_queue=1, read_limit=4096):
            ready.set()
            await self.stop.wait()

    async def client(self, connection, path=None):
        await connection.recv()
        await connection.send(json.dumps({"hello": True, "serverTimestamp": 1}))
        await connection.send(json.dumps({"startSnapshot": True, "resolution": "high"}))
        self.blocked.set()
        await self.released.wait()
        await connection.send(json.dumps({"stopSnapshot": True}))
        async for frame in connection:
            message = json.loads(frame)
            if "snapshotFrame" in message:
                self.frames.append(base64.b64decode(message["snapshotFrame"]))
            if "snapshotStopped" in message:
                self.finished.set()


@tmltest.native_only("QEMU's UART carries too few pictures per second to fill the buffers on the way")
class SlowLink(bench.BenchTest):
    def test_a_server_that_does_not_read_costs_pictures_not_memory(self):
        server = self.server()
        # Noise does not compress: 60 KB per picture, 5 per second.
        board = self.board("--speed", 10, "--sensor", "camera=synth:noise", "--camera", "grayscale")
        daemon = self.daemon(server, board, start=False)
        server.stop()
        with SlowServer(server.base_port) as slow:
            daemon.start()
            self.assertTrue(slow.blocked.wait(20))
            daemon.wait_named("snapshots_started")
            memory = daemon.memory_kb()["private"]

            def stuck(event):
                """25 pictures of which not one was sent: the buffers on the way are full."""
                told = [e for e in daemon.events if e.get("event") == "snapshots" and e["frames"] <= event.get("frames", -1)]
                return event.get("event") == "snapshots" and len(told) > 1 and told[-2]["sent"] == event["sent"]

            event = daemon.wait_event("pictures that are all dropped", stuck, 60)
            self.assertGreaterEqual(event["dropped"], 25)
            self.assertLess(daemon.memory_kb()["private"] - memory, 8192, "memory grows behind a slow server")
            slow.loop.call_soon_threadsafe(slow.released.set)
            ended = daemon.wait_named("snapshots_ended", 30)
            self.assertTrue(slow.finished.wait(30), "snapshotStopped did not come")
            self.assertEqual(len(slow.frames), ended["sent"], "what was sent arrives, nothing else")
            for picture in slow.frames:
                self.assertEqual(jpeg.decode(picture)[:2], (320, 240))


if __name__ == "__main__":
    bench.main()
