#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The daemon's control socket, asked with curl: boards, leases and their ends, while the daemon goes on serving.
import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.parse

import paths  # noqa: F401
from at_board import Line
from tmltest import ACCELEROMETER, BenchTest, main, named, wait_until


class Control(BenchTest):
    def serve(self, *board_flags, boards=1):
        self.server_ = self.server()
        self.boards_ = [self.board("--speed", 20, *board_flags, name=f"board{n}") for n in range(boards)]
        flags = [part for board in self.boards_[1:] for part in ("--port", board.link)]
        self.daemon_ = self.daemon(self.server_, self.boards_[0], *flags, register=False)
        self.socket = self.daemon_.wait_named("control")["socket"]
        for board in self.boards_:
            self.daemon_.wait_named("remote_connected", device_id=board.id)

    def call(self, method, path, body=None, where=None):
        """(status, decoded answer) by curl."""
        command = ["curl", "-sS", "--max-time", "30", "--unix-socket", where or self.socket, "-X", method, "-w", "\n%{http_code}",
                   "http://localhost" + path]
        if body is not None:
            command += ["-d", body if isinstance(body, str) else json.dumps(body)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=40)
        self.assertEqual(done.returncode, 0, done.stderr)
        text, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(text) if text.startswith("{") else text

    def borrow(self, board, status=200, **body):
        got, answer = self.call("POST", f"/v1/boards/{urllib.parse.quote(board.id, safe='')}/borrow",
                                {"owner": "test", "seconds": 60, **body})
        self.assertEqual(got, status, answer)
        return answer

    def facts(self, board):
        return next(b for b in self.call("GET", "/v1/boards")[1]["boards"] if b["port"] == str(board.link))

    def returned(self, start=0):
        return self.daemon_.wait_event("board_returned", lambda e: e.get("event") == "board_returned", 20, start)

    def back(self, board, start):
        self.daemon_.wait_event("served again", lambda e: e.get("event") == "remote_connected" and e["device_id"] == board.id,
                                20, start)

    def sample(self, board, label):
        answer = self.server_.start_sampling(board.id, label, 500, 16, ACCELEROMETER)
        self.assertTrue(answer["success"], answer)

    def test_list_borrow_give_back(self):
        self.serve(boards=2)
        self.assertEqual(stat.S_IMODE(os.stat(self.socket).st_mode), 0o600)
        listed = self.call("GET", "/v1/boards")[1]["boards"]
        self.assertEqual({b["id"] for b in listed}, {b.id for b in self.boards_})
        board, other = self.boards_
        facts = self.facts(board)
        self.assertEqual((facts["state"], facts["lent"]), ("serving", None))
        self.assertRegex(facts["version"], r"^\d+\.\d+\.\d+$")
        self.assertTrue(facts["type"])

        start = len(self.daemon_.events)
        lease = self.borrow(board)
        self.assertEqual(lease["port"], str(board.link))
        self.assertGreater(lease["expires_at"], time.time() * 1000)
        facts = self.facts(board)
        self.assertEqual((facts["state"], facts["lent"]["owner"]), ("lent", "test"))
        # The port is free: another program talks to the board.
        with contextlib.closing(Line(board.link)) as line:
            line.wake()
            self.assertIn("TML firmware version", "\n".join(line.command("AT+INFO")))
        # The other board is served as ever.
        self.sample(other, "meanwhile")
        self.daemon_.wait_named("delivered", label="meanwhile")
        self.assertEqual(self.call("DELETE", f"/v1/leases/{lease['lease']}")[0], 204)
        self.back(board, start)
        self.sample(board, "afterwards")
        self.daemon_.wait_named("delivered", label="afterwards")
        self.assertEqual(self.call("DELETE", f"/v1/leases/{lease['lease']}")[0], 404)
        self.assertEqual(self.daemon_.stop(), 0)
        self.assertFalse(os.path.exists(self.socket))

    def test_borrow_by_port_and_what_is_refused(self):
        self.serve()
        board = self.boards_[0]
        path = "/v1/boards/" + urllib.parse.quote(str(board.link), safe="") + "/borrow"
        status, lease = self.call("POST", path, {"owner": "by port", "seconds": 5})
        self.assertEqual(status, 200, lease)
        error = self.borrow(board, 409)
        self.assertEqual((error["error"]["code"], error["lent"]["owner"]), ("busy", "by port"))
        self.assertIn("by port", error["error"]["message"])
        for expected, method, where, body in (
                (404, "POST", "/v1/boards/nobody/borrow", {"owner": "x"}),
                (404, "GET", "/v1/nothing", None),
                (405, "GET", "/v1/leases/1", None),
                (404, "POST", "/v1/leases/1/renew", {}),
                (400, "POST", path, "no json"),
                (400, "POST", path, "[]"),
                (400, "POST", path, {"owner": ""}),
                (400, "POST", path, {"owner": "x" * 65}),
                (400, "POST", path, {"owner": "x", "seconds": 0}),
                (400, "POST", path, {"owner": "x", "seconds": 3601}),
                (400, "POST", path, {"owner": "x", "seconds": -1}),
                (400, "POST", path, {"owner": "x", "seconds": "5"}),
                (400, "POST", path, {"owner": "x", "force": 1}),
                (400, "POST", path, {"owner": "x", "pid": 2 ** 31 - 1})):
            status, answer = self.call(method, where, body)
            self.assertEqual(status, expected, (method, where, body, answer))
            self.assertTrue(answer["error"]["message"] and answer["error"]["code"], answer)
        self.assertEqual(self.call("POST", path, {"owner": "x" * 5000})[0], 413)

    def test_expiry_and_renewal(self):
        self.serve()
        board = self.boards_[0]
        start = len(self.daemon_.events)
        lease = self.borrow(board, seconds=1)
        status, renewed = self.call("POST", f"/v1/leases/{lease['lease']}/renew", {"seconds": 2})
        self.assertEqual(status, 200)
        self.assertGreater(renewed["expires_at"], lease["expires_at"])
        self.assertIn("renewed in time", self.returned(start)["reason"])
        self.back(board, start)
        self.assertEqual(self.call("POST", f"/v1/leases/{lease['lease']}/renew")[0], 404)

    def test_death_of_the_owner(self):
        self.serve()
        board = self.boards_[0]
        # It holds the port as a flasher would, and is killed with it.
        owner = subprocess.Popen([sys.executable, "-c",
                                  "import os, sys, time\nsys.stdin.readline()\nos.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)\n"
                                  "print('open', flush=True)\ntime.sleep(600)", str(board.link)],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(owner.wait)
        self.addCleanup(owner.kill)
        start = len(self.daemon_.events)
        self.borrow(board, pid=owner.pid, seconds=3600)
        owner.stdin.write("go\n")
        owner.stdin.flush()
        self.assertEqual(owner.stdout.readline(), "open\n")
        owner.kill()
        self.assertIn("process has ended", self.returned(start)["reason"])
        self.back(board, start)
        for stream in (owner.stdin, owner.stdout):
            stream.close()

    def test_a_board_that_samples(self):
        self.serve()
        board = self.boards_[0]
        answer = self.server_.start_sampling(board.id, "long", 60_000, 16, ACCELEROMETER)
        self.assertTrue(answer["success"], answer)
        self.daemon_.wait_named("sample_started")
        self.assertEqual(self.facts(board)["state"], "sampling")
        error = self.borrow(board, 409)
        self.assertIn("sampling", error["error"]["message"])
        start = len(self.daemon_.events)
        lease = self.borrow(board, force=True, owner="impatient")
        failed = self.daemon_.wait_named("sample_failed")
        self.assertIn("lent to impatient", failed["error"])
        # The board was stopped: whoever has the port finds it at its prompt.
        with contextlib.closing(Line(board.link)) as line:
            line.write(b"AT+INFO\r")
            said = line.until(lambda data: data.endswith(b"\n> ")).decode()
            self.assertIn("TML firmware version", said)
            self.assertNotIn("Sampling", said)
        self.assertEqual(self.call("DELETE", f"/v1/leases/{lease['lease']}")[0], 204)
        self.back(board, start)
        self.sample(board, "after")
        self.daemon_.wait_named("delivered", label="after")

    def test_two_tools_race(self):
        self.serve()
        board = self.boards_[0]
        path = f"/v1/boards/{urllib.parse.quote(board.id, safe='')}/borrow"
        answers = []
        threads = [threading.Thread(target=lambda n=n: answers.append(self.call("POST", path, {"owner": f"tool {n}"})))
                   for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(status for status, _ in answers), [200] + [409] * 7, answers)

    def test_socket_of_a_dead_daemon_is_replaced_and_a_live_one_is_not(self):
        self.serve()
        # A second one on the same state has no socket, and serves all the same.
        other = self.board("--speed", 20, name="other")
        second = self.daemon(self.server_, other, register=False, start=False)
        second.start()
        second.wait_named("remote_connected", device_id=other.id)
        self.assertEqual(named(second.events, "control"), [])
        self.assertEqual(self.call("GET", "/v1/boards")[0], 200)
        second.stop()
        self.assertEqual(self.call("GET", "/v1/boards")[0], 200)
        self.daemon_.kill()
        self.assertTrue(os.path.exists(self.socket))
        self.daemon_.start()
        self.daemon_.wait_named("control")
        self.assertEqual(self.call("GET", "/v1/boards")[0], 200)

    def test_garbage_on_the_socket(self):
        self.serve()
        for text in (b"\x00" * 100, b"GET\r\n\r\n", b"POST /v1/boards/x/borrow HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"):
            peer = socket.socket(socket.AF_UNIX)
            peer.settimeout(20)
            peer.connect(self.socket)
            peer.sendall(text)
            peer.shutdown(socket.SHUT_WR)
            answer = peer.recv(4096)
            self.assertTrue(answer.startswith(b"HTTP/1.1 4") or not answer, answer)
            peer.close()
        self.assertEqual(self.call("GET", "/v1/boards")[0], 200)

    def test_a_board_that_is_away_can_be_borrowed(self):
        self.serve()
        board = self.boards_[0]
        board.kill()
        self.daemon_.wait_named("board_lost")
        lease = self.borrow(board)
        board.start()
        board.wait_ready()
        self.assertEqual(self.facts(board)["state"], "lent")
        start = len(self.daemon_.events)
        self.call("DELETE", f"/v1/leases/{lease['lease']}")
        self.back(board, start)
        wait_until("serving", lambda: self.facts(board)["state"] == "serving")


if __name__ == "__main__":
    main()
