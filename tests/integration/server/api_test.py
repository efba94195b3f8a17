# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
"""Every row of the REST table (wire reference 2.3), roles, keys, limits."""
import asyncio
import json
import os
import shutil
import socket
import ssl
import stat
import subprocess
import tempfile
import unittest
import urllib.request
import warnings

import websockets

from support import Server, ServerTest, document, wait_for


class Rest(ServerTest):
    def login(self):
        status, answer, _ = self.server.call("POST", "/v1/api-login", {"username": "admin", "password": self.server.credentials["password"]}, key="")
        self.assertEqual(status, 200, answer)
        return answer["token"]

    def test_credentials_are_private(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.server.event["credentials"]).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(self.server.event["data"]).st_mode), 0o700)
        self.assertRegex(self.server.key, r"^ei_[0-9a-f]{64}$")
        self.assertRegex(self.server.hmac_key, r"^[0-9a-f]{32}$")

    def test_login_rows_1_to_5(self):
        status, answer, _ = self.server.call("GET", "/v1/api-user-need-to-set-password/admin%40localhost", key="")
        self.assertEqual((status, answer["success"], answer["needPassword"]), (200, True, False))
        token = self.login()
        status, answer, _ = self.server.call("GET", "/v1/api/projects", token=token)
        self.assertEqual(answer["projects"][0]["id"], 1)
        self.assertEqual(answer["projects"][0]["owner"], "admin")
        status, answer, _ = self.server.call("GET", "/v1/api/user", token=token)
        self.assertTrue(answer["organizations"][0]["isDeveloperProfile"])
        status, answer, _ = self.server.call("POST", "/v1/api/user/create-developer-profile", {}, token=token)
        self.assertEqual((status, answer["success"]), (200, True))
        status, answer, _ = self.server.call("GET", "/v1/api/1", token=token)
        self.assertEqual(answer["project"]["name"], "My first project")

    def test_projects_with_key_and_wrong_key(self):
        status, answer, _ = self.server.call("GET", "/v1/api/projects")
        self.assertEqual([p["id"] for p in answer["projects"]], [1])
        status, answer, _ = self.server.call("GET", "/v1/api/projects", key="ei_" + "0" * 64)
        self.assertEqual(status, 401)
        self.assertIn("Invalid API key", answer["error"])
        status, answer, _ = self.server.call("GET", "/v1/api/user")
        self.assertEqual(status, 401)

    def test_project_rows_6_to_8_11_12(self):
        _, answer, _ = self.server.call("GET", "/v1/api/1")
        self.assertIsNone(answer["project"]["whitelabelId"])
        status, answer, _ = self.server.call("GET", "/v1/api/2")
        self.assertEqual(status, 403)
        _, answer, _ = self.server.call("GET", "/v1/api/1/devkeys/hmac")
        self.assertEqual(answer["hmacKey"], self.server.hmac_key)
        _, answer, _ = self.server.call("POST", "/v1/api/1/apikeys", {"name": "Edge Impulse CLI (host)", "role": "ingestion_deployment", "isDevelopmentKey": False})
        self.assertRegex(answer["apiKey"], r"^ei_[0-9a-f]{64}$")
        status, _, _ = self.server.call("GET", "/v1/api/1", key=answer["apiKey"])
        self.assertEqual(status, 200)
        _, answer, _ = self.server.call("GET", "/v1/api/organizations")
        self.assertEqual(answer["organizations"], [])
        _, answer, _ = self.server.call("GET", "/v1/api/whitelabel/1/domain")
        self.assertTrue(answer["domain"])

    def test_devices_rows_9_10_10b(self):
        status, answer, _ = self.server.call("POST", "/v1/api/1/devices/create", {"deviceId": "34:52:0a", "deviceType": "T", "ifNotExists": True})
        self.assertEqual((status, answer["success"]), (200, True))
        _, answer, _ = self.server.call("GET", "/v1/api/1/device/34%3A52%3A0a")
        # Not the id: the incumbent's clients take that for nameless and stop to ask.
        self.assertEqual(answer["device"]["name"], "T 34:52:0a")
        self.assertFalse(answer["device"]["remote_mgmt_connected"])
        self.assertEqual(answer["device"]["remoteMgmtMode"], "disconnected")
        status, _, _ = self.server.call("POST", "/v1/api/1/devices/34%3A52%3A0a/rename", {"name": "bench 7"})
        self.assertEqual(status, 200)
        self.server.call("POST", "/v1/api/1/devices/create", {"deviceId": "34:52:0a", "deviceType": "T", "ifNotExists": True})
        _, answer, _ = self.server.call("GET", "/v1/api/1/device/34:52:0a")
        self.assertEqual(answer["device"]["name"], "bench 7")
        status, _, _ = self.server.call("POST", "/v1/api/1/devices/create", {"deviceId": "34:52:0a", "deviceType": "T"})
        self.assertEqual(status, 400)
        status, _, _ = self.server.call("GET", "/v1/api/1/device/nobody")
        self.assertEqual(status, 404)

    def test_roles(self):
        keys = {}
        for role in ("readonly", "ingestiononly", "ingestion_deployment"):
            code, lines = self.server.run("key", "create", "--role", role)
            self.assertEqual(code, 0)
            keys[role] = lines[0]["key"]
        def ready():
            return all(self.server.call("GET", "/v1/api/1", key=k)[0] == 200 for k in keys.values())
        wait_for(ready)
        expected = {"readonly": (200, 403, 401), "ingestiononly": (403, 200, 200), "ingestion_deployment": (403, 200, 200)}
        for role, (samples, hmac, ingest) in expected.items():
            self.assertEqual(self.server.call("GET", "/v1/api/1/raw-data", key=keys[role])[0], samples, role)
            self.assertEqual(self.server.call("GET", "/v1/api/1/devkeys/hmac", key=keys[role])[0], hmac, role)
            status, _ = self.server.ingest("/api/training/data", document(self.server.hmac_key), x_api_key=keys[role], x_file_name="roles")
            self.assertEqual(status, ingest, role)
            self.assertEqual(self.server.call("POST", "/v1/api/1/apikeys", {"name": "x"}, key=keys[role])[0], 403, role)

    def test_key_revoke_live(self):
        _, lines = self.server.run("key", "create", "--role", "ingestiononly", "--name", "short-lived")
        key, key_id = lines[0]["key"], lines[0]["id"]
        def works():
            return self.server.call("GET", "/v1/api/1", key=key)[0] == 200
        wait_for(works)
        code, listed = self.server.run("key", "list")
        self.assertEqual(code, 0)
        self.assertNotIn(key, str(listed))
        code, _ = self.server.run("key", "revoke", str(key_id))
        self.assertEqual(code, 0)
        wait_for(lambda: not works())
        self.assertEqual(self.server.run("key", "revoke", str(key_id))[0], 4)

    def test_bad_requests(self):
        deep = "[" * 5000 + "]" * 5000
        status, answer, _ = self.server.http("POST", self.server.api, "/v1/api-login", deep.encode(), {"Content-Type": "application/json"})
        self.assertEqual(status, 400)
        self.assertEqual(self.server.http("POST", self.server.api, "/v1/api-login", b"x" * 100_000, {})[0], 413)
        self.assertEqual(self.server.call("GET", "/v1/api/nothing/here/at/all")[0], 404)
        self.assertEqual(self.server.call("DELETE", "/v1/api/projects")[0], 405)
        self.assertEqual(self.server.call("GET", "/v1/api/1/raw-data?limit=x")[0], 400)

    def test_health_and_metrics(self):
        status, answer, _ = self.server.call("GET", "/healthz", key="")
        self.assertEqual((status, answer["status"]), (200, "ok"))
        status, text, _ = self.server.call("GET", "/metrics", key="")
        self.assertIn(b"tml_http_requests_total", text)
        self.assertIn(b"tml_queue_depth", text)

    def test_keys_never_in_the_log(self):
        self.server.ingest("/api/training/data", document(self.server.hmac_key), x_file_name="log")
        log = self.server.log()
        for secret in (self.server.key, self.server.hmac_key, self.server.credentials["password"]):
            self.assertNotIn(secret, log)

    def test_second_server_is_refused(self):
        code, lines = self.server.run("serve", "--api-port", "0", "--ws-port", "0", "--ingestion-port", "0")
        self.assertEqual(code, 5, lines)

    def test_plain_network_is_refused(self):
        other = Server()
        try:
            code, lines = other.run("serve", "--listen", "0.0.0.0")
            self.assertEqual(code, 2, lines)
            self.assertEqual(other.run("key", "list")[0], 4)
        finally:
            other.close()


