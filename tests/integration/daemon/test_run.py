#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# tml-daemon run: remote sampling, boards that go and come, a server that goes and comes.
import signal

import paths  # noqa: F401
from tmltest import ACCELEROMETER, MICROPHONE, BenchTest, main, named, wait_until


class Run(BenchTest):
    def serve(self, *board_flags, **keys):
        self.server_ = self.server()
        self.board_ = self.board("--speed", 20, *board_flags)
        self.daemon_ = self.daemon(self.server_, self.board_, **keys)
        self.daemon_.wait_online()

    def request(self, label="idle", length_ms=1000, sensor=ACCELEROMETER, interval_ms=16, category="training"):
        answer = self.server_.start_sampling(self.board_.id, label, length_ms, interval_ms, sensor, category)
        self.assertTrue(answer["success"], answer)

    def stored(self, count, timeout_s=30):
        return wait_until(f"{count} samples on the server",
                          lambda: (found := self.server_.samples()) and len(found) >= count and found, timeout_s)

    def test_remote_sampling(self):
        self.serve()
        self.request("idle")
        first = self.daemon_.wait_named("delivered")
        self.request("noise", 1000, MICROPHONE, 0.0625, "testing")
        self.daemon_.wait_event("second delivery", lambda e: e.get("event") == "delivered" and e["envelope"] != first["envelope"])
        samples = self.server_.samples()
        self.assertEqual(len(samples), 2)
        self.assert_verified(self.server_, samples[1], "idle")
        self.assertEqual(self.assert_verified(self.server_, samples[0], "noise", "testing").readings, 16000)
        memory = self.daemon_.memory_kb()
        self.assertLess(memory["private"], 64 * 1024, memory)
        code = self.daemon_.stop()
        self.assertEqual(code, 0)
        text = self.daemon_.report()
        self.assert_no_keys(text, self.server_.api_key, self.server_.hmac_key)

    def test_requests_of_one_board_come_one_after_the_other(self):
        self.serve()
        for index in range(3):
            self.request(f"n{index}", 400)
        samples = self.stored(3)
        self.assertEqual(sorted(s["label"] for s in samples), ["n0", "n1", "n2"])

    def test_bad_request_is_refused_and_service_goes_on(self):
        self.serve()
        answer = self.server_.start_sampling(self.board_.id, "idle", 1000, 16, "No such sensor")
        if answer["success"]:
            self.daemon_.wait_named("sample_failed")
        self.request("after")
        self.assert_verified(self.server_, self.stored(1)[0], "after")

    def test_board_unplugged_and_back(self):
        self.serve()
        for _ in range(3):
            start = len(self.daemon_.events)
            self.board_.kill()
            self.daemon_.wait_event("board_lost", lambda e: e.get("event") == "board_lost", 5, start)
            start = len(self.daemon_.events)
            self.board_.start()
            self.board_.wait_ready()
            ready = [e for e in self.board_.events if e["event"] == "ready"][-1]["_t"]
            back = self.daemon_.wait_event("remote_connected", lambda e: e.get("event") == "remote_connected", 10, start)
            self.assertLess(back["_t"] - ready, 2.0, "served again too late")
        self.request("again")
        self.assert_verified(self.server_, self.stored(1)[0], "again")

    def test_power_loss_while_sampling(self):
        self.serve()
        self.request("lost", 60_000)
        self.daemon_.wait_named("sample_started")
        self.board_.kill()
        failed = self.daemon_.wait_named("sample_failed", 10)
        self.assertEqual(failed["code"], "unplugged")
        start = len(self.daemon_.events)
        self.board_.start()
        self.board_.wait_ready()
        self.daemon_.wait_event("remote_connected", lambda e: e.get("event") == "remote_connected", 10, start)
        self.request("next")
        samples = self.stored(1)
        self.assertEqual([s["label"] for s in samples], ["next"])

    def test_server_away_during_a_sample(self):
        self.serve()
        self.request("kept", 20_000)
        self.daemon_.wait_named("sample_started")
        self.server_.kill()
        stored = self.daemon_.wait_named("sample_stored")
        self.assertEqual(stored["signature"], "verified")
        self.daemon_.wait_named("delivery_retry")
        start = len(self.daemon_.events)
        self.server_.start()
        self.server_.wait_ready()
        delivered = self.daemon_.wait_named("delivered", 60)
        self.assertEqual(delivered["envelope"], stored["envelope"])
        self.daemon_.wait_event("remote_connected", lambda e: e.get("event") == "remote_connected", 60, start)
        self.assertEqual([s["envelope"] for s in self.server_.samples()], [stored["envelope"]])
        self.request("after")
        self.stored(2)

    def test_server_that_comes_later(self):
        self.server_ = self.server()
        self.board_ = self.board("--speed", 20)
        self.daemon_ = self.daemon(self.server_, self.board_, start=False)
        self.server_.kill()
        self.daemon_.start()
        self.daemon_.wait_named("remote_disconnected")
        self.server_.start()
        self.server_.wait_ready()
        self.daemon_.wait_online(40)

    def test_port_that_comes_later(self):
        self.server_ = self.server()
        self.board_ = self.board("--speed", 20)
        self.daemon_ = self.daemon(self.server_, self.board_, start=False)
        self.board_.stop()
        self.daemon_.start()
        self.daemon_.wait_named("port_waiting")
        self.board_.start()
        self.daemon_.wait_online()

    def test_wrong_key_ends_the_only_board(self):
        server, board = self.server(), self.board()
        daemon = self.daemon(server, board, api_key="ei_" + "0" * 64, register=False)
        self.assertEqual(daemon.process.join(30), 7)

    def test_several_boards_do_not_touch_each_other(self):
        server = self.server()
        boards = [self.board("--speed", 20, name=f"board{i}") for i in range(3)]
        daemon = self.daemon(server, boards[0], "--port", boards[1].link, "--port", boards[2].link, register=False)
        for board in boards:
            daemon.wait_named("remote_connected", device_id=board.id)
        boards[0].kill()
        daemon.wait_named("board_lost", device_id=boards[0].id)
        for board in boards[1:]:
            self.assertTrue(server.start_sampling(board.id, "idle", 1000, 16, ACCELEROMETER)["success"])
        wait_until("two samples", lambda: len(server.samples()) == 2)
        self.assertEqual({s["deviceName"] for s in server.samples()}, {board.id for board in boards[1:]})

    def test_signals(self):
        self.serve()
        self.request("stopped", 60_000)
        self.daemon_.wait_named("sample_started")
        self.daemon_.process.process.send_signal(signal.SIGINT)
        self.assertEqual(self.daemon_.process.join(15), 130)
        # The board was told to stop: it serves the next daemon at once.
        self.daemon_.start()
        self.daemon_.wait_online()
        self.request("next", 500)
        self.assertEqual([s["label"] for s in self.stored(1)], ["next"])

    def test_second_daemon_stands_by_and_takes_over(self):
        self.serve()
        other = self.board("--speed", 20, name="other")
        second = self.daemon(self.server_, other, register=False, start=False)
        second.argv[second.argv.index(other.link)] = other.link
        second.start()
        second.wait_named("remote_connected", device_id=other.id)
        self.assertTrue(self.server_.start_sampling(other.id, "second", 500, 16, ACCELEROMETER)["success"])
        # The first one has the delivery lock: it delivers for both.
        self.daemon_.wait_named("delivered", label="second")
        self.daemon_.stop()
        start = len(second.events)
        self.assertTrue(self.server_.start_sampling(other.id, "third", 500, 16, ACCELEROMETER)["success"])
        second.wait_event("delivered", lambda e: e.get("event") == "delivered" and e["label"] == "third", 20, start)
        self.assertEqual(len(self.server_.samples()), 2)
        self.assertEqual(named(second.events, "error"), [])


if __name__ == "__main__":
    main()
