// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <cmath>
#include <set>

#include "tests/unit/dsp/support.hpp"

namespace tml::fw::dsp {
namespace {

using test::noise;
using test::run_block;

constexpr BlockType kTypes[] = {BlockType::raw, BlockType::flatten, BlockType::spectral, BlockType::spectrogram,
                                BlockType::mfe, BlockType::mfcc,    BlockType::log_mel,  BlockType::image};

WindowFacts window_for(BlockType type) {
  if (type == BlockType::image) return {160 * 120, 3, 0.0F, 160};
  if (type == BlockType::raw || type == BlockType::flatten || type == BlockType::spectral) return {208, 3, 104.0F, 0};
  return {16000, 1, 16000.0F, 0};
}

TEST(DspCheck, DefaultsAreUsable) {
  for (const BlockType type : kTypes) {
    const auto facts = check(defaults(type), window_for(type));
    ASSERT_TRUE(facts.has_value()) << int(type) << ": " << text(facts.error());
    EXPECT_EQ(facts->features, facts->frames * facts->coefficients);
    EXPECT_GT(facts->features, 0U);
    EXPECT_EQ(facts->scratch_bytes % 4, 0U);
  }
  const auto micro = check(defaults(BlockType::log_mel), window_for(BlockType::log_mel));
  EXPECT_EQ(micro->frames, 49U);
  EXPECT_EQ(micro->coefficients, 40U);
  const auto image = check(defaults(BlockType::image), window_for(BlockType::image));
  EXPECT_EQ(image->features, 96U * 96U * 3U);
  EXPECT_EQ(image->frames, 96U);
}

struct Refusal {
  BlockType type;
  void (*change)(BlockConfig&, WindowFacts&);
  DspError error;
};

TEST(DspCheck, SaysWhatIsWrong) {
  using C = BlockConfig;
  using W = WindowFacts;
  const Refusal refusals[] = {
      {BlockType::raw, [](C& c, W&) { c.version = 2; }, DspError::version},
      {BlockType::raw, [](C& c, W&) { c.type = 0; }, DspError::type},
      {BlockType::raw, [](C& c, W&) { c.type = 9; }, DspError::type},
      {BlockType::raw, [](C& c, W&) { c.fft_length = 64; }, DspError::unused_field},
      {BlockType::raw, [](C& c, W&) { c.reserved = 1; }, DspError::unused_field},
      {BlockType::image, [](C& c, W&) { c.axes = 1; }, DspError::unused_field},
      {BlockType::spectral, [](C& c, W&) { c.peak_threshold = 1; }, DspError::unused_field},
      {BlockType::spectral,
       [](C& c, W&) {
         c.bands = 2;
         c.band_edges_hz[3] = 9;
       },
       DspError::unused_field},
      {BlockType::raw, [](C&, W& w) { w.readings = 0; }, DspError::window},
      {BlockType::raw, [](C&, W& w) { w.axes = 21; }, DspError::window},
      {BlockType::raw, [](C&, W& w) { w.readings = kMaxReadings + 1; }, DspError::window},
      {BlockType::mfe, [](C&, W& w) { w.frequency_hz = NAN; }, DspError::window},
      {BlockType::raw, [](C& c, W&) { c.axes = 8; }, DspError::axes},
      {BlockType::raw, [](C& c, W&) { c.axes = 0x80000000U; }, DspError::axes},
      {BlockType::raw, [](C& c, W&) { c.scale = 0; }, DspError::scale},
      {BlockType::raw, [](C& c, W&) { c.offset = INFINITY; }, DspError::scale},
      {BlockType::log_mel, [](C& c, W&) { c.output_scale = 0; }, DspError::scale},
      {BlockType::mfe, [](C& c, W&) { c.flags = kBins; }, DspError::flags},
      {BlockType::mfcc, [](C& c, W&) { c.flags = kNormaliseVariance; }, DspError::flags},
      {BlockType::mfe, [](C& c, W&) { c.fft_length = 500; }, DspError::fft_length},
      {BlockType::mfe, [](C& c, W&) { c.fft_length = 8192; }, DspError::fft_length},
      {BlockType::mfe, [](C& c, W&) { c.frame_length = 513; }, DspError::frame},
      {BlockType::mfe, [](C& c, W&) { c.frame_stride = 0; }, DspError::frame},
      {BlockType::mfe, [](C& c, W&) { c.frame_stride = 321; }, DspError::frame},
      {BlockType::mfe, [](C&, W& w) { w.readings = 319; }, DspError::frame},
      {BlockType::mfe, [](C& c, W&) { c.low_hz = 8000; }, DspError::frequencies},
      {BlockType::mfe, [](C& c, W&) { c.high_hz = 8001; }, DspError::frequencies},
      {BlockType::spectral,
       [](C& c, W&) {
         c.low_hz = 51;
         c.high_hz = 50;
       },
       DspError::frequencies},
      {BlockType::mfe, [](C& c, W&) { c.mel_filters = 1; }, DspError::mel_filters},
      {BlockType::mfe,
       [](C& c, W&) {
         c.mel_filters = 128;
         c.fft_length = 512;
       },
       DspError::mel_filters},
      {BlockType::mfcc, [](C& c, W&) { c.coefficients = 33; }, DspError::mel_filters},
      {BlockType::spectral, [](C& c, W&) { c.filter = 3; }, DspError::filter},
      {BlockType::spectral,
       [](C& c, W&) {
         c.filter = 1;
         c.filter_order = 3;
         c.filter_hz = 10;
       },
       DspError::filter},
      {BlockType::spectral,
       [](C& c, W&) {
         c.filter = 1;
         c.filter_order = 2;
         c.filter_hz = 52;
       },
       DspError::filter},
      {BlockType::spectral, [](C& c, W&) { c.decimation = 33; }, DspError::filter},
      {BlockType::flatten, [](C& c, W&) { c.statistics = 0; }, DspError::statistics},
      {BlockType::flatten, [](C& c, W&) { c.statistics = 0x200; }, DspError::statistics},
      {BlockType::spectral,
       [](C& c, W&) {
         c.flags = 0;
         c.statistics = 0;
       },
       DspError::statistics},
      {BlockType::spectral, [](C& c, W&) { c.peaks = 17; }, DspError::peaks},
      {BlockType::spectral,
       [](C& c, W&) {
         c.peaks = 1;
         c.peak_threshold = -1;
       },
       DspError::peaks},
      {BlockType::spectral, [](C& c, W&) { c.bands = 9; }, DspError::bands},
      {BlockType::spectral, [](C& c, W&) { c.bands = 1; }, DspError::bands},
      {BlockType::mfe, [](C& c, W&) { c.preemphasis = 1; }, DspError::level},
      {BlockType::mfe, [](C& c, W&) { c.floor_db = 1; }, DspError::level},
      {BlockType::log_mel, [](C& c, W&) { c.noise_even = 1.5F; }, DspError::level},
      {BlockType::log_mel, [](C& c, W&) { c.pcan_offset = 0; }, DspError::level},
      {BlockType::image, [](C& c, W&) { c.image_channels = 2; }, DspError::image},
      {BlockType::image, [](C& c, W&) { c.image_width = 1025; }, DspError::image},
      {BlockType::image, [](C&, W& w) { w.image_width = 0; }, DspError::image},
      {BlockType::image, [](C&, W& w) { w.readings -= 1; }, DspError::image},
      {BlockType::image,
       [](C& c, W&) {
         c.image_width = 1024;
         c.image_height = 1024;
       },
       DspError::too_large},
      {BlockType::spectrogram, [](C& c, W&) { c.frame_stride = 1; }, DspError::too_large},
  };
  std::set<DspError> seen;
  for (std::size_t i = 0; i < std::size(refusals); ++i) {
    BlockConfig config = defaults(refusals[i].type);
    WindowFacts window = window_for(refusals[i].type);
    refusals[i].change(config, window);
    const auto facts = check(config, window);
    ASSERT_FALSE(facts.has_value()) << i;
    EXPECT_EQ(facts.error(), refusals[i].error) << i << ": " << text(facts.error());
    seen.insert(refusals[i].error);
  }
  EXPECT_EQ(seen.size(), 18U) << "every error of check() has a case";
}

TEST(DspCheck, EveryErrorHasAText) {
  std::set<std::string_view> texts;
  for (int e = 0; e <= static_cast<int>(DspError::state); ++e) texts.insert(text(static_cast<DspError>(e)));
  EXPECT_EQ(texts.size(), static_cast<std::size_t>(DspError::state) + 1);
  EXPECT_EQ(text(static_cast<DspError>(200)), "unknown DSP error");
}

// A NaN, an infinity and an overflow are errors in every block, wherever they stand.
TEST(DspRun, RefusesWhatIsNotFinite) {
  for (const BlockType type : kTypes) {
    const auto window = window_for(type);
    for (const float bad : {NAN, INFINITY, -INFINITY}) {
      auto values = noise(std::size_t{window.readings} * window.axes, 1);
      // The last readings of a window of frames may belong to none.
      for (std::size_t i = 0; i < values.size(); i += 100) values[i] = bad;
      FloatSignal signal(values);
      const auto features = run_block(defaults(type), window, signal);
      ASSERT_FALSE(features.has_value()) << int(type);
      EXPECT_EQ(features.error(), DspError::not_finite) << int(type);
    }
  }
  auto values = noise(208 * 3, 1);
  for (float& v : values) v *= 3e38F;
  FloatSignal signal(values);
  EXPECT_EQ(run_block(defaults(BlockType::flatten), window_for(BlockType::flatten), signal).error(),
            DspError::not_finite);
}

TEST(DspRun, ZeroAndConstantsGiveFiniteFeatures) {
  for (const BlockType type : kTypes) {
    const auto window = window_for(type);
    for (const float level : {0.0F, 1.0F, -1e-30F, 32767.0F}) {
      const std::vector<float> values(std::size_t{window.readings} * window.axes, level);
      FloatSignal signal(values);
      const auto features = run_block(defaults(type), window, signal);
      ASSERT_TRUE(features.has_value()) << int(type) << " " << text(features.error());
    }
  }
}

TEST(DspRun, RefusesTheWrongMemoryAndASignalThatEnds) {
  for (const BlockType type : kTypes) {
    const auto window = window_for(type);
    const auto config = defaults(type);
    const auto facts = check(config, window);
    std::vector<float> features(facts->features);
    std::vector<std::byte> scratch(facts->scratch_bytes + 4);
    const auto values = noise(std::size_t{window.readings} * window.axes, 2);
    FloatSignal signal(values);
    const auto whole = std::span(scratch).first(facts->scratch_bytes);
    EXPECT_EQ(run(config, window, signal, std::span(features).first(features.size() - 1), whole).error(),
              DspError::features_size);
    EXPECT_EQ(run(config, window, signal, features, whole.first(whole.size() - 1)).error(),
              DspError::scratch_too_small);
    EXPECT_EQ(run(config, window, signal, features, std::span(scratch).subspan(1)).error(),
              DspError::scratch_too_small);
    FloatSignal half(std::span(values).first(values.size() / 2));
    EXPECT_EQ(run(config, window, half, features, whole).error(), DspError::read_failed);
    EXPECT_TRUE(run(config, window, signal, features, whole).has_value());
  }
}

TEST(DspSignal, AnInt16RingIsReadFromItsOldestSample) {
  const std::int16_t ring[] = {4, 5, 1, 2, 3};
  Int16Signal signal(ring, 2);
  float out[3];
  ASSERT_TRUE(signal.read(1, out));
  EXPECT_EQ(out[0], 2.0F);
  EXPECT_EQ(out[2], 4.0F);
  EXPECT_FALSE(signal.read(3, out));
  EXPECT_FALSE(signal.read(~std::size_t{0}, out));
  Int16Signal none({}, 0);
  EXPECT_FALSE(none.read(0, out));
}

TEST(DspSignal, BytesAndFloatsStayInside) {
  const std::uint8_t bytes[] = {0, 128, 255};
  ByteSignal signal(bytes);
  float out[2];
  ASSERT_TRUE(signal.read(1, out));
  EXPECT_EQ(out[0], 128.0F);
  EXPECT_EQ(out[1], 255.0F);
  EXPECT_FALSE(signal.read(2, out));
  const float values[] = {1.0F, 2.0F};
  FloatSignal floats(values);
  EXPECT_FALSE(floats.read(1, out));
}

}  // namespace
}  // namespace tml::fw::dsp
