#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# tml-daemon against a server and boards that follow the wire reference to the letter and know nothing of our extensions.
import bench
from reference_board import SENSOR, ReferenceBoard
from reference_server import ReferenceServer


class DaemonAgainstReference(bench.BenchTest):
    def serve(self, server, board, *flags, **keys):
        self.host = self.daemon(server, board, *flags, **keys)
        server.wait("hello", lambda s: s.connections)
        return next(iter(server.connections))

    def capture(self, server, device, label, sensor=SENSOR, length_ms=800, interval_ms=16, category="training"):
        before, stored = len(server.messages(device)), len(server.samples)
        server.request_sample(device, label, length_ms, interval_ms, sensor, category)
        server.wait("the end of a sample", lambda s: any(
            "sampleFinished" in m or m.get("sample") is False for m in s.messages(device)[before:]), 60)
        messages = server.messages(device)[before:]
        kinds = [key for message in messages for key in message if key != "progressPercentage"]
        self.assertEqual([kinds[0], kinds[-1]], ["sample", "sampleFinished"], messages)
        for kind in ("sampleStarted", "sampleUploading"):
            self.assertIn(kind, kinds)
        self.assertEqual(len(server.samples), stored + 1)
        sample = server.samples[-1]
        self.assertEqual((sample["label"], sample["category"]), (label, category))
        return sample

    def test_our_board(self):
        with ReferenceServer() as server:
            board = self.board("--speed", 10)
            device = self.serve(server, board)
            self.assertEqual(device, board.id)
            hello = next(event["hello"] for event in server.events if event["event"] == "hello")
            self.assertEqual((hello["version"], hello["connection"], hello["mode"]), (4, "daemon", "ingestion"))
            sample = self.capture(server, device, "idle", "Built-in accelerometer", 3000)
            self.assert_signed(sample["document"], server.hmac_key, 187)
            sample = self.capture(server, device, "noise", "Built-in microphone", 1000, 0.0625, "testing")
            self.assertEqual(sample["document"].kind, "binary")
            self.assert_signed(sample["document"], server.hmac_key, 16000)
            self.assertEqual(sample["headers"]["content-type"], "application/octet-stream")

    def check_board(self, **profile):
        with ReferenceServer() as server, ReferenceBoard(self.folder / "port", **profile) as board:
            device = self.serve(server, board)
            for label in ("idle", "wave"):
                sample = self.capture(server, device, label)
                self.assert_signed(sample["document"], server.hmac_key, 50)
            self.assertFalse(board.stored, "samples were left on the board")
            return board

    def test_buffer_board(self):
        self.check_board()

    def test_file_board(self):
        self.check_board(files=True, at_version="1.6.0")

    def test_fast_transfer_board(self):
        self.check_board(transfer_baud=921600)

    def test_board_of_at_1_3_without_baud_argument(self):
        self.check_board(at_version="1.3.0")

    def test_hex_board_of_at_1_1(self):
        self.check_board(at_version="1.1.0", files=True)

    def test_unsigned_board_is_delivered_and_told(self):
        with ReferenceServer() as server, ReferenceBoard(self.folder / "port", sign=False) as board:
            device = self.serve(server, board)
            sample = self.capture(server, device, "idle")
            self.assertFalse(sample["verified"])
            stored = self.host.wait_named("sample_stored")
            self.assertEqual(stored["signature"], "unsigned")

    def test_answer_lost_after_storing(self):
        with ReferenceServer() as server:
            board = self.board("--speed", 10)
            device = self.serve(server, board)
            server.lose_answers = 1
            server.request_sample(device, "once", 1000, 16, "Built-in accelerometer")
            server.wait("stored", lambda s: len(s.samples) == 1)
            self.host.wait_named("delivered", 30)
            self.assertEqual(len(server.samples), 1, "a server that cannot know envelopes got the sample twice")

    def test_server_errors_cost_time_only(self):
        with ReferenceServer() as server:
            board = self.board("--speed", 10)
            device = self.serve(server, board)
            server.fail_uploads = 3
            server.request_sample(device, "patient", 1000, 16, "Built-in accelerometer")
            self.host.wait_named("delivered", 60)
            self.assertEqual([sample["label"] for sample in server.samples], ["patient"])
            self.assertTrue(server.samples[0]["verified"])

    def test_connection_dropped_by_the_server_comes_back(self):
        with ReferenceServer() as server:
            board = self.board("--speed", 10)
            device = self.serve(server, board)
            for _ in range(2):
                hellos = len([event for event in server.events if event["event"] == "hello"])
                server.drop(device)
                server.wait("hello again", lambda s, n=hellos: len([e for e in s.events if e["event"] == "hello"]) > n)
            self.assert_signed(self.capture(server, device, "idle", "Built-in accelerometer")["document"], server.hmac_key)

    def test_unknown_sensor_is_refused(self):
        with ReferenceServer() as server:
            board = self.board("--speed", 10)
            device = self.serve(server, board)
            server.request_sample(device, "idle", 500, 16, "No such sensor")
            server.wait("refusal", lambda s: any(m.get("sample") is False for m in s.messages(device)))
            self.assertFalse(server.samples)

    def test_label_that_would_inject_a_command_is_refused(self):
        with ReferenceServer() as server:
            board = self.board("--speed", 10)
            device = self.serve(server, board)
            for label in ("a\rAT+CLEARCONFIG", "a,b", "a> b", "a\nb"):
                before = len(server.messages(device))
                server.request_sample(device, label, 500, 16, "Built-in accelerometer")
                server.wait("refusal", lambda s, n=before: any(m.get("sample") is False for m in s.messages(device)[n:]))
            self.assert_signed(self.capture(server, device, "fine", "Built-in accelerometer")["document"], server.hmac_key)

    def test_wrong_key_ends_with_its_exit_code(self):
        with ReferenceServer() as server:
            board = self.board()
            wrong = "ei_" + "0" * 32
            daemon = self.daemon(server, board, api_key=wrong, register=False, start=False)
            daemon.command("--port", board.link, "register", expect=7)


if __name__ == "__main__":
    bench.main()
