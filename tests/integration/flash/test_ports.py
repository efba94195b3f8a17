#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Which port tml-flash takes, and what it says when it may not have one.
import os
import pty
import shutil
import subprocess
import unittest

from flashing import NOT_FOUND, PERMISSION, USAGE, FlashTest, named
from tmltest import main, unprivileged


class Ports(FlashTest):
    def environment(self, env=None):
        return super().environment({"XDG_RUNTIME_DIR": self.home, "XDG_STATE_HOME": self.home / "state", **(env or {})})

    def two_boards_of_a_daemon(self):
        # Pseudo-terminals are in no list of ports: it is the daemon that knows them.
        boards = [self.board(name=name) for name in ("left", "right")]
        daemon = self.daemon(self.server(), boards[0], "--port", boards[1].link, register=False,
                             env={"XDG_RUNTIME_DIR": self.home, "XDG_STATE_HOME": self.home / "state"})
        for board in boards:
            daemon.wait_named("remote_connected", device_id=board.id)
        return boards

    def test_by_id_and_several_boards(self):
        left, right = self.two_boards_of_a_daemon()
        for board in (left, right):
            info = named(self.flash("info", "--port", f"id={board.id}")[0], "board")[0]
            self.assertEqual(info["id"], board.id)
        self.flash("tag", "the-right-one", "--port", f"id={right.id.upper()}")
        tags = {board.id: named(self.flash("info", "--port", f"id={board.id}")[0], "board")[0]["tag"] for board in (left, right)}
        self.assertEqual(tags, {left.id: "", right.id: "the-right-one"})
        error = self.error(self.flash("info", "--port", "id=02:00:00:00:00:00", code=NOT_FOUND)[0])
        self.assertIn("no board has the id 02:00:00:00:00:00", error["message"])
        # Several, and nobody to ask: all of them are named.
        error = self.error(self.flash("info", code=USAGE)[0])
        for board in (left, right):
            self.assertIn(str(board.link), error["message"])
        self.assertIn("--port", error["hint"])

    def test_no_port_of_that_kind(self):
        self.flash("info", "--port", "id=02:00:00:00:00:00", code=NOT_FOUND)
        self.flash("info", "--port", "serial=nothing-has-this", code=NOT_FOUND)

    def test_a_port_that_may_not_be_opened(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        self.addCleanup(os.close, slave)
        port = os.ttyname(slave)
        os.chmod(port, 0)
        prefix = ()
        if not unprivileged():
            # Root may open everything: the tool becomes somebody else.
            prefix = (shutil.which("setpriv") or "setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups")
            try:
                reached = subprocess.run([*prefix, str(self.bin / "tml-flash"), "--version"], capture_output=True, timeout=60)
            except OSError as error:
                self.skipTest(f"this test runs as root and cannot become another user: {error}")
            if reached.returncode != 0:
                self.skipTest(f"nobody may not run {self.bin / 'tml-flash'} (exit code {reached.returncode}): {reached.stderr.decode()}")
        error = self.error(self.flash("info", "--port", port, code=PERMISSION, prefix=prefix, env={"HOME": "/", "XDG_STATE_HOME": "/nonexistent",
                                                                                                 "XDG_RUNTIME_DIR": "/nonexistent"})[0])
        self.assertEqual(error["code"], "permission")
        self.assertIn(port, error["message"] + error.get("where", ""))
        self.assertTrue(error["hint"])


if __name__ == "__main__":
    main()
