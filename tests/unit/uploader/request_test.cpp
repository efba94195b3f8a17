// SPDX-License-Identifier: Apache-2.0
#include "uploader/request.hpp"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.hpp"

namespace tml::uploader {
namespace {

RequestOptions with() {
  RequestOptions options;
  options.ingestion = "http://h:4810";
  options.api_key = "ei_k";
  options.boundary = "BOUNDARY";
  options.may_resend = true;
  return options;
}

void add(Batch& batch, Upload upload, std::string_view content) {
  ReadyFile ready;
  ready.upload = std::move(upload);
  ready.offset = batch.bytes.size();
  ready.size = content.size();
  batch.bytes += content;
  batch.files.push_back(std::move(ready));
}

Upload csv(std::string name) {
  Upload upload;
  upload.content_type = content_type_for(name);
  upload.path = "p/" + name;
  upload.name = std::move(name);
  return upload;
}

std::string header(const http::Request& request, std::string_view name) {
  for (const http::Header& one : request.headers) {
    if (one.name == name) return one.value;
  }
  return "(absent)";
}

/// What the ecosystem's client sends, wire reference 4.3.
TEST(RequestTest, OneFileIsTheReferencesRequest) {
  Batch batch;
  batch.category = sample::Category::testing;
  Upload upload = csv("idle.1.csv");
  upload.label.kind = LabelKind::single;
  upload.label.text = "left & right";
  upload.metadata = {{"site", "K\xC3\xB6ln"}};
  add(batch, upload, "timestamp,x\n0,1\n");
  const auto request = files_request(batch, with());
  ASSERT_TRUE(request);
  EXPECT_EQ(request->method, "POST");
  EXPECT_EQ(request->url, "http://h:4810/api/testing/files");
  EXPECT_EQ(header(*request, "x-api-key"), "ei_k");
  EXPECT_EQ(header(*request, "x-upload-source"), "EDGE_IMPULSE_CLI_UPLOADER");
  EXPECT_EQ(header(*request, "x-device-type"), "EDGE_IMPULSE_CLI");
  EXPECT_EQ(header(*request, "x-label"), "left%20%26%20right");
  EXPECT_EQ(header(*request, "x-no-label"), "(absent)");
  EXPECT_EQ(header(*request, "x-disallow-duplicates"), "1");
  EXPECT_EQ(header(*request, "x-metadata"), R"({"site":"K\u00f6ln"})");
  EXPECT_EQ(header(*request, "x-add-date-id"), "(absent)");
  EXPECT_EQ(header(*request, "x-tml-envelope"), "(absent)");
  EXPECT_EQ(header(*request, "Connection"), "keep-alive");
  EXPECT_EQ(header(*request, "Content-Type"), "multipart/form-data; boundary=BOUNDARY");
  EXPECT_EQ(request->body,
            "--BOUNDARY\r\n"
            "Content-Disposition: form-data; name=\"data\"; filename=\"idle.1.csv\"\r\n"
            "Content-Type: text/csv\r\n"
            "\r\n"
            "timestamp,x\n0,1\n\r\n"
            "--BOUNDARY--\r\n");
}

TEST(RequestTest, IsNotRepeatedBehindTheCallersBack) {
  RequestOptions options = with();
  options.may_resend = false;
  Batch batch;
  add(batch, csv("a.csv"), "x");
  const auto request = files_request(batch, options);
  ASSERT_TRUE(request && request->source);
  EXPECT_FALSE(request->source->rewind) << "libcurl cannot begin again";
  EXPECT_EQ(request->source->size_bytes, files_request(batch, with())->body.size());
}

TEST(RequestTest, LabelsAndDuplicates) {
  RequestOptions options = with();
  options.disallow_duplicates = false;
  Batch infer;
  add(infer, csv("a.csv"), "x");
  auto request = files_request(infer, options);
  EXPECT_EQ(header(*request, "x-label"), "(absent)");
  EXPECT_EQ(header(*request, "x-disallow-duplicates"), "(absent)");
  Batch none;
  Upload upload = csv("a.csv");
  upload.label.kind = LabelKind::unlabeled;
  add(none, upload, "x");
  request = files_request(none, options);
  EXPECT_EQ(header(*request, "x-label"), "");
  EXPECT_EQ(header(*request, "x-no-label"), "1");
}

TEST(RequestTest, SideFilesFollowInTheReferencesOrder) {
  const test::TempDir folder;
  Upload upload = csv("a.csv");
  upload.label.kind = LabelKind::multi;
  upload.label.ranges = {{0, 9, "q", {}}};
  upload.boxes = {{"cup", 1, 2, 3, 4}};
  upload.attachments = {folder.put("one/i.png", "PNG1").string(), folder.put("two/i.png", "PNG2").string()};
  Batch batch;
  add(batch, upload, "x");
  const auto request = files_request(batch, with());
  ASSERT_TRUE(request);
  EXPECT_EQ(header(*request, "x-label"), "(absent)");
  ASSERT_TRUE(request->source);
  std::string body;
  char piece[7];
  while (const std::size_t got = request->source->read(piece, sizeof piece)) body.append(piece, got);
  EXPECT_EQ(body.size(), request->source->size_bytes);
  std::vector<std::string> names;
  for (std::size_t at = 0; (at = body.find("filename=\"", at)) != std::string::npos;) {
    at += 10;
    names.push_back(body.substr(at, body.find('"', at) - at));
  }
  EXPECT_EQ(names, (std::vector<std::string>{"a.csv", "structured_labels.labels", "bounding_boxes.labels", "i.png",
                                             "2-i.png", "attachments.labels"}));
  EXPECT_NE(body.find(R"({"type":"structured-labels","version":1,"structuredLabels":{"a.csv":[)"), std::string::npos)
      << body;
  EXPECT_NE(body.find("image/png\r\n\r\nPNG1\r\n"), std::string::npos);
  ASSERT_TRUE(request->source->rewind());
  std::string again;
  while (const std::size_t got = request->source->read(piece, sizeof piece)) again.append(piece, got);
  EXPECT_EQ(again, body);
  upload.attachments = {(folder / "none.png").string()};
  Batch missing;
  add(missing, upload, "x");
  EXPECT_EQ(files_request(missing, with()).error().code, Errc::not_found);
}

TEST(RequestTest, SeveralFilesCarryTheirOwnHeaders) {
  Batch batch;
  Upload first = csv("a.csv");
  first.label.kind = LabelKind::single;
  first.label.text = "l";
  add(batch, first, "AAA");
  batch.files.back().envelope = "e-1";
  batch.files.back().signature = "f00d";
  add(batch, csv("b\".csv"), "BB");
  const auto request = files_request(batch, with());
  ASSERT_TRUE(request);
  EXPECT_EQ(header(*request, "x-label"), "(absent)");
  EXPECT_EQ(header(*request, "x-tml-envelope"), "(absent)");
  EXPECT_EQ(request->body,
            "--BOUNDARY\r\n"
            "Content-Disposition: form-data; name=\"data\"; filename=\"a.csv\"\r\n"
            "Content-Type: text/csv\r\n"
            "x-label: l\r\n"
            "x-tml-envelope: e-1\r\n"
            "x-tml-signature: f00d\r\n"
            "\r\n"
            "AAA\r\n"
            "--BOUNDARY\r\n"
            "Content-Disposition: form-data; name=\"data\"; filename=\"b%22.csv\"\r\n"
            "Content-Type: text/csv\r\n"
            "\r\n"
            "BB\r\n"
            "--BOUNDARY--\r\n");
}

TEST(RequestTest, LargeFilesAreStreamedAndShorterOnesEndTheRequest) {
  const test::TempDir folder;
  const std::string content(300'000, 'z');
  const auto path = folder.put("a.csv", content);
  Batch batch;
  ReadyFile ready;
  ready.upload = csv("a.csv");
  ready.file = *FileBytes::open(path.string());
  ready.size = content.size();
  batch.files.push_back(ready);
  const auto request = files_request(batch, with());
  ASSERT_TRUE(request && request->source);
  EXPECT_TRUE(request->body.empty());
  std::string body(request->source->size_bytes, '\0');
  EXPECT_EQ(request->source->read(body.data(), body.size()), body.size());
  EXPECT_NE(body.find(content), std::string::npos);
  ASSERT_TRUE(request->source->rewind());
  std::filesystem::resize_file(path, 100);
  EXPECT_EQ(request->source->read(body.data(), body.size()), SIZE_MAX);
}

}  // namespace
}  // namespace tml::uploader
