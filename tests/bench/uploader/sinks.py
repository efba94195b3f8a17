# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Servers that are no product: a proxy that keeps the requests which pass through it, and a sink that takes a body of any size.
import select
import socket
import threading


def _head_of(data):
    """(head, rest) once the head is whole."""
    head, end, rest = data.partition(b"\r\n\r\n")
    return (head, rest) if end else (None, data)


def _length_of(head):
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


class Listener:
    def __init__(self, port=0):
        self.socket = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port = self.socket.getsockname()[1]
        self.open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while self.open:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_quietly, args=(connection,), daemon=True).start()

    def _serve_quietly(self, connection):
        try:
            with connection:
                self.serve(connection)
        except OSError:
            pass  # The client has gone.

    def close(self):
        self.open = False
        self.socket.close()


class Recorder(Listener):
    """Passes bytes to `target` and back; `requests` are (method, path, headers, body) in the order of their ends."""

    def __init__(self, target, port=0):
        self.target, self.requests, self.lock = target, [], threading.Lock()
        super().__init__(port)

    def serve(self, connection):
        pending = b""
        with socket.create_connection(("127.0.0.1", self.target)) as server:
            while True:
                ready, _, _ = select.select([connection, server], [], [])
                if server in ready:
                    piece = server.recv(1 << 18)
                    if not piece:
                        return
                    connection.sendall(piece)
                if connection in ready:
                    piece = connection.recv(1 << 18)
                    if not piece:
                        return
                    server.sendall(piece)
                    pending = self.take(pending + piece)

    def take(self, pending):
        while True:
            head, rest = _head_of(pending)
            if head is None or len(rest) < _length_of(head):
                return pending
            size = _length_of(head)
            first, *lines = head.decode("latin-1").split("\r\n")
            method, path, _ = first.split(" ", 2)
            with self.lock:
                self.requests.append((method, path, lines, rest[:size]))
            pending = rest[size:]


class Sink(Listener):
    """Takes every body, keeps nothing, and answers each upload of one file with success."""

    EXTENSIONS = b'{"success":true,"extensions":[],"maxFilesPerRequest":1,"maxRequestBytes":4294967296,"maxFileBytes":4294967296}'

    def __init__(self, port=0):
        self.bytes = 0
        super().__init__(port)

    def serve(self, connection):
        room = bytearray(1 << 20)
        pending = b""
        while True:
            head, rest = _head_of(pending)
            if head is None:
                piece = connection.recv(1 << 16)
                if not piece:
                    return
                pending += piece
                continue
            if b"100-continue" in head.lower():
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            left = _length_of(head) - len(rest)
            pending = rest[left:] if left < 0 else b""
            while left > 0:
                left -= connection.recv_into(room, min(left, len(room)))
            self.bytes += _length_of(head)
            if head.startswith(b"POST "):
                status, body = b"200 OK", b'{"success":true,"files":[{"fileName":"f","success":true}]}'
            elif b"/extensions" in head.split(b"\r\n")[0]:
                status, body = b"200 OK", self.EXTENSIONS
            else:
                status, body = b"404 Not Found", b'{"success":false,"error":"no such call"}'
            connection.sendall(b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