class Tls(unittest.TestCase):
    def test_all_listeners_speak_tls_1_2_or_newer(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        certificate, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
                        "-out", certificate, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
                       check=True, capture_output=True)
        server = Server("--tls-cert", certificate, "--tls-key", key).start()
        self.addCleanup(server.close)
        self.assertTrue(server.event["api"].startswith("https://"))
        context = ssl.create_default_context(cafile=certificate)
        large = document(server.hmac_key, values=[[float(i), 1.5] for i in range(150_000)])
        request = urllib.request.Request(f"https://127.0.0.1:{server.ingestion}/api/training/data", data=large,
                                         headers={"x-api-key": server.key, "x-file-name": "tls"})
        with urllib.request.urlopen(request, context=context, timeout=60) as answer:
            self.assertEqual(answer.status, 200)
        request = urllib.request.Request(f"https://127.0.0.1:{server.api}/v1/api/1/raw-data/1/raw", headers={"x-api-key": server.key})
        with urllib.request.urlopen(request, context=context, timeout=60) as answer:
            self.assertEqual(answer.read(), large)

        async def hello():
            async with websockets.connect(f"wss://127.0.0.1:{server.ws}/", ssl=context) as channel:
                await channel.send(json.dumps({"hello": {"version": 4, "apiKey": server.key, "deviceId": "d", "deviceType": "t", "sensors": []}}))
                return json.loads(await asyncio.wait_for(channel.recv(), 20))
        self.assertTrue(asyncio.run(hello())["hello"])
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, ConnectionResetError)):
            with socket.create_connection(("127.0.0.1", server.api), timeout=10) as plain, old.wrap_socket(plain):
                pass


class LoginLimit(ServerTest):
    def test_guessing_is_slowed(self):
        statuses = [self.server.call("POST", "/v1/api-login", {"username": "admin", "password": f"guess {i}"}, key="")[0] for i in range(7)]
        self.assertEqual(statuses, [401] * 5 + [429] * 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
