// SPDX-License-Identifier: Apache-2.0
#include "uploader/parse/image_size.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace tml::uploader {
namespace {

using ::testing::HasSubstr;

std::string be(std::uint32_t value, int count) {
  std::string out;
  for (int i = count - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xFFU);
  return out;
}

std::string png(std::uint32_t width, std::uint32_t height) {
  return std::string("\x89PNG\r\n\x1A\n", 8) + be(13, 4) + "IHDR" + be(width, 4) + be(height, 4) + "\x08\x02";
}

std::string segment(int marker, const std::string& body) {
  return "\xFF" + std::string(1, static_cast<char>(marker)) + be(static_cast<std::uint32_t>(body.size() + 2), 2) + body;
}

std::string jpeg(std::uint32_t width, std::uint32_t height, int frame = 0xC0, const std::string& before = {}) {
  return "\xFF\xD8" + before + segment(frame, "\x08" + be(height, 2) + be(width, 2) + "\x03");
}

Result<ImageSize> size_of(const std::string& bytes) { return read_image_size(random_text_source(bytes), "i"); }
std::string error_of(const std::string& bytes) {
  const auto size = size_of(bytes);
  return size ? "no error" : size.error().message();
}

TEST(ImageSize, OfPngAndJpeg) {
  EXPECT_EQ(size_of(png(640, 480)).value(), (ImageSize{640, 480}));
  EXPECT_EQ(size_of(jpeg(320, 240)).value(), (ImageSize{320, 240}));
  EXPECT_EQ(size_of(jpeg(320, 240, 0xC2)).value(), (ImageSize{320, 240}));
  // Exif with a thumbnail's own frame header inside, a Huffman table, fill bytes, a restart marker.
  const std::string exif = segment(0xE1, "Exif" + jpeg(16, 16));
  const std::string table = segment(0xC4, std::string(20, 'x'));
  EXPECT_EQ(size_of(jpeg(4000, 3000, 0xC0, exif + table + "\xFF\xFF\xFF" + "\xFF\xD0")).value(),
            (ImageSize{4000, 3000}));
}

TEST(ImageSize, NamesWhatIsBroken) {
  EXPECT_THAT(error_of("GIF89a"), HasSubstr("neither JPEG nor PNG"));
  EXPECT_THAT(error_of(""), HasSubstr("neither"));
  EXPECT_THAT(error_of(png(0, 5)), HasSubstr("byte 16"));
  EXPECT_THAT(error_of(png(5, 5).substr(0, 20)), HasSubstr("IHDR"));
  EXPECT_THAT(error_of(jpeg(0, 5)), HasSubstr("impossible size"));
  EXPECT_THAT(error_of("\xFF\xD8"), HasSubstr("ends before its size: i, byte 2"));
  EXPECT_THAT(error_of("\xFF\xD8xx"), HasSubstr("without a marker: i, byte 2"));
  EXPECT_THAT(error_of(std::string("\xFF\xD8\xFF\xE0\0\0", 6)), HasSubstr("impossible length"));
  EXPECT_THAT(error_of("\xFF\xD8\xFF\xD9"), HasSubstr("without a frame header"));
  EXPECT_THAT(error_of("\xFF\xD8" + std::string(5000, '\xFF')), HasSubstr("more than 4096 segments"));
}

RC_GTEST_PROP(ImageSizeProperty, WhatIsWrittenIsRead, ()) {
  const auto width = *rc::gen::inRange<std::uint32_t>(1, 65536);
  const auto height = *rc::gen::inRange<std::uint32_t>(1, 65536);
  std::string before;
  for (auto left = *rc::gen::inRange(0, 5); left > 0; --left) {
    before += segment(*rc::gen::element(0xE0, 0xE1, 0xDB, 0xC4, 0xFE), *rc::gen::string<std::string>());
  }
  RC_ASSERT((size_of(jpeg(width, height, 0xC1, before)).value() == ImageSize{width, height}));
  RC_ASSERT((size_of(png(width, height)).value() == ImageSize{width, height}));
}

}  // namespace
}  // namespace tml::uploader
