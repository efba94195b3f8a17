#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# register, sample, ports and spool: what they do, and what they end with.
import fcntl
import os
import stat

import paths  # noqa: F401
from tmltest import ACCELEROMETER, MICROPHONE, BenchTest, fleet, main, named


class Register(BenchTest):
    def test_writes_what_differs_and_remembers(self):
        server, board = self.server(), self.board("--speed", 20)
        flags = ("--host", server.host, "--api-key", server.api_key, "--port", board.link)
        code, events, err = self.tool(*flags, "register", "--name", "bench 1")
        self.assertEqual(code, 0, err)
        done = named(events, "registered")[0]
        self.assertEqual((done["device_id"], done["name"], done["project"]), (board.id, "bench 1", str(server.project)))
        self.assertEqual(done["written"], ["upload_host", "mgmt_url", "upload_settings", "sample_settings"])
        self.assertEqual(server.device(board.id)["name"], "bench 1")
        config = self.folder / "home" / ".config" / "tml" / "config.toml"
        self.assertEqual(stat.S_IMODE(config.stat().st_mode), 0o600)
        self.assert_no_keys(err + str(events), server.api_key, server.hmac_key)
        # Host and key are remembered; the board has everything already.
        code, events, err = self.tool("--port", board.link, "register")
        self.assertEqual(code, 0, err)
        self.assertEqual(named(events, "registered")[0]["written"], [])
        code, events, err = self.tool("--port", f"id={board.id}", "--port", board.link, "register")
        self.assertEqual(code, 2, err)
        code, events, err = self.tool("--port", board.link, "register", "--clean")
        self.assertEqual(code, 0, err)
        self.assertIn("upload_settings", named(events, "registered")[0]["written"])

    def test_without_terminal_it_names_the_flag(self):
        board = self.board()
        code, events, err = self.tool("--port", board.link, "register")
        self.assertEqual(code, 2)
        self.assertIn("--host", err)
        code, events, err = self.tool("--port", board.link, "--host", "127.0.0.1", "register")
        self.assertEqual(code, 2)
        self.assertIn("--api-key", err)
        self.assertEqual(named(events, "error")[0]["code"], "usage")

    def test_wrong_key_and_absent_server(self):
        server, board = self.server(), self.board()
        flags = ("--host", server.host, "--port", board.link, "register")
        code, _, err = self.tool("--api-key", "ei_" + "0" * 64, *flags)
        self.assertEqual(code, 7, err)
        server.stop()
        code, _, err = self.tool("--api-key", server.api_key, *flags)
        self.assertEqual(code, 8, err)


