// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <rapidcheck/gtest.h>

#include "tests/unit/dsp/support.hpp"

namespace tml::fw::dsp {
namespace {

using test::run_block;
using test::speech_like;

constexpr BlockType kFrameTypes[] = {BlockType::spectrogram, BlockType::mfe, BlockType::mfcc, BlockType::log_mel};

// A stream that is fed from one long recording, with a ring of the last readings as a board has it.
struct Feed {
  BlockConfig config;
  WindowFacts window;
  std::vector<std::int16_t> audio;
  std::vector<float> ring;
  std::vector<std::byte> scratch;
  FrameStream stream;
  std::size_t pushed = 0;
  std::size_t frames = 0;  // completed so far

  explicit Feed(BlockType type, std::size_t samples, std::uint32_t seed = 5)
      : config(defaults(type)), window{8000, 1, 16000.0F, 0}, audio(speech_like(samples, seed)) {
    ring.resize(*FrameStream::ring_floats(config, window));
    scratch.resize(check(config, window)->scratch_bytes);
    EXPECT_TRUE(stream.begin(config, window, ring).has_value());
  }

  Result<std::uint32_t> push(std::size_t fresh, std::size_t history) {
    pushed += fresh;
    const std::size_t from = pushed > history ? pushed - history : 0;
    const auto recent = std::span<const std::int16_t>(audio).subspan(from, pushed - from);
    Int16Signal signal(recent);
    const auto added =
        stream.push(signal, static_cast<std::uint32_t>(recent.size()), static_cast<std::uint32_t>(fresh), scratch);
    if (added) frames += *added;
    return added;
  }

  /// run() over the window of the frames that the stream holds.
  std::vector<float> whole() const {
    const std::size_t first = (frames - stream.facts().frames) * config.frame_stride;
    Int16Signal signal(
        std::span<const std::int16_t>(audio).subspan(first, std::min<std::size_t>(8000, audio.size() - first)));
    WindowFacts same = window;
    same.readings = (stream.facts().frames - 1) * config.frame_stride + config.frame_length;
    return *run_block(config, same, signal);
  }
};

TEST(DspFrameStream, QuarterSecondSlicesGiveTheBitsOfTheWholeWindow) {
  for (const BlockType type : kFrameTypes) {
    Feed feed(type, 60000);
    std::vector<float> features(feed.stream.facts().features);
    unsigned compared = 0;
    while (feed.pushed + 4000 <= feed.audio.size()) {
      ASSERT_TRUE(feed.push(4000, 4000 + feed.config.frame_length).has_value());
      if (!feed.stream.ready()) {
        EXPECT_EQ(feed.stream.features(features).error(), DspError::state);
        continue;
      }
      ASSERT_TRUE(feed.stream.features(features).has_value());
      ASSERT_EQ(features, feed.whole()) << int(type);
      ++compared;
    }
    EXPECT_GE(compared, 10U);
  }
}

RC_GTEST_PROP(DspFrameStream, AnyCutGivesTheSameBits, (std::uint32_t seed)) {
  Feed feed(kFrameTypes[*rc::gen::inRange(0, 4)], 20000, seed);
  std::vector<float> features(feed.stream.facts().features);
  while (true) {
    const auto fresh = static_cast<std::size_t>(*rc::gen::inRange(1, 3000));
    if (feed.pushed + fresh > feed.audio.size()) break;
    RC_ASSERT(feed.push(fresh, fresh + feed.config.frame_length).has_value());
    RC_ASSERT(feed.stream.backlog() < feed.config.frame_length);
  }
  RC_PRE(feed.stream.ready());
  RC_ASSERT(feed.stream.features(features).has_value());
  RC_ASSERT(features == feed.whole());
}

TEST(DspFrameStream, SeveralAxes) {
  BlockConfig config = defaults(BlockType::spectrogram);
  config.scale = 1.0F;
  config.fft_length = 32;
  config.frame_length = 20;
  config.frame_stride = 7;
  config.axes = 5;
  const WindowFacts window{104, 3, 104.0F, 0};
  const auto values = test::noise(104 * 3, 8);
  FloatSignal all(values);
  std::vector<float> ring(*FrameStream::ring_floats(config, window));
  std::vector<std::byte> scratch(check(config, window)->scratch_bytes);
  FrameStream stream;
  ASSERT_TRUE(stream.begin(config, window, ring).has_value());
  for (std::uint32_t have = 0; have < 104; have += 13) {
    FloatSignal part(std::span(values).first((have + 13) * 3));
    ASSERT_TRUE(stream.push(part, have + 13, 13, scratch).has_value());
  }
  ASSERT_TRUE(stream.ready());
  std::vector<float> features(stream.facts().features);
  ASSERT_TRUE(stream.features(features).has_value());
  EXPECT_EQ(features, *run_block(config, window, all));
}

TEST(DspFrameStream, LostReadingsAreAnOverrunAndNotAGuess) {
  Feed feed(BlockType::mfe, 20000);
  ASSERT_TRUE(feed.push(4000, 4320).has_value());
  ASSERT_GT(feed.stream.backlog(), 0U);
  const auto lost = feed.push(4000, 4000);
  ASSERT_FALSE(lost.has_value());
  EXPECT_EQ(lost.error(), DspError::overrun);
  feed.stream.reset();
  EXPECT_FALSE(feed.stream.ready());
  EXPECT_EQ(feed.stream.backlog(), 0U);
  EXPECT_TRUE(feed.push(4000, 4000).has_value());
}

TEST(DspFrameStream, RefusesWhatDoesNotFit) {
  Feed feed(BlockType::mfe, 8000);
  EXPECT_EQ(FrameStream::ring_floats(defaults(BlockType::raw), feed.window).error(), DspError::type);
  FrameStream stream;
  Int16Signal signal(feed.audio);
  EXPECT_EQ(stream.push(signal, 100, 100, feed.scratch).error(), DspError::state);
  EXPECT_EQ(stream.begin(feed.config, feed.window, std::span(feed.ring).first(feed.ring.size() - 1)).error(),
            DspError::features_size);
  ASSERT_TRUE(stream.begin(feed.config, feed.window, feed.ring).has_value());
  EXPECT_EQ(stream.push(signal, 100, 101, feed.scratch).error(), DspError::state);
  EXPECT_EQ(stream.push(signal, 8000, 8000, std::span(feed.scratch).first(8)).error(), DspError::scratch_too_small);
  EXPECT_TRUE(stream.push(signal, 8000, 8000, feed.scratch).has_value()) << "the refusal left the stream as it was";
  EXPECT_TRUE(stream.ready());
  float wrong[3];
  EXPECT_EQ(stream.features(wrong).error(), DspError::features_size);
}

}  // namespace
}  // namespace tml::fw::dsp
