// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/update/verify.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "common/wire/hex.hpp"
#include "tests/support/flash_fakes.hpp"

namespace tml::fw::update {
namespace {

using wire::flash::Manifest;
using wire::flash::ObjectClass;
using wire::flash::Status;
using Signature = std::array<std::uint8_t, 64>;

std::vector<std::uint8_t> from_hex(std::string_view text) {
  std::vector<std::uint8_t> bytes(text.size() / 2);
  EXPECT_TRUE(wire::hex_decode(text, std::as_writable_bytes(std::span(bytes))).has_value());
  return bytes;
}
template <std::size_t kSize>
std::array<std::uint8_t, kSize> array_of(std::string_view text) {
  std::array<std::uint8_t, kSize> array{};
  const auto bytes = from_hex(text);
  EXPECT_EQ(bytes.size(), kSize);
  std::copy(bytes.begin(), bytes.end(), array.begin());
  return array;
}

struct Vector {
  std::string_view key;
  std::string_view message;
  std::string_view signature;
};
// RFC 8032, section 7.1, tests 1 to 3.
constexpr Vector kVectors[] = {
    {"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe246"
     "5"
     "5141438e7a100b"},
    {"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb"
     "0"
     "0d291612bb0c00"},
    {"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc"
     "0"
     "27beceea1ec40a"},
};

TEST(Signature, rfc8032_vectors) {
  for (std::size_t n = 0; n < 3; ++n) {
    const auto key = array_of<32>(kVectors[n].key);
    const auto message = from_hex(kVectors[n].message);
    const auto signature = array_of<64>(kVectors[n].signature);
    EXPECT_TRUE(check_signature(message, signature, key).passed()) << n;
    for (std::size_t bit = 0; bit < 512; bit += 7) {
      auto flipped = signature;
      flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ 1U << bit % 8);
      EXPECT_FALSE(check_signature(message, flipped, key).passed()) << n << " bit " << bit;
    }
    for (std::size_t bit = 0; bit < 256; bit += 5) {
      auto flipped = key;
      flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ 1U << bit % 8);
      EXPECT_FALSE(check_signature(message, signature, flipped).passed()) << n << " bit " << bit;
    }
    auto longer = message;
    longer.push_back(0);
    EXPECT_FALSE(check_signature(longer, signature, key).passed());
  }
}

/// S + L: the same equation holds, so whoever does not check S < L accepts a second signature of the message.
TEST(Signature, malleable_s_is_refused) {
  constexpr std::array<std::uint8_t, 32> kOrder{0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58, 0xD6, 0x9C, 0xF7,
                                                0xA2, 0xDE, 0xF9, 0xDE, 0x14, 0,    0,    0,    0,    0,    0,
                                                0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};
  for (std::size_t n = 0; n < 3; ++n) {
    auto signature = array_of<64>(kVectors[n].signature);
    unsigned carry = 0;
    for (std::size_t i = 0; i < 32; ++i) {
      const unsigned sum = signature[32 + i] + kOrder[i] + carry;
      signature[32 + i] = static_cast<std::uint8_t>(sum);
      carry = sum >> 8U;
    }
    ASSERT_EQ(carry, 0U);
    EXPECT_FALSE(check_signature(from_hex(kVectors[n].message), signature, array_of<32>(kVectors[n].key)).passed());
  }
}

/// Points of order 1, 2, 4 and 8 and encodings above the field's prime. With such a key, or such an R, signatures can
/// be made that fit any message.
TEST(Signature, small_order_and_non_canonical_points_are_refused) {
  constexpr std::string_view kPoints[] = {
      "0100000000000000000000000000000000000000000000000000000000000000",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0000000000000000000000000000000000000000000000000000000000000080",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
      "0100000000000000000000000000000000000000000000000000000000000080",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  };
  const auto message = from_hex("af82");
  for (const std::string_view point : kPoints) {
    const auto key = array_of<32>(point);
    // S = 0 and R = the key, or the neutral element: holds for keys of small order when nobody looks.
    for (const std::string_view r : {point, kPoints[0]}) {
      Signature forged{};
      const auto bytes = from_hex(r);
      std::copy(bytes.begin(), bytes.end(), forged.begin());
      EXPECT_FALSE(check_signature(message, forged, key).passed()) << point;
    }
    auto signature = array_of<64>(kVectors[2].signature);
    EXPECT_FALSE(check_signature(message, signature, key).passed()) << point;
    const auto bytes = from_hex(point);
    std::copy(bytes.begin(), bytes.end(), signature.begin());
    EXPECT_FALSE(check_signature(message, signature, array_of<32>(kVectors[2].key)).passed()) << point;
  }
}

TEST(Signature, covers_every_byte_of_the_manifest) {
  const flashtest::Object object = flashtest::make_app(flashtest::noise(5000, 1));
  const PublicKey key = flashtest::Signer::development().public_key;
  EXPECT_EQ(key, kDevelopmentKey);
  EXPECT_EQ(flashtest::Signer::root().public_key, kDevelopmentRoot);
  EXPECT_EQ(key_id(kDevelopmentKey), kDevelopmentKeyId);
  EXPECT_EQ(key_id(kDevelopmentRoot), kDevelopmentRootId);
  ASSERT_TRUE(check_signature(object.manifest, key).passed());
  EXPECT_FALSE(check_signature(object.manifest, flashtest::Signer::from("another").public_key).passed());
  for (std::size_t byte = 0; byte < sizeof(Manifest); ++byte) {
    Manifest changed = object.manifest;
    auto* bytes = reinterpret_cast<std::uint8_t*>(&changed);
    bytes[byte] = static_cast<std::uint8_t>(bytes[byte] ^ 1U << byte % 8);
    EXPECT_FALSE(check_signature(changed, key).passed()) << byte;
  }
}

