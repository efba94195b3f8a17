// SPDX-License-Identifier: Apache-2.0
#include "common/image/decode.hpp"

#include <gtest/gtest.h>

#include "common/base/file.hpp"

namespace tml::image {
namespace {

TEST(Decode, ReadsBackWhatWasEncoded) {
  std::vector<std::byte> grey(16 * 8);
  for (std::size_t n = 0; n < grey.size(); ++n) grey[n] = static_cast<std::byte>(n % 16 * 8);
  const auto jpeg = encode_jpeg({16, 8, PixelForm::grayscale, grey}, 100);
  ASSERT_TRUE(jpeg);
  const auto decoded = decode(*jpeg);
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(decoded->width, 16U);
  EXPECT_EQ(decoded->height, 8U);
  EXPECT_EQ(decoded->form, PixelForm::grayscale);
  for (std::size_t n = 0; n < grey.size(); ++n)
    EXPECT_NEAR(static_cast<int>(decoded->bytes[n]), static_cast<int>(grey[n]), 3);
}

TEST(Decode, ReadsPng) {
  const auto file = read_file(std::string(TML_SOURCE_DIR) + "/tests/fuzz/image/corpus/decode/rgb.png", 1U << 20U);
  ASSERT_TRUE(file);
  const auto decoded = decode(std::as_bytes(std::span(file->data(), file->size())));
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(decoded->width, 3U);
  EXPECT_EQ(decoded->height, 2U);
  EXPECT_EQ(decoded->form, PixelForm::rgb);
  EXPECT_EQ(static_cast<int>(decoded->bytes[3]), 40);
  EXPECT_EQ(static_cast<int>(decoded->bytes[10]), 80);
}

TEST(Decode, RefusesOtherFiles) {
  const std::vector<std::byte> none(100, std::byte{7});
  EXPECT_EQ(decode(none).error().code, Errc::unsupported);
  std::vector<std::byte> cut{std::byte{0xFF}, std::byte{0xD8}, std::byte{0xFF}, std::byte{0xE0}, std::byte{0}};
  EXPECT_EQ(decode(cut).error().code, Errc::malformed);
}

}  // namespace
}  // namespace tml::image
