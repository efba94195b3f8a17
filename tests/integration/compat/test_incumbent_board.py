#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The incumbent's daemon on our board, with a server that is not ours either: only the firmware can be at fault.
import bench
from reference_server import ReferenceServer

ACCELEROMETER, MICROPHONE = "Built-in accelerometer", "Built-in microphone"


class IncumbentOnOurBoard(bench.BenchTest):
    def serve(self, server, board_flags, incumbent_flags=(), answers=None):
        self.tml_board = self.board("--speed", 10, *board_flags)
        answers = (server.user, server.password) if answers is None else answers
        self.host = self.incumbent(server.base_port, self.tml_board.link, answers, incumbent_flags)
        server.wait("hello", lambda s: s.connections)
        self.host.wait_did("device_ready")
        return next(iter(server.connections))

    def capture(self, server, device, label, length_ms, interval_ms, sensor, timeout_s=60):
        before = len(server.messages(device))
        server.request_sample(device, label, length_ms, interval_ms, sensor)
        server.wait("the end of a sample", lambda s: any(
            "sampleFinished" in m or m.get("sample") is False for m in s.messages(device)[before:]), timeout_s)
        messages = server.messages(device)[before:]
        self.assertIn({"sample": True}, messages)
        self.assertIn({"sampleStarted": True}, messages)
        self.assertIn({"sampleFinished": True}, messages)
        return server.samples[-1]

    def check_both_sensors(self, board_flags):
        with ReferenceServer() as server:
            device = self.serve(server, board_flags)
            sample = self.capture(server, device, "idle", 3000, 16, ACCELEROMETER)
            self.assert_signed(sample["document"], server.hmac_key, 187)
            self.assertEqual((sample["label"], sample["document"].kind), ("idle", "cbor"))
            self.assertEqual(sample["document"].payload["interval_ms"], 16)
            sample = self.capture(server, device, "noise & hum", 1000, 0.0625, MICROPHONE)
            self.assert_signed(sample["document"], server.hmac_key, 16000)
            self.assertEqual((sample["label"], sample["document"].kind), ("noise & hum", "binary"))
            self.assertEqual(len({s["document"].nonce for s in server.samples}), 2, "each capture has a nonce of its own")
            did = self.host.did()
            for complaint in ("unlink_failed", "unhandled_option", "connect_failed", "sample_failed", "overlapping_sample_requests"):
                self.assertFalse([event for event in did if event["event"] == complaint], complaint)
            self.assertEqual([event["status"] for event in did if event["event"] == "uploaded"], [200, 200])
            return did

    def test_unthrottled(self):
        self.check_both_sensors(())

    def test_line_of_115200(self):
        did = self.check_both_sensors(("--baud-model", 115200))
        self.assertFalse([event for event in did if event["event"] == "fast_transfer"])

    def test_transfer_at_921600(self):
        did = self.check_both_sensors(("--baud-model", 115200, "--transfer-baud", 921600))
        self.assertEqual([event["rate"] for event in did if event["event"] == "fast_transfer"], [921600, 921600])

    def test_fresh_board_is_configured(self):
        with ReferenceServer() as server:
            self.serve(server, ())
            commands = [event["command"] for event in self.host.did() if event["event"] == "at"]
            for command in ("AT+UPLOADHOST", "AT+MGMTSETTINGS", "AT+UPLOADSETTINGS", "AT+SAMPLESETTINGS"):
                self.assertIn(command, commands)
            self.assertNotIn("question", [e["event"] for e in self.host.did() if "WiFi" in e.get("text", "")])
            self.host.stop()
            # The settings are on the board: a second run, silent, finds all it needs.
            again = self.incumbent(server.base_port, self.tml_board.link, (server.user, server.password), ("--silent",), "again")
            again.wait_did("hello_accepted")
            self.assertFalse([e for e in again.did() if e["event"] == "not_configured"])

    def test_api_key_run_clears_and_configures(self):
        with ReferenceServer() as server:
            self.serve(server, (), ("--api-key", server.api_key), answers=())
            self.assertIn("AT+CLEARCONFIG", [event["command"] for event in self.host.did() if event["event"] == "at"])

    def test_device_is_named_on_request(self):
        with ReferenceServer() as server:
            server.name_devices = False
            device = self.serve(server, (), answers=(server.user, server.password, "my bench"))
            self.assertEqual(server.devices[device]["name"], "my bench")

    def test_unknown_sensor_is_refused_with_words(self):
        with ReferenceServer() as server:
            device = self.serve(server, ())
            server.request_sample(device, "idle", 500, 16, "No such sensor")
            server.wait("refusal", lambda s: any(m.get("sample") is False for m in s.messages(device)))
            refusal = next(m for m in server.messages(device) if m.get("sample") is False)
            self.assertIn("ERR:", refusal["error"])
            self.assert_signed(self.capture(server, device, "after", 500, 16, ACCELEROMETER)["document"], server.hmac_key)

    def test_microphone_samples_never_fill_the_board(self):
        # The incumbent deletes no binary sample (wire reference 2.7), so a board that keeps files has to make room by itself.
        with ReferenceServer() as server:
            device = self.serve(server, ("--flash-mib", 1))
            for index in range(16):
                sample = self.capture(server, device, f"clip{index}", 3000, 0.0625, MICROPHONE)
                self.assert_signed(sample["document"], server.hmac_key, 48000)


if __name__ == "__main__":
    bench.main()
