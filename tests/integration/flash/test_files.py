#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# tml-flash without a board: keys, signing, what a file is.
import stat
import unittest
from pathlib import Path

from flashing import AUTH, NOT_FOUND, USAGE, VERIFICATION, FlashTest, named

ROOT = Path(__file__).resolve().parents[3]
NETWORK = ROOT / "tests/fuzz/model/corpus/tflite/network.tflite"


class Files(FlashTest):
    def test_keys(self):
        secret, public = self.key("bench")
        self.assertEqual(stat.S_IMODE(secret.stat().st_mode), 0o600)
        self.assertEqual(secret.read_text().splitlines()[0], "TML-ED25519-SECRET-1")
        self.assertEqual(public.read_text().splitlines()[0], "TML-ED25519-PUBLIC-1")
        self.flash("keygen", "--out", self.folder / "bench", code=USAGE)

    def test_passphrases(self):
        phrase = self.folder / "phrase"
        phrase.write_text("correct horse\n")
        secret, public = self.key("sealed", "--passphrase-file", phrase)
        self.assertTrue(secret.read_text().splitlines()[1].startswith("argon2id "))
        image = self.image()
        out = self.folder / "app.tmlu"
        self.flash("sign", image, "--key", secret, "-o", out, code=USAGE)
        wrong = self.folder / "wrong"
        wrong.write_text("incorrect\n")
        self.flash("sign", image, "--key", secret, "--passphrase-file", wrong, "-o", out, code=AUTH)
        self.assertFalse(out.exists())
        _, err = self.flash("sign", image, "--key", secret, "--passphrase-file", phrase, "-o", out)
        self.assertNotIn("correct horse", err)
        shown = named(self.flash("info", out, "--public-key", public)[0], "file")[0]
        self.assertEqual(shown["objects"][0]["signature"], "good")

    def test_passphrase_on_a_terminal(self):
        terminal = self.terminal([self.bin / "tml-flash", "keygen", "--out", self.folder / "typed", "--passphrase"], self.home)
        terminal.expect("Passphrase:")
        terminal.say("secret")
        terminal.expect("The same again:")
        terminal.say("secret")
        self.assertIn("with a passphrase", terminal.rest())
        self.assertEqual(terminal.code, 0)
        self.assertIn("argon2id", (self.folder / "typed.key").read_text())

    def test_signs_with_the_development_key_and_says_so(self):
        image = self.image()
        events, err = self.flash("sign", image)
        self.assertIn("development key", err)
        signed = named(events, "signed")[0]
        self.assertEqual(signed["file"], str(image.with_suffix(".tmlu")))
        self.assertEqual(signed["objects"][0]["product"], "tml-virtual")
        shown = named(self.flash("info", signed["file"])[0], "file")[0]
        self.assertEqual(shown["kind"], "signed file")
        self.assertEqual(shown["objects"][0]["signature"], "good")
        self.assertEqual(shown["objects"][0]["version"], "1.1.0")

    def test_keys_from_environment_and_configuration(self):
        secret, public = self.key("mine")
        image = self.image()
        for env in ({"TML_SIGNING_KEY": secret}, {"TML_CONFIG": self.folder / "config.toml"}):
            (self.folder / "config.toml").write_text(f'signing_key = "{secret}"\n')
            out = self.folder / "app.tmlu"
            _, err = self.flash("sign", image, "-o", out, env=env)
            self.assertNotIn("development key", err)
            self.assertEqual(named(self.flash("info", out, "--public-key", public)[0], "file")[0]["objects"][0]["signature"], "good")

    def test_two_for_the_same_place_are_refused(self):
        out = self.folder / "both.tmlu"
        events, _ = self.flash("sign", self.image("1.1.0"), self.image("1.2.0"), "-o", out, code=USAGE)
        self.assertIn("the second would never be flashed", self.error(events)["message"])
        self.assertFalse(out.exists())

    def test_a_changed_file_is_found_out(self):
        out = self.folder / "app.tmlu"
        self.flash("sign", self.image(), "-o", out)
        content = bytearray(out.read_bytes())
        for at, code in ((600, VERIFICATION), (1100, VERIFICATION), (len(content) - 1, VERIFICATION), (2, 2)):
            changed = bytearray(content)
            changed[at] ^= 1
            out.write_bytes(changed)
            self.flash("info", out, code=code)
        out.write_bytes(content[:-5])
        self.flash("info", out, code=1)

    def test_flags_go_before_the_file(self):
        out = self.folder / "app.tmlu"
        self.flash("sign", self.image(), "-o", out, "--product", "other", "--hardware", "2-3", "--epoch", "7", "--object-version", "9.8.7", "--name", "n")
        thing = named(self.flash("info", out)[0], "file")[0]["objects"][0]
        self.assertEqual((thing["product"], thing["hardware"], thing["epoch"], thing["version"], thing["name"]), ("other", [2, 3], 7, "9.8.7", "n"))
        self.flash("sign", self.image(), "-o", out, "--hardware", "3-2", code=USAGE)
        self.flash("sign", self.image(), "-o", out, "--object-version", "1", code=USAGE)

    def test_models_and_data(self):
        out = self.folder / "net.tmlu"
        events, _ = self.flash("sign", NETWORK, "-o", out)
        self.assertTrue(named(events, "compiled"))
        thing = named(self.flash("info", out)[0], "file")[0]["objects"][0]
        self.assertEqual(thing["class"], "model")
        self.assertEqual(thing["slots"], ["model-0a", "model-0b", "model-1a", "model-1b"])
        self.assertGreater(thing["kernels"], 0)
        text = self.folder / "notes.txt"
        text.write_text("hello")
        self.flash("sign", text, "-o", out, code=USAGE)
        self.flash("sign", text, "-o", out, "--slot", "data")
        self.assertEqual(named(self.flash("info", out)[0], "file")[0]["objects"][0]["class"], "data")

    def test_key_sets(self):
        root, root_public = self.key("root")
        _, release = self.key("release")
        (self.folder / "keys.toml").write_text('version = 2\nproduct = "tml-virtual"\n[[key]]\nfile = "release.pub"\nclasses = ["app"]\n')
        out = self.folder / "keys.tmlu"
        self.flash("sign", self.folder / "keys.toml", "--key", root, "-o", out)
        thing = named(self.flash("info", out, "--public-key", root_public)[0], "file")[0]["objects"][0]
        self.assertEqual((thing["class"], thing["keyset_version"], thing["signature"], len(thing["keys"])), ("keyset", 2, "good", 1))
        (self.folder / "keys.toml").write_text("version = \n")
        events, _ = self.flash("sign", self.folder / "keys.toml", "-o", out, code=1)
        self.assertIn("keys.toml:1", self.error(events)["message"])

    def test_usage(self):
        self.flash(code=USAGE)
        self.flash("nonsense.bin", "--port", "/nonexistent", code=NOT_FOUND)
        self.flash("confirm", "extra", code=USAGE)
        self.flash("erase", "--slot", "app-c", code=USAGE)
        self.flash("erase", code=USAGE)
        self.flash("write", self.image(), code=USAGE)
        self.flash("erase", "--slot", "app-b", "--port", "/nonexistent", code=USAGE)  # Nobody can be asked.
        self.flash("info", "--port", "/nonexistent", code=NOT_FOUND)
        self.assertIn("Exit codes", self.text("--help"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
