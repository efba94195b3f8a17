// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/ingest.hpp"

#include <gtest/gtest.h>

#include <array>

#include "common/sample/signature.hpp"
#include "common/sample/writer.hpp"
#include "server/media.hpp"
#include "server/side_files.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::server {
namespace {

class Ingest : public ::testing::Test {
 protected:
  Ingest() : blobs_(folder_.path()) {
    project_.id = 1;
    project_.hmac_keys = {{2, 2, "new-key"}, {1, 1, "old-key"}};
    context_.blobs = &blobs_;
    context_.project = &project_;
    context_.unique_id = "abcd";
  }

  static std::string document(const std::string& key) {
    sample::Header header;
    header.device_name = "d";
    header.device_type = "T";
    header.interval_ms = 10;
    header.sensors = {{"x", "m/s2"}};
    const double values[] = {1, 2, 3};
    std::string bytes = *sample::write_cbor(header, values);
    EXPECT_TRUE(sample::sign(std::as_writable_bytes(std::span(bytes.data(), bytes.size())), key));
    return bytes;
  }

  Intake take(const std::string& body, const std::vector<std::pair<std::string, std::string>>& headers,
              sample::Category category = sample::Category::training) {
    httpd::Request request;
    for (const auto& [name, value] : headers) request.headers.add(name, value);
    request.body = std::make_shared<const httpd::Body>(body);
    return take_data(request, category, context_);
  }

  test::TempDir folder_;
  Blobs blobs_;
  Project project_;
  IngestContext context_;
};

TEST_F(Ingest, TakesADocumentWithItsFacts) {
  const auto taken = take(document("old-key"), {{"X-File-Name", "idle.01.cbor"}, {"x-tml-envelope", "e"}});
  ASSERT_TRUE(std::holds_alternative<NewSample>(taken)) << std::get<Refused>(taken).reason;
  const SampleFacts& facts = std::get<NewSample>(taken).facts;
  EXPECT_EQ(facts.signature, "verified");
  EXPECT_EQ(facts.hmac_key_id, 1);
  EXPECT_EQ(facts.label, "idle");
  EXPECT_EQ(facts.readings, 3);
  EXPECT_EQ(facts.envelope, "e");
  EXPECT_FALSE(facts.in_file);
}

TEST_F(Ingest, StrictRefusesWhatDoesNotVerify) {
  const auto flagged = take(document("foreign"), {{"x-file-name", "a"}});
  EXPECT_EQ(std::get<NewSample>(flagged).facts.signature, "failed");
  context_.strict = true;
  EXPECT_EQ(std::get<Refused>(take(document("foreign"), {{"x-file-name", "a"}})).status, 400U);
  EXPECT_TRUE(std::holds_alternative<NewSample>(take(document("new-key"), {{"x-file-name", "a"}})));
}

TEST_F(Ingest, StrictRefusesAnotherAttachment) {
  const std::string image = "\xFF\xD8 image";
  const std::array<sample::Bytes, 1> pieces = {sample::as_bytes(image)};
  std::string signed_text =
      R"({"protected":{"ver":"v1","alg":"HS256"},"signature":")" + std::string(64, '0') +
      R"(","payload":{"device_type":"PHONE","interval_ms":0,"sensors":[{"name":"image","units":"rgba"}],)"
      R"("values":["Ref-BINARY-image/jpeg ()" +
      std::to_string(image.size()) + " bytes) " + sample::hex(sample::Signer("new-key").mac(pieces)) + R"("]}})";
  ASSERT_TRUE(sample::sign(std::as_writable_bytes(std::span(signed_text.data(), signed_text.size())), "new-key"));
  const auto sent = [&](const std::string& content) {
    const std::string part = "--B\r\nContent-Disposition: form-data; name=";
    return take(part + "\"message\"; filename=\"message.json\"\r\n\r\n" + signed_text + "\r\n" + part +
                    "\"image\"; filename=\"image.jpg\"\r\n\r\n" + content + "\r\n--B--\r\n",
                {{"content-type", "multipart/form-data; boundary=B"}, {"x-file-name", "photo"}});
  };
  const Intake good = sent(image);
  ASSERT_TRUE(std::holds_alternative<NewSample>(good)) << std::get<Refused>(good).reason;
  EXPECT_EQ(std::get<NewSample>(good).facts.signature, "verified");
  EXPECT_EQ(std::get<NewSample>(sent(image + "!")).facts.signature, "failed");
  context_.strict = true;
  EXPECT_TRUE(std::holds_alternative<NewSample>(sent(image)));
  EXPECT_EQ(std::get<Refused>(sent(image + "!")).signature, "failed");
}

