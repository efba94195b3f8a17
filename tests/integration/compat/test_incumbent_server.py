#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The incumbent's daemon with our board and our server: what `EI_HOST=127.0.0.1 edge-impulse-daemon` does, from login to a sample that
# is stored and verified.
import bench  # First: it makes the others importable.
import acquisition

ACCELEROMETER, MICROPHONE = "Built-in accelerometer", "Built-in microphone"


class IncumbentOnOurSide(bench.BenchTest):
    def serve(self, board_flags, incumbent_flags=(), answers=None):
        self.tml_server = self.server()
        self.tml_board = self.board("--speed", 10, *board_flags)
        answers = (self.tml_server.user, self.tml_server.password) if answers is None else answers
        self.host = self.incumbent(self.tml_server.base_port, self.tml_board.link, answers, incumbent_flags)
        self.host.wait_did("device_ready")

    def capture(self, label, length_ms, interval_ms, sensor, count):
        answer = self.tml_server.start_sampling(self.tml_board.id, label, length_ms, interval_ms, sensor)
        self.assertTrue(answer["success"], answer)
        finished = self.host.wait_did("sample_finished", 60, count)
        self.assertEqual(finished["label"], label)
        sample = self.tml_server.samples()[0]
        self.assertEqual((sample["label"], sample["category"], sample["signature"]), (label, "training", "verified"))
        document = acquisition.decode(self.tml_server.raw(sample["id"]))
        self.assert_signed(document, self.tml_server.hmac_key)
        return document

    def check(self, board_flags):
        self.serve(board_flags)
        self.assertEqual(self.capture("idle", 3200, 16, ACCELEROMETER, 1).readings, 200)
        self.assertEqual(self.capture("noise", 1000, 0.0625, MICROPHONE, 2).readings, 16000)
        did = self.host.did()
        for complaint in ("question", "unlink_failed", "connect_failed", "sample_failed", "overlapping_sample_requests", "ws_closed"):
            found = [event for event in did if event["event"] == complaint and "user name" not in event.get("text", "")
                     and "password" not in event.get("text", "")]
            self.assertFalse(found, complaint)
        return did

    def test_115200(self):
        self.check(("--baud-model", 115200))

    def test_transfer_at_921600(self):
        did = self.check(("--baud-model", 115200, "--transfer-baud", 921600))
        self.assertEqual(len([event for event in did if event["event"] == "fast_transfer"]), 2)

    def test_requests_queue_per_device(self):
        self.serve(())
        for index in range(3):
            answer = self.tml_server.start_sampling(self.tml_board.id, f"queued{index}", 1000, 16, ACCELEROMETER)
            self.assertTrue(answer["success"], answer)
        self.host.wait_did("sample_finished", 60, 3)
        self.assertFalse([event for event in self.host.did() if event["event"] == "overlapping_sample_requests"])
        self.assertEqual(sorted(sample["label"] for sample in self.tml_server.samples()), ["queued0", "queued1", "queued2"])

    def test_keep_alive_and_return_of_the_server(self):
        self.serve((), ("--ping-s", "1"))
        # Pings are answered, else the client leaves after 6 s; a server that comes back is found again.
        self.tml_server.kill()
        self.host.wait_did("ws_closed", 20)
        accepted = len([event for event in self.host.did() if event["event"] == "hello_accepted"])
        self.tml_server.start()
        self.tml_server.wait_ready()
        self.host.wait_did("device_ready", 30, accepted + 1)
        self.capture("again", 1000, 16, ACCELEROMETER, 1)

    def test_api_key_of_the_server(self):
        self.tml_server = self.server()
        self.tml_board = self.board("--speed", 10)
        self.host = self.incumbent(self.tml_server.base_port, self.tml_board.link, (), ("--api-key", self.tml_server.api_key))
        self.host.wait_did("device_ready")
        self.capture("keyed", 1000, 16, ACCELEROMETER, 1)

    def test_wrong_password_is_refused(self):
        self.tml_server = self.server()
        self.tml_board = self.board()
        self.host = self.incumbent(self.tml_server.base_port, self.tml_board.link, (self.tml_server.user, "wrong"))
        self.assertEqual(self.host.join(30), 1)
        self.assertIn("fatal", [event["event"] for event in self.host.did()])


if __name__ == "__main__":
    bench.main()
