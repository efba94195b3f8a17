// SPDX-License-Identifier: Apache-2.0
#include "common/sample/signature.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/unit/sample/vectors.hpp"

namespace tml::sample {
namespace {

using test::kKey;
using test::writable;

TEST(Signature, JsonVectorOfTheReference) {
  std::string document = test::json_vector();
  ASSERT_EQ(document.size(), 423U);
  const auto signature = sign(writable(document), kKey);
  ASSERT_TRUE(signature) << signature.error().message();
  EXPECT_EQ(*signature, test::kJsonMac);
  EXPECT_EQ(verify(as_bytes(document), kKey).value(), Verification::verified);
}

TEST(Signature, CborVectorOfTheReference) {
  std::string document = test::cbor_vector();
  ASSERT_EQ(document.size(), 337U);
  EXPECT_EQ(hex(as_bytes(document).first(10)), "a36970726f7465637465");
  EXPECT_EQ(hex(as_bytes(document).last(4)), "f93d00ff");
  const auto parsed = parse(as_bytes(document));
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->signature_offset, 41U);
  EXPECT_EQ(sign(writable(document), kKey).value(), test::kCborMac);
  EXPECT_EQ(verify(as_bytes(document), kKey).value(), Verification::verified);
}

TEST(Signature, ZerosAreUnsignedAndOtherKeysFail) {
  std::string document = test::json_vector();
  EXPECT_EQ(verify(as_bytes(document), kKey).value(), Verification::not_signed);
  ASSERT_TRUE(sign(writable(document), kKey));
  EXPECT_EQ(verify(as_bytes(document), "another").value(), Verification::failed);
  EXPECT_EQ(verify(as_bytes(document), "").value(), Verification::unknown_key);
}

TEST(Signature, AlgorithmNoneIsUnsignedAndCannotBeSigned) {
  Header header = test::vector_header();
  header.hs256 = false;
  std::string document = write_json(header, {}).value();
  EXPECT_EQ(verify(as_bytes(document), kKey).value(), Verification::not_signed);
  const auto refused = sign(writable(document), kKey);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unsupported);
}

TEST(Signature, LongKeysAlsoFitCutToThirtyTwoCharacters) {
  const std::string long_key = std::string(kKey) + "and more";
  std::string document = test::cbor_vector();
  ASSERT_TRUE(sign(writable(document), kKey));
  EXPECT_EQ(verify(as_bytes(document), long_key).value(), Verification::verified);
  ASSERT_TRUE(sign(writable(document), long_key));
  EXPECT_EQ(verify(as_bytes(document), long_key).value(), Verification::verified);
  EXPECT_EQ(verify(as_bytes(document), kKey).value(), Verification::failed);
}

TEST(Signature, TheFieldIsFoundByPlaceNotByItsText) {
  // The same 64 characters again after the field: a search for the last occurrence would blank these.
  Header header = test::vector_header();
  header.device_type = std::string(64, '0');
  std::string json = write_json(header, {}).value();
  std::string cbor = write_cbor(header, {}).value();
  for (std::string* document : {&json, &cbor}) {
    ASSERT_TRUE(sign(writable(*document), kKey));
    EXPECT_EQ(parse(as_bytes(*document))->device_type, std::string(64, '0'));
    EXPECT_EQ(verify(as_bytes(*document), kKey).value(), Verification::verified);
  }
}

TEST(Signature, EscapedSignatureTextIsNotPatched) {
  std::string json = test::json_vector();
  json.replace(json.find("\"0000") + 1, 1, "\\u0030");
  const auto document = parse(as_bytes(json));
  ASSERT_TRUE(document);
  EXPECT_EQ(document->signature_offset, kNoOffset);
  EXPECT_FALSE(sign(writable(json), kKey));
}

TEST(Signature, BinaryTailIsCovered) {
  Header header;
  header.device_type = "TML";
  header.interval_ms = 0.0625;
  header.sensors = {{"audio", "wav"}};
  const std::vector<std::int16_t> samples = {0, 1, -1, 32767, -32768, 1000};
  std::string document = write_cbor_binary(header, samples).value();
  ASSERT_TRUE(sign(writable(document), kKey));
  EXPECT_EQ(verify(as_bytes(document), kKey).value(), Verification::verified);
  document.back() = static_cast<char>(document.back() ^ 1);
  EXPECT_EQ(verify(as_bytes(document), kKey).value(), Verification::failed);
}

TEST(Signature, AnyOfSeveralKeys) {
  std::string document = test::cbor_vector();
  ASSERT_TRUE(sign(writable(document), "second"));
  const auto parsed = parse(as_bytes(document)).value();
  const std::string_view keys[] = {"first", "second"};
  const KeyMatch match = verify_any(as_bytes(document), parsed, keys);
  EXPECT_EQ(match.verification, Verification::verified);
  EXPECT_EQ(match.key_index, 1U);
  EXPECT_EQ(verify_any(as_bytes(document), parsed, {}).verification, Verification::unknown_key);
  EXPECT_EQ(verify_any(as_bytes(document), parsed, std::span(keys, 1)).verification, Verification::failed);
}

TEST(Hashes, KnownVectors) {
  // FIPS 180-4 and RFC 1321 test strings; RFC 4231 case 2 for the MAC.
  EXPECT_EQ(sha256_hex(as_bytes("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(md5_hex(as_bytes("abc")), "900150983cd24fb0d6963f7d28e17f72");
  Signer signer("Jefe");
  const Bytes pieces[] = {as_bytes("what do ya want "), as_bytes("for nothing?")};
  EXPECT_EQ(hex(signer.mac(pieces)), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  Sha256 running;
  running.update(as_bytes("a"));
  running.update(as_bytes("bc"));
  EXPECT_EQ(hex(running.finish()), sha256_hex(as_bytes("abc")));
  EXPECT_EQ(hex(running.finish()), sha256_hex({}));
}

RC_GTEST_PROP(SignatureProperty, AnyFlippedByteIsNoticed, (bool json, std::uint8_t bit)) {
  std::string document = json ? test::json_vector() : test::cbor_vector();
  RC_ASSERT(sign(writable(document), kKey).has_value());
  const auto at = *rc::gen::inRange<std::size_t>(0, document.size());
  document[at] = static_cast<char>(document[at] ^ (1 << (bit % 8)));
  const auto result = verify(as_bytes(document), kKey);
  RC_ASSERT(!result || *result != Verification::verified);
}

}  // namespace
}  // namespace tml::sample