TEST_F(Ingest, HeaderRules) {
  const std::string good = document("new-key");
  EXPECT_EQ(std::get<Refused>(take(good, {})).status, 421U);
  EXPECT_EQ(std::get<Refused>(take("junk", {{"x-file-name", "a"}})).status, 400U);
  EXPECT_EQ(std::get<Refused>(take(good, {{"x-file-name", "a"}, {"x-tml-envelope", "a b"}})).status, 400U);
  EXPECT_EQ(std::get<Refused>(take(good, {{"x-file-name", "a"}, {"x-metadata", "[1]"}})).status, 400U);
  const auto named = take(good, {{"x-file-name", "dir/a%20b.cbor"}, {"x-add-date-id", "1"}, {"x-label", "50%"}});
  EXPECT_EQ(std::get<NewSample>(named).facts.file_name, "a b.abcd");
  EXPECT_EQ(std::get<NewSample>(named).facts.label, "50%");
  EXPECT_FALSE(std::get<NewSample>(take(good, {{"x-file-name", "a"}, {"x-no-label", "1"}})).facts.label);
}

TEST(FileNames, NeverBecomePaths) {
  EXPECT_EQ(clean_file_name("../../etc/passwd"), "passwd");
  EXPECT_EQ(clean_file_name(".."), "sample");
  EXPECT_EQ(clean_file_name("a\r\nb\\c"), "a__b_c");
  EXPECT_LE(clean_file_name(std::string(1000, 'x')).size(), 255U);
}

TEST(SideFileRules, RangesMustCoverWithoutGaps) {
  SideFiles side;
  EXPECT_TRUE(read_side_file(
      "structured_labels.labels",
      R"({"structuredLabels":{"a":[{"startIndex":0,"endIndex":4,"label":"x"},{"startIndex":5,"endIndex":9,"label":"y"}]}})",
      side));
  EXPECT_FALSE(read_side_file(
      "structured_labels.labels",
      R"({"structuredLabels":{"a":[{"startIndex":0,"endIndex":4,"label":"x"},{"startIndex":6,"endIndex":9,"label":"y"}]}})",
      side));
  EXPECT_FALSE(read_side_file("bounding_boxes.labels",
                              R"({"boundingBoxes":{"a":[{"label":"x","x":0,"y":0,"width":0,"height":1}]}})", side));
  EXPECT_TRUE(read_side_file("label_map.labels", R"({"labels":{"a":["p","q"]}})", side));
  EXPECT_EQ(side.label_maps.at("a"), R"({"0":"p","1":"q"})");
  EXPECT_FALSE(read_side_file("label_map.labels", "[]", side));
  EXPECT_EQ(read_metadata(R"({"a":1,"b":"c"})"), R"({"a":"1","b":"c"})");
}

TEST(MediaKinds, ByExtensionThenType) {
  EXPECT_EQ(media_of("a.WAV", "")->format, "wav");
  EXPECT_EQ(media_of("noext", "image/png")->format, "png");
  EXPECT_FALSE(media_of("a.exe", "application/octet-stream"));
  EXPECT_FALSE(read_wav("RIFF"));
  EXPECT_FALSE(read_wav(std::string("RIFF\x04\0\0\0WAVE", 12)));
}

}  // namespace
}  // namespace tml::server
