// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "common/flashlink/bundle.hpp"
#include "tests/unit/flashlink_sign/objects.hpp"

namespace tml::flashlink {
namespace {

using test::app_facts;
using test::data_facts;
using test::payload_of;

std::vector<std::uint8_t> bytes_of(std::string_view hex_text) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t n = 0; n + 1 < hex_text.size(); n += 2)
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(std::string(hex_text.substr(n, 2)), nullptr, 16)));
  return bytes;
}

struct Vector {
  std::string_view seed, key, message, signature;
};

// RFC 8032, section 7.1, tests 1 to 3.
constexpr std::array<Vector, 3> kRfc8032{{
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
     "d25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
     "387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
     "4a7c15e9716ed28dc027beceea1ec40a"},
}};

TEST(Signing, Rfc8032) {
  for (const auto& vector : kRfc8032) {
    const auto seed = bytes_of(vector.seed);
    const auto key = SecretKey::from_seed(std::span<const std::uint8_t, 32>(seed.data(), 32));
    EXPECT_EQ(hex(key.public_key()), vector.key);
    const auto message = bytes_of(vector.message);
    EXPECT_EQ(hex(key.sign(std::as_bytes(std::span(message)))), vector.signature);
  }
}

TEST(Signing, GeneratedKeysDiffer) {
  const auto a = SecretKey::generate();
  const auto b = SecretKey::generate();
  EXPECT_NE(a.public_key(), b.public_key());
  const auto again = SecretKey::from_seed(a.seed());
  EXPECT_EQ(again.public_key(), a.public_key());
}

TEST(Signing, AMovedKeyIsEmpty) {
  auto key = development_key();
  const auto kept = std::move(key);
  EXPECT_EQ(hex(key.seed()), std::string(64, '0'));  // NOLINT(bugprone-use-after-move): that it is wiped is the point
  EXPECT_EQ(kept.id(), development_key().id());
}

TEST(Signing, DevelopmentKeysAreNamed) {
  EXPECT_EQ(well_known_name(development_key().id()), "development key");
  EXPECT_EQ(well_known_name(development_root().id()), "development root");
  EXPECT_EQ(well_known_name(KeyId{}), "");
  ASSERT_NE(well_known_key(development_root().id()), nullptr);
  EXPECT_EQ(*well_known_key(development_root().id()), development_root().public_key());
}

TEST(Signing, RefusesWhatIsNoObject) {
  const auto key = development_key();
  EXPECT_EQ(sign_object(app_facts(), {}, key).error().code, Errc::limit);
  EXPECT_EQ(sign_object(app_facts(), payload_of((1U << 20U) + 1), key).error().code, Errc::limit);
  auto facts = app_facts();
  facts.product = {};
  EXPECT_EQ(sign_object(facts, payload_of(1), key).error().code, Errc::usage);
  EXPECT_TRUE(sign_object(app_facts(), payload_of(1U << 20U), key).has_value());
}

RC_GTEST_PROP(Signing, SignedFilesComeBack, ()) {
  const auto key = development_key();
  const auto count = *rc::gen::inRange<std::size_t>(1, 5);
  std::vector<SignedObject> objects;
  for (std::size_t n = 0; n < count; ++n) {
    auto facts = *rc::gen::arbitrary<bool>() ? app_facts() : data_facts();
    facts.epoch = *rc::gen::arbitrary<std::uint32_t>();
    facts.version = *rc::gen::arbitrary<std::uint32_t>();
    auto object = sign_object(facts, payload_of(*rc::gen::inRange<std::size_t>(1, 20'000)), key);
    RC_ASSERT(object.has_value());
    objects.push_back(*std::move(object));
  }
  const auto file = write_bundle(objects);
  RC_ASSERT(file.has_value());
  const auto back = read_bundle(*file, "test");
  RC_ASSERT(back.has_value());
  RC_ASSERT(back->size() == objects.size());
  for (std::size_t n = 0; n < count; ++n) {
    const auto before = objects[n].manifest_bytes();
    const auto after = (*back)[n].manifest_bytes();
    RC_ASSERT(std::equal(before.begin(), before.end(), after.begin(), after.end()));
    RC_ASSERT((*back)[n].list == objects[n].list);
    RC_ASSERT((*back)[n].payload == objects[n].payload);
    RC_ASSERT(signature_matches(after, key.public_key()));
    RC_ASSERT(!signature_matches(after, development_root().public_key()));
  }
}

/// Whether anything at all of a file is accepted as this key's.
bool accepted(std::span<const std::byte> file, const PublicKey& key) {
  const auto objects = read_bundle(file, "test");
  if (!objects) return false;
  for (const auto& object : *objects) {
    if (!signature_matches(object.manifest_bytes(), key)) return false;
  }
  return true;
}

TEST(Signing, EveryChangedByteIsRefused) {
  const auto key = development_key();
  std::vector<SignedObject> objects;
  objects.push_back(*sign_object(app_facts(1), payload_of(4500), key));
  objects.push_back(*sign_object(app_facts(2), payload_of(33), key));
  auto file = *write_bundle(objects);
  ASSERT_TRUE(accepted(file, key.public_key()));
  for (std::size_t at = 0; at < file.size(); ++at) {
    const auto kept = file[at];
    file[at] = kept ^ static_cast<std::byte>(1U << (at % 8));
    EXPECT_FALSE(accepted(file, key.public_key())) << "byte " << at;
    file[at] = kept;
  }
  for (std::size_t size = 0; size < file.size(); size += 7)
    EXPECT_FALSE(accepted(std::span(file).first(size), key.public_key())) << size << " bytes";
  file.push_back(std::byte{0});
  EXPECT_FALSE(accepted(file, key.public_key())) << "a byte behind the end";
}

TEST(Signing, CountsOfObjects) {
  EXPECT_EQ(write_bundle({}).error().code, Errc::usage);
  std::vector<SignedObject> many;
  for (int n = 0; n < 9; ++n) many.push_back(*sign_object(data_facts(), payload_of(1), development_key()));
  EXPECT_EQ(write_bundle(many).error().code, Errc::usage);
}

}  // namespace
}  // namespace tml::flashlink
