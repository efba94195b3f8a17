// SPDX-License-Identifier: Apache-2.0
#include "common/sample/document.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "common/base/file.hpp"
#include "tests/unit/sample/vectors.hpp"

namespace tml::sample {
namespace {

std::string with_payload(const std::string& payload) {
  return R"({"protected":{"ver":"v1","alg":"none"},"signature":"00","payload":)" + payload + "}";
}

std::string with_values(const std::string& values,
                        const std::string& sensors = R"([{"name":"a","units":"N/A"},{"name":"b","units":"N/A"}])") {
  return with_payload(R"({"device_type":"T","interval_ms":10,"sensors":)" + sensors + R"(,"values":)" + values + "}");
}

Errc code_of(const std::string& text, const Limits& limits = {}) {
  const auto result = parse(as_bytes(text), limits);
  return result ? Errc::partial : result.error().code;
}

TEST(Document, SummaryOfTheJsonVector) {
  const auto document = parse(as_bytes(test::json_vector()));
  ASSERT_TRUE(document) << document.error().message();
  EXPECT_EQ(document->format, Format::json);
  EXPECT_EQ(document->algorithm, Algorithm::hs256);
  EXPECT_EQ(document->issued_at_s, 1564128599);
  EXPECT_EQ(document->device_name, "ac:87:a3:0a:2d:1b");
  EXPECT_EQ(document->interval_ms, 10);
  EXPECT_EQ(document->frequency_hz(), 100);
  EXPECT_EQ(document->readings, 4U);
  EXPECT_EQ(document->duration_ms, 40);
  EXPECT_EQ(document->sensors.at(2), (Sensor{"accZ", "m/s2"}));
}

TEST(Document, KeyOrderIsFreeAndUnknownKeysAreSkipped) {
  const std::string text =
      R"( {"payload":{"values":[[1,2],[3,4]],"extra":{"values":[[[1]]],"x":[null,true,"s"]},"sensors":[{"units":"N/A","name":"a","more":1},{"name":"b","units":"m"}],)"
      R"("interval_ms":2.5,"device_type":"T"},"note":[1,{"payload":2}],"signature":"00","protected":{"alg":"none","ver":"v1","x":[]}} )";
  const auto parsed = parse_values(as_bytes(text));
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->document.readings, 2U);
  EXPECT_EQ(parsed->values.axes, 2U);
  EXPECT_EQ(parsed->values.data, (std::vector<float>{1, 2, 3, 4}));
}

TEST(Document, OneAxisMayBeFlat) {
  const std::string one = R"([{"name":"a","units":"N/A"}])";
  EXPECT_EQ(parse(as_bytes(with_values("[1,2,3]", one)))->readings, 3U);
  EXPECT_EQ(parse(as_bytes(with_values("[[1],[2]]", one)))->readings, 2U);
  EXPECT_EQ(parse(as_bytes(with_values("[]", one)))->readings, 0U);
  EXPECT_EQ(code_of(with_values("[1,[2]]", one)), Errc::malformed);
  EXPECT_EQ(code_of(with_values("[[1],2]", one)), Errc::malformed);
}

TEST(Document, RaggedAndWrongValuesAreRefused) {
  for (const char* values : {"[[1,2],[3]]", "[[1]]", "[1,2]", "[[]]", "[[1,[2]]]", "[[1,null]]", "[[1,\"x\"]]", "[{}]",
                             "7", "\"x\"", "[true]", "[[1,1e999]]"}) {
    EXPECT_EQ(code_of(with_values(values)), Errc::malformed) << values;
  }
}

TEST(Document, MissingAndDoubledKeysAreRefused) {
  EXPECT_EQ(code_of("{}"), Errc::malformed);
  EXPECT_EQ(code_of("[]"), Errc::malformed);
  EXPECT_EQ(code_of(""), Errc::malformed);
  EXPECT_EQ(code_of(with_payload("{}")), Errc::malformed);
  EXPECT_EQ(code_of(with_payload(
                R"({"device_type":"T","device_type":"U","interval_ms":1,"sensors":[{"name":"a"}],"values":[]})")),
            Errc::malformed);
  EXPECT_EQ(code_of(with_values("[[1,2]]") + "x"), Errc::malformed);
  EXPECT_EQ(
      code_of(
          R"({"protected":{"ver":"v2","alg":"none"},"signature":"00","payload":{"device_type":"T","interval_ms":1,"sensors":[{"name":"a"}],"values":[]}})"),
      Errc::unsupported);
}

TEST(Document, BoundsHold) {
  Limits limits;
  limits.max_values = 4;
  EXPECT_EQ(code_of(with_values("[[1,2],[3,4]]"), limits), Errc::partial);
  EXPECT_EQ(code_of(with_values("[[1,2],[3,4],[5,6]]"), limits), Errc::limit);
  limits = {};
  limits.max_bytes = 10;
  EXPECT_EQ(code_of(with_values("[]"), limits), Errc::limit);
  EXPECT_EQ(code_of(std::string(1000, '[')), Errc::malformed);
  EXPECT_EQ(code_of("{\"a\":" + std::string(1000, '[')), Errc::limit);
  std::string sensors = "[";
  for (int i = 0; i < 21; ++i) sensors += std::string(i == 0 ? "" : ",") + R"({"name":"s","units":"u"})";
  EXPECT_EQ(code_of(with_values("[]", sensors + "]")), Errc::limit);
  EXPECT_EQ(code_of(with_payload(R"({"device_type":")" + std::string(2000, 'x') + "\"}")), Errc::limit);
  // A5 60 ... : the same depth bound for CBOR.
  std::string deep = "\xA1\x61\x61";
  deep += std::string(100, '\x81') + "\x00";
  EXPECT_EQ(code_of(deep), Errc::limit);
}

