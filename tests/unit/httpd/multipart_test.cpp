// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/httpd/multipart.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tml::httpd {
namespace {

TEST(Multipart, ReadsPartsAsViews) {
  const std::string body =
      "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"data\"; filename=\"a \\\"b\\\".wav\"\r\nContent-Type: "
      "Audio/WAV; x=1\r\n\r\n"
      "one\r\n--c\r\n--b  \r\ncontent-disposition: form-data; name=data; "
      "filename*=UTF-8''caf%C3%A9.json\r\n\r\n\r\n--b--\r\nepilogue";
  const auto parts = parse_multipart(body, "b");
  ASSERT_TRUE(parts) << parts.error().message();
  ASSERT_EQ(parts->size(), 2U);
  EXPECT_EQ((*parts)[0].name, "data");
  EXPECT_EQ((*parts)[0].file_name, "a \"b\".wav");
  EXPECT_EQ((*parts)[0].content_type, "audio/wav");
  EXPECT_EQ((*parts)[0].body, "one\r\n--c");
  EXPECT_EQ((*parts)[1].file_name, "café.json");
  EXPECT_TRUE((*parts)[1].body.empty());
}

TEST(Multipart, KeepsTheHeaderLinesOfAPart) {
  const std::string body =
      "--b\r\nContent-Disposition: form-data; name=\"data\"; filename=\"a\"\r\nX-Label:  two words \r\nx-label: "
      "later\r\nX-Empty:"
      "\r\n\r\nx-body: no header\r\n--b\r\n\r\nbare\r\n--b--";
  const auto parts = parse_multipart(body, "b");
  ASSERT_TRUE(parts) << parts.error().message();
  const Part& part = (*parts)[0];
  EXPECT_EQ(part.header("x-LABEL"), "two words");
  EXPECT_EQ(part.header("x-empty"), "");
  EXPECT_EQ(part.header("content-disposition"), "form-data; name=\"data\"; filename=\"a\"");
  EXPECT_FALSE(part.header("x-body"));
  EXPECT_FALSE(part.header("x-lab"));
  EXPECT_TRUE((*parts)[1].header_lines.empty());
  EXPECT_FALSE((*parts)[1].header("x-label"));
}

TEST(Multipart, RefusesWhatIsNotWhole) {
  for (const char* body :
       {"", "--b", "--b\r\n", "--b\r\nno colon\r\n\r\nx\r\n--b--", "--b\r\na: b\r\n\r\nnever ends", "nothing"}) {
    EXPECT_FALSE(parse_multipart(body, "b")) << body;
  }
  EXPECT_FALSE(parse_multipart("----", ""));
  EXPECT_TRUE(parse_multipart("--b--", "b")->empty());
}

TEST(Multipart, BoundsPartsAndHeaders) {
  std::string many;
  for (int i = 0; i < 5; ++i) many += "--b\r\n\r\nx\r\n";
  many += "--b--";
  EXPECT_EQ(parse_multipart(many, "b", {5, 100})->size(), 5U);
  EXPECT_EQ(parse_multipart(many, "b", {4, 100}).error().code, Errc::limit);
  EXPECT_FALSE(parse_multipart("--b\r\na: " + std::string(200, 'x') + "\r\n\r\n\r\n--b--", "b", {4, 100}));
}

TEST(Multipart, BoundaryOfContentType) {
  EXPECT_EQ(multipart_boundary("multipart/form-data; charset=x; boundary=\"a b\""), "a b");
  EXPECT_EQ(multipart_boundary("Multipart/Form-Data;boundary=abc"), "abc");
  EXPECT_FALSE(multipart_boundary("multipart/mixed; boundary=abc"));
  EXPECT_FALSE(multipart_boundary("multipart/form-data"));
  EXPECT_FALSE(multipart_boundary("multipart/form-data; boundary=" + std::string(71, 'x')));
}

RC_GTEST_PROP(Multipart, WhatWasWrittenIsRead, (const std::vector<std::string>& contents)) {
  const std::string boundary = "dd7a4c1f0b-not-in-any-content";
  std::string body;
  for (const auto& content : contents) {
    body += "--" + boundary + "\r\nContent-Disposition: form-data; name=\"data\"; filename=\"f\"\r\n\r\n" + content +
            "\r\n";
  }
  body += "--" + boundary + "--\r\n";
  const auto parts = parse_multipart(body, boundary);
  RC_ASSERT(parts.has_value());
  RC_ASSERT(parts->size() == contents.size());
  for (std::size_t i = 0; i < contents.size(); ++i) RC_ASSERT((*parts)[i].body == contents[i]);
}

}  // namespace
}  // namespace tml::httpd