class Sample(BenchTest):
    def registered(self, *board_flags):
        self.server_, self.board_ = self.server(), self.board("--speed", 20, *board_flags)
        code, _, err = self.tool("--host", self.server_.host, "--api-key", self.server_.api_key, "--port", self.board_.link, "register")
        self.assertEqual(code, 0, err)

    def sample(self, *flags, sensor=ACCELEROMETER, label="idle", length_ms=1000):
        return self.tool("--port", self.board_.link, "sample", "--sensor", sensor, "--label", label, "--length-ms", length_ms, *flags)

    def test_captures_and_delivers(self):
        self.registered()
        code, events, err = self.sample("--repeat", 2, "--frequency", 62.5)
        self.assertEqual(code, 0, err)
        told = named(events, "sample")
        self.assertEqual([(s["state"], s["signature"]) for s in told], [("delivered", "verified")] * 2)
        code, events, err = self.sample("--category", "testing", sensor=MICROPHONE, label="noise")
        self.assertEqual(code, 0, err)
        samples = self.server_.samples()
        self.assertEqual(len(samples), 3)
        document = self.assert_verified(self.server_, samples[0], "noise", "testing")
        self.assertEqual(document.readings, 16000)
        for sample in samples[1:]:
            self.assert_verified(self.server_, sample, "idle")
        self.assertEqual(sorted(s["envelope"] for s in told), sorted(s["envelope"] for s in samples[1:]))

    def test_server_away_keeps_the_sample_and_flush_delivers_it(self):
        self.registered()
        self.server_.stop()
        code, events, err = self.sample()
        self.assertEqual(code, 8, err)
        self.assertIn("spool flush", err)
        self.assertEqual(named(events, "sample")[0]["state"], "spooled")
        envelope = named(events, "sample")[0]["envelope"]
        _, events, _ = self.tool("spool", "list")
        self.assertEqual([e["envelope"] for e in named(events, "entry")], [envelope])
        code, events, _ = self.tool("spool", "verify")
        self.assertEqual((code, named(events, "verified")[0]["entries"]), (0, 1))
        code, events, _ = self.tool("spool", "export", self.folder / "out")
        self.assertEqual(code, 0)
        self.assertEqual(len(list((self.folder / "out").glob(f"*{envelope}*"))), 1)
        code, _, err = self.tool("spool", "flush")
        self.assertEqual(code, 8, err)
        self.server_.start()
        self.server_.wait_ready()
        code, events, err = self.tool("spool", "flush")
        self.assertEqual(code, 0, err)
        self.assertEqual([s["envelope"] for s in self.server_.samples()], [envelope])
        self.assert_verified(self.server_, self.server_.samples()[0], "idle")
        _, events, _ = self.tool("spool", "list")
        self.assertEqual((named(events, "entry"), named(events, "totals")[0]["delivered"]), ([], 1))

    def test_no_deliver(self):
        self.registered()
        code, events, err = self.sample("--no-deliver", "--repeat", 2)
        self.assertEqual(code, 0, err)
        self.assertEqual([s["state"] for s in named(events, "sample")], ["spooled"] * 2)
        self.assertEqual(self.server_.samples(), [])

    def test_bad_requests_end_with_usage(self):
        self.registered()
        for label in ("a,b", "a\rAT+CLEARCONFIG", "a\nb", "a> b", ""):
            code, events, err = self.sample(label=label)
            self.assertEqual(code, 2, (label, err))
            self.assertEqual(named(events, "error")[0]["code"], "usage")
        for flags in (("--frequency", 7), ("--category", "nonsense")):
            code, _, err = self.sample(*flags)
            self.assertEqual(code, 2, err)
        code, _, err = self.sample(sensor="No such sensor")
        self.assertEqual(code, 2, err)
        self.assertIn(ACCELEROMETER, err)
        code, _, err = self.sample(length_ms=10_000_000)
        self.assertEqual(code, 2, err)

    def test_revoked_key_keeps_the_sample(self):
        self.registered()
        code, events, err = self.tool("--api-key", "ei_" + "0" * 64, "--port", self.board_.link, "sample", "--sensor", ACCELEROMETER,
                                      "--label", "idle", "--length-ms", 500)
        self.assertEqual(code, 7, err)
        code, events, err = self.tool("spool", "flush")
        self.assertEqual(code, 0, err)
        self.assertEqual(len(self.server_.samples()), 1)

    def test_wrong_hmac_key_is_told(self):
        self.registered()
        code, events, err = self.sample("--no-deliver")
        self.assertEqual(named(events, "sample")[0]["signature"], "verified")
        code, events, err = self.tool("--port", self.board_.link, "sample", "--sensor", ACCELEROMETER, "--label", "x", "--length-ms", 500,
                                      "--hmac-key", "some other key")
        # The board signs with the key of the request, so it verifies here; the server, which does not know the key, flags it.
        self.assertEqual(code, 0, err)
        self.assertEqual({s["signature"] for s in self.server_.samples() if s["label"] == "x"}, {"failed"})


class Ports(BenchTest):
    def test_no_board(self):
        code, events, err = self.tool("--port", self.folder / "nothing", "sample", "--sensor", "s", "--label", "l", "--length-ms", 5)
        self.assertEqual(code, 4, err)

    def test_not_a_terminal(self):
        file = self.folder / "file"
        file.write_text("")
        code, events, err = self.tool("--port", file, "sample", "--sensor", "s", "--label", "l", "--length-ms", 5)
        self.assertEqual(code, 2, err)

    def test_held_port_names_the_holder(self):
        board = self.board()
        with open(board.link, "rb+", buffering=0) as port:
            fcntl.flock(port, fcntl.LOCK_EX)
            code, events, err = self.tool("--port", board.link, "sample", "--sensor", "s", "--label", "l", "--length-ms", 5)
            self.assertEqual(code, 5, err)
            self.assertIn(str(os.getpid()), err)
            code, events, _ = self.tool("--port", board.link, "ports")
            listed = [e for e in named(events, "port") if e["path"] == str(board.link)][0]
            self.assertEqual((listed["openable"], listed["code"]), (False, "busy"))
            code, events, err = self.tool("--host", "127.0.0.1", "--api-key", "ei_x", "--port", board.link, "run")
            self.assertEqual(code, 5, err)
        code, events, _ = self.tool("--port", board.link, "ports")
        self.assertTrue([e for e in named(events, "port") if e["path"] == str(board.link)][0]["openable"])

    def test_silent_port(self):
        master, slave = os.openpty()
        try:
            code, events, err = self.tool("--port", os.ttyname(slave), "--no-input", "sample", "--sensor", "s", "--label", "l",
                                          "--length-ms", 5)
            self.assertEqual(code, 10, err)
        finally:
            os.close(master)
            os.close(slave)

    def test_empty_spool(self):
        for command in ("list", "verify", "flush"):
            code, _, err = self.tool("spool", command)
            self.assertEqual(code, 0, err)
        self.assertFalse((self.folder / "home" / ".local" / "state" / "tml" / "spool").exists())


if __name__ == "__main__":
    assert fleet
    main()
