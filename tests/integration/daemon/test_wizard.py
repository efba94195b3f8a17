#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# tml-daemon on a terminal: the questions, in the incumbent's words, and what becomes of the answers.
import re
import signal

import paths  # noqa: F401
from reference_board import ReferenceBoard
from tmltest import BenchTest, main, wait_until


class Wizard(BenchTest):
    def start(self, *arguments):
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return self.terminal([self.bin / "tml-daemon", *arguments], home)

    def test_login_project_name_then_serves(self):
        server, board = self.server(), self.board("--speed", 20)
        terminal = self.start("--host", server.host, "--port", board.link)
        terminal.log_in(server, "wrong")
        terminal.log_in(server)
        terminal.expect("What name do you want to give this device?")
        terminal.say("desk 4")
        terminal.expect('Device "desk 4"')
        terminal.expect("remote management connected")
        self.assertEqual(server.device(board.id)["name"], "desk 4")
        wait_until("device online", lambda: server.device(board.id)["remote_mgmt_connected"])
        self.assertNotIn(server.password, terminal.text)
        self.assertFalse(re.search(r"ei_[0-9a-f]{8}", terminal.text), "a key was shown")
        self.assertEqual(terminal.end(signal.SIGINT), 130)
        # The second time nothing is asked.
        again = self.start("--port", board.link)
        again.expect("remote management connected")
        self.assertNotIn("?", again.text.replace("AT+CONFIG?", ""))
        self.assertEqual(again.end(), 0)

    def test_wifi_is_offered_and_the_password_stays_hidden(self):
        networks = [("guest", "None", 0, -70, ""), ("home", "WPA2", 3, -41, "correct horse")]
        server = self.server()
        with ReferenceBoard(self.folder / "port", wifi=networks) as board:
            def wizard():
                terminal = self.start("--host", server.host, "--port", board.link, "--api-key", server.api_key)
                terminal.expect("WiFi is not connected, do you want to set up a WiFi network now?")
                return terminal

            terminal = wizard()
            terminal.say("y")
            terminal.expect("1) SSID: guest, Security: None (0), RSSI: -70 dBm")
            terminal.expect("2) SSID: home, Security: WPA2 (3), RSSI: -41 dBm")
            terminal.expect("Select WiFi network")
            terminal.say("2")
            terminal.expect('Enter password for network "home"')
            terminal.say("wrong battery")
            terminal.expect("cannot set up WiFi network")
            terminal.expect("What name do you want to give this device?")
            terminal.say("desk")
            terminal.expect('Device "desk"')
            terminal.expect("remote management connected")
            self.assertIn('name no network: 1, first "Scanning..."', terminal.text)
            self.assertNotIn("wrong battery", terminal.text)
            self.assertEqual((terminal.end(), board.wifi_taken), (0, None))

            # Not connected still, so the next start offers it again.
            terminal = wizard()
            terminal.say("n")
            terminal.expect("remote management connected")
            self.assertEqual((terminal.end(), board.commands.count("AT+SCANWIFI")), (0, 1))

            terminal = wizard()
            terminal.say("y")
            terminal.expect("Select WiFi network")
            terminal.say("2")
            terminal.expect('Enter password for network "home"')
            terminal.say("correct horse")
            terminal.expect('took WiFi network "home"')
            terminal.expect("remote management connected")
            self.assertNotIn("correct horse", terminal.text)
            self.assertEqual((terminal.end(), board.wifi_taken), (0, "home"))

            # Connected: nothing is asked any more. Without a terminal nothing ever is.
            again = self.start("--host", server.host, "--port", board.link, "--api-key", server.api_key)
            again.expect("remote management connected")
            self.assertNotIn("?", again.text.replace("AT+CONFIG?", ""))
            self.assertEqual(again.end(), 0)
            board.wifi_taken = None
            code, events, err = self.tool("register", "--host", server.host, "--port", str(board.link), "--api-key", server.api_key)
            self.assertEqual((code, board.commands.count("AT+SCANWIFI")), (0, 2), err)


if __name__ == "__main__":
    main()
