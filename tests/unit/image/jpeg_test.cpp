// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/image/jpeg.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <turbojpeg.h>

#include <cstdlib>

namespace tml::image {
namespace {

std::vector<std::byte> gradient(std::uint32_t width, std::uint32_t height, std::size_t colours) {
  std::vector<std::byte> bytes;
  for (std::uint32_t y = 0; y < height; ++y) {
    for (std::uint32_t x = 0; x < width; ++x) {
      for (std::size_t c = 0; c < colours; ++c) bytes.push_back(static_cast<std::byte>((x + 2 * y + 40 * c) & 0xFFU));
    }
  }
  return bytes;
}

std::vector<std::byte> decode(const std::vector<std::byte>& jpeg, std::uint32_t width, std::uint32_t height,
                              bool colour) {
  std::vector<std::byte> pixels(std::size_t{width} * height * (colour ? 3 : 1));
  void* const handle = tjInitDecompress();
  EXPECT_EQ(tjDecompress2(handle, reinterpret_cast<const unsigned char*>(jpeg.data()), jpeg.size(),
                          reinterpret_cast<unsigned char*>(pixels.data()), static_cast<int>(width), 0,
                          static_cast<int>(height), colour ? TJPF_RGB : TJPF_GRAY, 0),
            0);
  tjDestroy(handle);
  return pixels;
}

int worst(const std::vector<std::byte>& a, const std::vector<std::byte>& b) {
  int worst = a.size() == b.size() ? 0 : 1000;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    worst = std::max(worst, std::abs(static_cast<int>(a[i]) - static_cast<int>(b[i])));
  }
  return worst;
}

TEST(Jpeg, StoredQualityKeepsPixels) {
  const auto gray = gradient(96, 80, 1);
  const auto jpeg = encode_jpeg({96, 80, PixelForm::grayscale, gray}, kStoredQuality);
  ASSERT_TRUE(jpeg) << jpeg.error().message();
  EXPECT_LE(worst(decode(*jpeg, 96, 80, false), gray), 2);
  const auto colour = gradient(64, 48, 3);
  const auto rgb = encode_jpeg({64, 48, PixelForm::rgb, colour}, kStoredQuality);
  ASSERT_TRUE(rgb) << rgb.error().message();
  EXPECT_LE(worst(decode(*rgb, 64, 48, true), colour), 4);
  const auto info = check_jpeg(*rgb);
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_EQ(info->width, 64U);
  EXPECT_EQ(info->height, 48U);
  EXPECT_TRUE(info->colour);
  EXPECT_FALSE(check_jpeg(*jpeg)->colour);
}

TEST(Jpeg, StreamQualityIsSmaller) {
  const auto pixels = gradient(160, 120, 3);
  const auto stored = encode_jpeg({160, 120, PixelForm::rgb, pixels}, kStoredQuality);
  const auto stream = encode_jpeg({160, 120, PixelForm::rgb, pixels}, kStreamQuality);
  ASSERT_TRUE(stored && stream);
  EXPECT_LT(stream->size(), stored->size());
}

TEST(Jpeg, RefusesWhatIsNoPicture) {
  const auto pixels = gradient(4, 4, 1);
  EXPECT_EQ(encode_jpeg({4, 5, PixelForm::grayscale, pixels}, 80).error().code, Errc::usage);
  EXPECT_EQ(encode_jpeg({4, 4, PixelForm::rgb, pixels}, 80).error().code, Errc::usage);
  EXPECT_EQ(encode_jpeg({0, 0, PixelForm::rgb, {}}, 80).error().code, Errc::usage);
  EXPECT_EQ(encode_jpeg({4, 4, PixelForm::grayscale, pixels}, 0).error().code, Errc::usage);
  EXPECT_EQ(encode_jpeg({100'000, 1, PixelForm::grayscale, pixels}, 80).error().code, Errc::limit);
  EXPECT_EQ(check_jpeg({}).error().code, Errc::malformed);
  EXPECT_EQ(check_jpeg(pixels).error().code, Errc::malformed);
}

RC_GTEST_PROP(Jpeg, EverySizeComesBack, ()) {
  const auto width = static_cast<std::uint32_t>(*rc::gen::inRange(1, 70));
  const auto height = static_cast<std::uint32_t>(*rc::gen::inRange(1, 70));
  const bool colour = *rc::gen::arbitrary<bool>();
  const auto pixels = gradient(width, height, colour ? 3 : 1);
  const auto jpeg = encode_jpeg({width, height, colour ? PixelForm::rgb : PixelForm::grayscale, pixels}, 80);
  RC_ASSERT(jpeg.has_value());
  const auto info = check_jpeg(*jpeg);
  RC_ASSERT(info.has_value());
  RC_ASSERT(info->width == width);
  RC_ASSERT(info->height == height);
}

RC_GTEST_PROP(Jpeg, ACutFileIsNone, ()) {
  static const auto whole = *encode_jpeg({32, 32, PixelForm::grayscale, gradient(32, 32, 1)}, 80);
  const auto size = static_cast<std::size_t>(*rc::gen::inRange(0, static_cast<int>(whole.size())));
  RC_ASSERT(!check_jpeg(std::span(whole).first(size)).has_value());
}

RC_GTEST_PROP(Jpeg, AnyBytesAreAnswered, (std::vector<std::uint8_t> bytes)) {
  static_cast<void>(check_jpeg(std::as_bytes(std::span(bytes))));
}

}  // namespace
}  // namespace tml::image