TEST(Document, AttachmentAndCaseOfReference) {
  const std::string image = R"([{"name":"image","units":"rgba"}])";
  const auto document = parse(as_bytes(with_values(R"(["Ref-Binary-image/jpeg (1234 bytes) abcdef"])", image)));
  ASSERT_TRUE(document) << document.error().message();
  ASSERT_TRUE(document->attachment);
  EXPECT_EQ(document->attachment->mime, "image/jpeg");
  EXPECT_EQ(document->attachment->size_bytes, 1234U);
  EXPECT_EQ(document->attachment->hmac_hex, "abcdef");
  EXPECT_EQ(code_of(with_values(R"(["Ref-BINARY-i16"])", image)), Errc::malformed) << "JSON has no tail";
  EXPECT_EQ(code_of(with_values(R"(["Ref-BINARY-i16",1])", image)), Errc::malformed);
}

TEST(Document, CborTailRules) {
  std::string document = test::cbor_vector();
  EXPECT_EQ(code_of(document + "\xFF\xFF"), Errc::partial) << "flash padding";
  EXPECT_EQ(code_of(document + "\x01"), Errc::malformed);
  EXPECT_EQ(code_of(document + std::string(9, '\xFF')), Errc::malformed);
  for (std::size_t size = 0; size < document.size(); ++size)
    EXPECT_NE(code_of(document.substr(0, size)), Errc::partial) << size;
}

TEST(Document, RealRecordings) {
  const char* from_environment = std::getenv("TML_SHARED_DIR");
  const std::filesystem::path folder =
      std::filesystem::path(from_environment != nullptr ? from_environment : TML_SHARED_DIR) / "data" / "gestures";
  if (!std::filesystem::is_directory(folder)) GTEST_SKIP() << "needs ../shared data: " << folder;
  std::size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (file.path().extension() != ".json") continue;
    const auto text = read_file(file.path(), std::size_t{1} << 24U);
    ASSERT_TRUE(text);
    const auto parsed = parse_values(as_bytes(*text));
    ASSERT_TRUE(parsed) << file.path() << parsed.error().message();
    EXPECT_EQ(parsed->document.sensors.size(), 3U);
    EXPECT_NEAR(parsed->document.frequency_hz(), 104, 1);
    EXPECT_EQ(parsed->values.readings(), parsed->document.readings);
    EXPECT_NEAR(parsed->document.duration_ms, 10'000, 200);
    ASSERT_NE(parsed->document.signature_offset, kNoOffset);
    EXPECT_EQ(text->substr(parsed->document.signature_offset, 64), parsed->document.signature);
    ++files;
  }
  EXPECT_EQ(files, 72U);
}

}  // namespace
}  // namespace tml::sample