TEST(Verdict, only_both_halves_together_pass) {
  Verdict verdict;
  EXPECT_FALSE(verdict.passed());
  verdict.pass();
  EXPECT_TRUE(verdict.passed());
  const Verdict copy = verdict;
  EXPECT_TRUE(copy.passed());
  // A glitch: any single bit, all zeros, all ones.
  for (std::size_t bit = 0; bit < sizeof(Verdict) * 8; ++bit) {
    Verdict hit = copy;
    auto* bytes = reinterpret_cast<std::uint8_t*>(&hit);
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ 1U << bit % 8);
    EXPECT_FALSE(hit.passed()) << bit;
  }
  for (const int fill : {0x00, 0xFF}) {
    Verdict hit;
    std::fill_n(reinterpret_cast<std::uint8_t*>(&hit), sizeof hit, static_cast<std::uint8_t>(fill));
    EXPECT_FALSE(hit.passed());
  }
  verdict.fail();
  EXPECT_FALSE(verdict.passed());
}

TEST(Fits, board) {
  Product product;
  product.name = "tml-test";
  product.hardware = 3;
  Manifest manifest;
  std::copy_n("tml-test", 8, manifest.product.begin());
  EXPECT_EQ(fits_board(manifest, product), Status::ok);
  manifest.hardware_first = 4;
  EXPECT_EQ(fits_board(manifest, product), Status::wrong_hardware);
  manifest.hardware_first = 0;
  manifest.hardware_last = 2;
  EXPECT_EQ(fits_board(manifest, product), Status::wrong_hardware);
  manifest.hardware_last = 3;
  EXPECT_EQ(fits_board(manifest, product), Status::ok);
  manifest.product[8] = '2';
  EXPECT_EQ(fits_board(manifest, product), Status::wrong_product);
  manifest.product = {};
  EXPECT_EQ(fits_board(manifest, product), Status::wrong_product) << "an application says for whom it is";
  manifest.object = ObjectClass::model;
  EXPECT_EQ(fits_board(manifest, product), Status::ok);
}

TEST(Fits, slot) {
  flashtest::Bench bench;
  Manifest manifest;
  manifest.slots = 0b01;
  manifest.payload_bytes = 100;
  EXPECT_EQ(fits_slot(manifest, 0, bench.slots), Status::ok);
  EXPECT_EQ(fits_slot(manifest, 1, bench.slots), Status::wrong_slot) << "linked for another address";
  EXPECT_EQ(fits_slot(manifest, 2, bench.slots), Status::wrong_slot);
  EXPECT_EQ(fits_slot(manifest, 6, bench.slots), Status::wrong_slot);
  EXPECT_EQ(fits_slot(manifest, 7, bench.slots), Status::bad_argument);
  EXPECT_EQ(fits_slot(manifest, 255, bench.slots), Status::bad_argument);
  manifest.payload_bytes = payload_capacity(bench.slots[0]);
  EXPECT_EQ(fits_slot(manifest, 0, bench.slots), Status::ok);
  ++manifest.payload_bytes;
  EXPECT_EQ(fits_slot(manifest, 0, bench.slots), Status::no_space);
  bench.slots[0].size_bytes = 0;
  EXPECT_EQ(fits_slot(manifest, 0, bench.slots), Status::bad_argument) << "this board has no such slot";
}

TEST(Fits, contract) {
  Manifest model;
  model.kernel_abi = 2;
  model.kernels = 0b101;
  model.arena_bytes = 1000;
  EXPECT_EQ(fits_contract(model, {}), Status::ok) << "nobody knows";
  EXPECT_EQ(fits_contract(model, {2, 0b111, 1000}), Status::ok);
  EXPECT_EQ(fits_contract(model, {3, 0b111, 1000}), Status::abi_mismatch);
  EXPECT_EQ(fits_contract(model, {2, 0b110, 1000}), Status::abi_mismatch);
  EXPECT_EQ(fits_contract(model, {2, 0b111, 999}), Status::abi_mismatch);
}

TEST(SignatureLimit, three_failures_are_free_then_five_checks_a_minute) {
  SignatureLimit limit;
  std::uint64_t now = 1'000'000;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(limit.admit(now)) << "nothing has failed";
  for (int i = 0; i < 3; ++i) limit.failed();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(limit.admit(now += 1'000'000));
  EXPECT_FALSE(limit.admit(now += 1'000'000));
  EXPECT_FALSE(limit.admit(now + 54'999'999)) << "the first of the five was 5 s earlier";
  EXPECT_TRUE(limit.admit(now + 55'000'000));
  EXPECT_FALSE(limit.admit(now + 55'000'000));
  EXPECT_EQ(limit.failures(), 3U);
}

}  // namespace
}  // namespace tml::fw::update
