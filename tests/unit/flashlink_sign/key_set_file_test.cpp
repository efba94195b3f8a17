// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "common/flashlink/bundle.hpp"
#include "common/flashlink/key_file.hpp"
#include "common/flashlink/key_set_file.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/flashlink_sign/objects.hpp"

namespace tml::flashlink {
namespace {

std::string key_line(const PublicKey& key) {
  const std::string text = public_key_text(key);
  const auto from = text.find('\n') + 1;
  return "public = \"" + text.substr(from, text.size() - from - 1) + "\"\n";
}

const std::string kHead = "version = 3\nproduct = \"tml-virtual\"\n";

TEST(KeySetFile, IsReadAndSigned) {
  const ::tml::test::TempDir folder;
  const auto fresh = SecretKey::generate();
  const auto old = SecretKey::generate();
  folder.put("release.pub", public_key_text(fresh.public_key()));
  const auto set =
      parse_key_set_file(kHead + "[[key]]\nfile = \"release.pub\"\nclasses = [\"app\", \"data\"]\n[[key]]\n" +
                             key_line(old.public_key()) + "state = \"revoked\"\n",
                         folder.path(), "keys.toml");
  ASSERT_TRUE(set.has_value()) << set.error().message();
  EXPECT_EQ(set->version, 3U);
  ASSERT_EQ(set->keys.count, 2U);
  EXPECT_EQ(set->keys.keys[0].public_key, fresh.public_key());
  EXPECT_EQ(set->keys.keys[0].classes, 5);
  EXPECT_EQ(set->keys.keys[1].state, wire::flash::KeyState::revoked);
  EXPECT_EQ(set->keys.keys[1].classes, 7);
  const auto root = development_root();
  const auto object = sign_key_set(*set, root, 1);
  ASSERT_TRUE(object.has_value()) << object.error().message();
  EXPECT_TRUE(signature_matches(object->manifest_bytes(), root.public_key()));
  EXPECT_EQ(object->manifest.keyset_version, 3U);
  const auto keys = wire::flash::parse_key_set(object->payload);
  ASSERT_TRUE(keys.has_value());
  EXPECT_EQ(keys->count, 2U);
  const auto file = write_bundle(std::span(&*object, 1));
  ASSERT_TRUE(file.has_value());
  EXPECT_TRUE(read_bundle(*file, "k").has_value());
}

TEST(KeySetFile, RefusesWithPlace) {
  const std::string key = "[[key]]\n" + key_line(development_key().public_key());
  const std::vector<std::pair<std::string, Errc>> cases{
      {"version = ", Errc::malformed},
      {"product = \"x\"\n" + key, Errc::usage},
      {"version = 0\nproduct = \"x\"\n" + key, Errc::usage},
      {"version = 1\n" + key, Errc::usage},
      {kHead, Errc::usage},
      {kHead + "colour = 1\n" + key, Errc::usage},
      {kHead + "[[key]]\n", Errc::usage},
      {kHead + key + "state = \"old\"\n", Errc::usage},
      {kHead + key + "classes = [\"keyset\"]\n", Errc::usage},
      {kHead + key + "file = \"x.pub\"\n", Errc::usage},
      {kHead + key + key, Errc::usage},
      {kHead + "[[key]]\npublic = \"AAAA\"\n", Errc::malformed},
      {kHead + "[[key]]\nfile = \"none.pub\"\n", Errc::not_found},
      {std::string(kMaxKeySetFile + 1, '#'), Errc::limit},
  };
  for (const auto& [text, code] : cases) {
    const auto set = parse_key_set_file(text, "/nonexistent", "keys.toml");
    ASSERT_FALSE(set.has_value()) << text;
    EXPECT_EQ(set.error().code, code) << text.substr(0, 200) << set.error().message();
  }
  std::string many = kHead;
  for (int n = 0; n < 9; ++n) many += "[[key]]\n" + key_line(SecretKey::generate().public_key());
  EXPECT_EQ(parse_key_set_file(many, ".", "keys.toml").error().code, Errc::limit);
}

RC_GTEST_PROP(KeySetFile, AnyTextIsReadOrRefused, (const std::string& text)) {
  (void)parse_key_set_file(text, "/nonexistent", "keys.toml");
}

}  // namespace
}  // namespace tml::flashlink
