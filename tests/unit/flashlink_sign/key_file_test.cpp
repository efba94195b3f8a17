// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/stat.h>

#include "common/flashlink/key_file.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/flashlink_sign/objects.hpp"

namespace tml::flashlink {
namespace {

constexpr PassphraseCost kCheap{1, 64};

AskPassphrase answer(std::string text) {
  return [text]() -> Result<std::string> { return text; };
}

Result<std::string> never() {
  ADD_FAILURE() << "asked for a passphrase";
  return fail(Errc::usage, "asked");
}

TEST(KeyFile, PlainKeysComeBack) {
  const auto key = SecretKey::generate();
  const auto text = secret_key_text(key, {});
  ASSERT_TRUE(text.has_value());
  EXPECT_TRUE(text->starts_with("TML-ED25519-SECRET-1\n"));
  const auto back = parse_secret_key(*text, never, "k");
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->public_key(), key.public_key());
  const auto shown = parse_public_key(public_key_text(key.public_key()), "k");
  ASSERT_TRUE(shown.has_value());
  EXPECT_EQ(*shown, key.public_key());
}

TEST(KeyFile, PassphrasesSealTheKey) {
  const auto key = SecretKey::generate();
  const auto text = secret_key_text(key, "correct horse", kCheap);
  ASSERT_TRUE(text.has_value());
  EXPECT_NE(text->find("\nargon2id 1 64 "), std::string::npos) << *text;
  const auto back = parse_secret_key(*text, answer("correct horse"), "k");
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->public_key(), key.public_key());
  EXPECT_EQ(parse_secret_key(*text, answer("wrong"), "k").error().code, Errc::auth);
  EXPECT_EQ(parse_secret_key(*text, {}, "k").error().code, Errc::usage);
  EXPECT_NE(*secret_key_text(key, "correct horse", kCheap), *text) << "salt and nonce are fresh";
  EXPECT_EQ(secret_key_text(key, std::string(kMaxPassphrase + 1, 'x'), kCheap).error().code, Errc::limit);
}

TEST(KeyFile, ForeignFilesCannotAskForEverything) {
  const std::string body(128, 'A');
  for (const std::string_view costs : {"17 64", "1 2000000", "0 64", "1 4"}) {
    const std::string text = "TML-ED25519-SECRET-1\nargon2id " + std::string(costs) + " " + body.substr(0, 120) + "\n";
    const auto key = parse_secret_key(text, never, "k");
    ASSERT_FALSE(key.has_value());
    EXPECT_TRUE(key.error().code == Errc::limit || key.error().code == Errc::malformed) << costs;
  }
}

TEST(KeyFile, WhatIsNoKeyIsRefused) {
  const auto key = SecretKey::generate();
  const std::string secret = *secret_key_text(key, {});
  const std::string shown = public_key_text(key.public_key());
  for (const std::string& text :
       {std::string(), std::string("TML-ED25519-SECRET-1"), std::string("TML-ED25519-SECRET-1\n"), shown,
        secret + "x\n", secret.substr(0, secret.size() - 3), "TML-ED25519-SECRET-1\nargon2id\n" + secret,
        secret + secret})
    EXPECT_EQ(parse_secret_key(text, never, "k").error().code, Errc::malformed) << text;
  EXPECT_EQ(parse_public_key(secret, "k").error().code, Errc::malformed);
  EXPECT_EQ(parse_public_key(shown.substr(0, 40), "k").error().code, Errc::malformed);
}

RC_GTEST_PROP(KeyFile, AnyTextIsReadOrRefused, (const std::string& rest)) {
  (void)parse_secret_key("TML-ED25519-SECRET-1\n" + rest, {}, "k");
  (void)parse_public_key("TML-ED25519-PUBLIC-1\n" + rest, "k");
}

TEST(KeyFile, FilesAndModes) {
  const ::tml::test::TempDir folder;
  const auto key = SecretKey::generate();
  const auto files = save_key_pair(folder / "bench", key, "", kCheap);
  ASSERT_TRUE(files.has_value());
  struct stat facts {};
  ASSERT_EQ(::stat(files->secret.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0600U);
  std::vector<std::string> notes;
  const auto back = load_secret_key(files->secret, never, notes);
  ASSERT_TRUE(back.has_value());
  EXPECT_TRUE(notes.empty());
  EXPECT_EQ(*load_public_key(files->public_), key.public_key());
  EXPECT_EQ(*load_public_key(files->secret), key.public_key());
  EXPECT_EQ(save_key_pair(folder / "bench", key, "", kCheap).error().code, Errc::usage) << "keys are not replaced";
  ::chmod(files->secret.c_str(), 0644);
  ASSERT_TRUE(load_secret_key(files->secret, never, notes).has_value());
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_NE(notes[0].find("chmod 600"), std::string::npos);
  EXPECT_EQ(load_secret_key(folder / "none.key", never, notes).error().code, Errc::not_found);
}

}  // namespace
}  // namespace tml::flashlink
