# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
"""nginx as a yardstick: the same bodies, received by PUT and written to a file each. It syncs nothing by itself; a small library in
front of rename() adds the fsync of file and folder that a server which promises "stored" cannot do without."""
import os
import shutil
import socket
import statistics
import subprocess
import time
from pathlib import Path

import load
from support import document  # load knows where

CONFIGURATION = """
daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/error.log; {environment}
events {{ worker_connections 1024; }}
http {{
  access_log off; client_max_body_size 100m; client_body_buffer_size 64k; keepalive_requests 1000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {folder}/stored; location / {{ dav_methods PUT; create_full_put_path on; }} }}
}}
"""

SYNCING_RENAME = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static void sync_path(const char* path, int flags) {
  const int fd = open(path, flags);
  if (fd < 0 || fsync(fd) != 0) perror("fsync"), _exit(1);
  close(fd);
}
int rename(const char* from, const char* to) {
  int (*next)(const char*, const char*) = (int (*)(const char*, const char*))dlsym(RTLD_NEXT, "rename");
  char folder[4096];
  sync_path(from, O_RDONLY);
  const int result = next(from, to);
  if (result != 0) return result;  // The folder is not there yet: nginx makes it and tries again.
  snprintf(folder, sizeof folder, "%s", to);
  sync_path(dirname(folder), O_RDONLY | O_DIRECTORY);
  return result;
}
"""


FOLDERS = 256


class NotThere(Exception):
    """nginx cannot be had on this machine."""


def program(folder):
    """The installed nginx, or Debian's package unpacked into `folder`: nothing is installed and no service is started."""
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if found:
        return found
    unpacked = folder / "nginx"
    target = unpacked / "usr/sbin/nginx"
    if target.exists():
        return str(target)
    unpacked.mkdir(parents=True)
    try:
        got = subprocess.run(["apt-get", "download", "nginx"], cwd=unpacked, capture_output=True, text=True, timeout=120, check=False)
        packages = list(unpacked.glob("nginx_*.deb"))
        if got.returncode != 0 or not packages:
            raise NotThere(f"nginx is not installed and cannot be downloaded: {got.stderr.strip()[-200:]}")
        subprocess.run(["dpkg", "-x", str(packages[0]), str(unpacked)], check=True, capture_output=True, timeout=60)
        subprocess.run([str(target), "-v"], check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as problem:
        raise NotThere(f"nginx cannot be run: {problem}") from problem
    return str(target)


def syncing_library(folder):
    library, source = folder / "syncing_rename.so", folder / "syncing_rename.c"
    source.write_text(SYNCING_RENAME, encoding="ascii")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True, capture_output=True, timeout=60)
    return str(library)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def one_run(folder, binary, library, documents, connections):
    shutil.rmtree(folder, ignore_errors=True)
    for number in range(FOLDERS):
        (folder / "stored" / f"{number:02x}").mkdir(parents=True)
    port = free_port()
    configuration = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    preload = f"env LD_PRELOAD={library};" if library else ""
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, environment=user + preload), encoding="utf-8")
    environment = dict(os.environ, LD_PRELOAD=library) if library else None
    process = subprocess.Popen([binary, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)], env=environment)
    try:
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("nginx does not answer: " + (folder / "error.log").read_text()[-300:]) from None
                time.sleep(0.02)
        rows = 540
        bodies = [document("k" * 32, values=[[i * 0.1 + k, i * -0.3] for i in range(rows)]) for k in range(50)]

        def request(number):
            body = bodies[number % len(bodies)]
            return (f"PUT /{number % FOLDERS:02x}/{number} HTTP/1.1\r\nhost: x\r\ncontent-type: application/cbor\r\n"
                    f"content-length: {len(body)}\r\n\r\n").encode() + body

        seconds, _ = load.drive(port, request, documents, connections)
        stored = sum(1 for path in Path(folder / "stored").glob("*/*") if path.stat().st_size)
        if stored != documents:
            raise RuntimeError(f"nginx stored {stored} of {documents}")
        return documents / seconds
    finally:
        process.terminate()
        process.wait(timeout=30)


def documents_per_s(folder, documents, connections, fsync, repeat):
    """Median rate of `repeat` runs, each on an empty folder."""
    binary = program(folder)
    library = syncing_library(folder) if fsync else None
    return round(statistics.median(one_run(folder / "run", binary, library, documents, connections) for _ in range(repeat)))
