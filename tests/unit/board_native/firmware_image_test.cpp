// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/firmware_image.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "common/base/clock.hpp"
#include "common/base/file.hpp"
#include "firmware/boards/native/board_hal.hpp"
#include "firmware/boards/native/factory.hpp"
#include "firmware/boards/native/flash_file.hpp"
#include "firmware/hal/flash_layout.hpp"
#include "firmware/update/development_key.hpp"
#include "firmware/update/trailer.hpp"
#include "firmware/update/verify.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::fw::native {
namespace {

using ::testing::HasSubstr;

TEST(ImageVersion, ThreeNumbers) {
  EXPECT_EQ(parse_version("1.2.3"), 0x01020003U);
  EXPECT_EQ(parse_version("255.255.65535"), 0xFFFFFFFFU);
  EXPECT_EQ(version_text(0x01020003U), "1.2.3");
  for (const char* const wrong :
       {"", "1", "1.2", "1.2.", "1.2.3.4", "256.0.0", "0.0.65536", "-1.0.0", "1.2.3x", " 1.2.3"})
    EXPECT_FALSE(parse_version(wrong)) << wrong;
}

TEST(FirmwareImage, ItsHeaderTellsWhatWasAskedFor) {
  const auto image = make_image({.version = 0x01020003,
                                 .behaviour = Behaviour::hang,
                                 .bytes = 10'000,
                                 .seed = 3,
                                 .product = "other",
                                 .arena_bytes = 4096,
                                 .kernels = 7});
  ASSERT_EQ(image.size(), 10'000U);
  const auto header = wire::flash::find_image_header(std::as_bytes(std::span(image)));
  ASSERT_TRUE(header && header->has_value());
  EXPECT_EQ((*header)->version, 0x01020003U);
  EXPECT_EQ((*header)->behaviour, 2U);
  EXPECT_STREQ((*header)->product.data(), "other");
  EXPECT_EQ((*header)->arena_bytes, 4096U);
  EXPECT_EQ(make_image({.seed = 3}), make_image({.seed = 3}));
  EXPECT_NE(make_image({.seed = 3}), make_image({.seed = 4}));
}

TEST(FirmwareImage, TheDevelopmentKeySignsIt) {
  const SignedImage image = sign_image(make_image({.version = 1, .bytes = 9000}));
  EXPECT_EQ(image.manifest.key_id, update::kDevelopmentKeyId);
  EXPECT_TRUE(update::check_signature(image.manifest, update::kDevelopmentKey).passed());
  EXPECT_EQ(image.manifest.chunk_count, 3U);
  EXPECT_EQ(update::Sha256::of(image.list), image.manifest.list_root);
  EXPECT_EQ(update::Sha256::of(image.payload), image.manifest.payload_hash);
  const std::string file = bundle(image);
  const auto parsed = wire::flash::parse_bundle(std::as_bytes(std::span(file)));
  ASSERT_TRUE(parsed);
  ASSERT_EQ(parsed->count, 1U);
  EXPECT_EQ(parsed->objects[0].payload.size(), 9000U);
}

TEST(PublicKeyFile, IsReadOrRefused) {
  const tml::test::TempDir folder;
  const std::string good = "gCxz69kOXaiXZB4wtBIGXKBkNbjdus/QqRKew6wAUbs=";
  const auto key = read_public_key(folder.put("a.pub", "TML-ED25519-PUBLIC-1\n" + good + "\n"));
  ASSERT_TRUE(key);
  EXPECT_EQ((*key)[0], 0x80);
  EXPECT_EQ((*key)[31], 0xBB);
  EXPECT_TRUE(read_public_key(folder.put("b.pub", "TML-ED25519-PUBLIC-1\r\n" + good + "\r\n")));
  for (const std::string& wrong : {std::string(), "TML-ED25519-SECRET-1\n" + good, std::string("TML-ED25519-PUBLIC-1"),
                                   "TML-ED25519-PUBLIC-1\n" + good.substr(4), "TML-ED25519-PUBLIC-1\n" + good + good}) {
    const auto refused = read_public_key(folder.put("c.pub", wrong));
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().code, Errc::malformed);
    EXPECT_THAT(refused.error().message(), HasSubstr("keygen"));
  }
  EXPECT_EQ(read_public_key(folder.path() / "none.pub").error().code, Errc::not_found);
}

class FactoryTest : public ::testing::Test {
 protected:
  FactoryTest() : flash_(std::move(*FlashFile::open(folder_.path(), hal::kLayoutFlashBytes, {}))), board_(clock_, 1) {}
  tml::test::TempDir folder_;
  std::unique_ptr<FlashFile> flash_;
  ManualClock clock_;
  BoardClock board_;
};

TEST_F(FactoryTest, PutsACompleteApplicationIntoTheFirstSlotOnce) {
  ASSERT_TRUE(needs_factory(*flash_, board_));
  ASSERT_TRUE(program_factory(*flash_, board_, {.version = 0x00010000}));
  EXPECT_FALSE(needs_factory(*flash_, board_));
  update::TimedFlash timed(*flash_, board_);
  update::Trailer trailer;
  update::read_trailer(timed, hal::kAppSlots[0], trailer);
  EXPECT_TRUE(trailer.sealed);
  EXPECT_TRUE(trailer.staged);
  EXPECT_TRUE(update::list_intact(timed, hal::kAppSlots[0], trailer.manifest));
  update::Sha256 hash;
  ASSERT_TRUE(update::hash_flash(timed, hal::kAppSlots[0].offset, trailer.manifest.payload_bytes, hash));
  EXPECT_EQ(hash.finish(), trailer.manifest.payload_hash);
  const auto header = read_image_header(*flash_, hal::kAppSlots[0].offset);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->version, 0x00010000U);
  EXPECT_FALSE(read_image_header(*flash_, hal::kAppSlots[1].offset));
  EXPECT_EQ(flash_->wear().erases, 0U);
}

TEST_F(FactoryTest, AnInterruptedFactoryIsDoneAgain) {
  // What a kill in the middle leaves: some payload, some trailer, no seal.
  ASSERT_TRUE(program_factory(*flash_, board_, {.version = 1, .seed = 1}));
  ASSERT_TRUE(flash_->erase_sector(update::trailer_offset(hal::kAppSlots[0])));
  ASSERT_TRUE(needs_factory(*flash_, board_));
  ASSERT_TRUE(program_factory(*flash_, board_, {.version = 2, .seed = 2}));
  EXPECT_FALSE(needs_factory(*flash_, board_));
  EXPECT_EQ(read_image_header(*flash_, hal::kAppSlots[0].offset)->version, 2U);
}

}  // namespace
}  // namespace tml::fw::native
