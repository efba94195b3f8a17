// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "tests/unit/dsp/support.hpp"

namespace tml::fw::dsp {
namespace {

constexpr std::size_t kFeatures = std::size_t{49} * 40;
constexpr std::size_t kWavHeader = 44;
// ../shared/models/micro_speech/meta.json: the model's input, and which vectors hold the published features.
constexpr double kScale = 0.10171568393707275;
constexpr std::size_t kPublishedYes = 20;
constexpr std::size_t kPublishedNo = 21;

// The published int8 features of the recordings yes and no, by the original front end: all the same.
void compare_with_published(const char* wav, std::size_t vector) {
  const std::string shared = TML_SHARED_DIR;
  const auto clip = test::file_bytes(shared + "/data/speech/" + wav);
  const auto published = test::file_bytes(shared + "/models/micro_speech/inputs.bin");
  if (clip.size() < kWavHeader + 32000 || published.size() < (vector + 1) * kFeatures) {
    GTEST_SKIP() << "no " << wav << " or no micro_speech vectors under " << shared;
  }
  std::vector<std::int16_t> audio(16000);
  std::memcpy(audio.data(), clip.data() + kWavHeader, 32000);
  Int16Signal signal(audio);
  const auto features = test::run_block(defaults(BlockType::log_mel), {16000, 1, 16000.0F, 0}, signal);
  ASSERT_TRUE(features.has_value());
  ASSERT_EQ(features->size(), kFeatures);

  std::size_t different = 0;
  for (std::size_t i = 0; i < kFeatures; ++i) {
    const double ours = std::floor(static_cast<double>((*features)[i]) / kScale + 0.5) - 128.0;
    const auto theirs = static_cast<double>(static_cast<std::int8_t>(published[vector * kFeatures + i]));
    if (std::clamp(ours, -128.0, 127.0) != theirs) ++different;
  }
  EXPECT_EQ(different, 0U);
}

TEST(DspSpeech, YesHasThePublishedFeatures) { compare_with_published("yes_1000ms.wav", kPublishedYes); }
TEST(DspSpeech, NoHasThePublishedFeatures) { compare_with_published("no_1000ms.wav", kPublishedNo); }

}  // namespace
}  // namespace tml::fw::dsp
