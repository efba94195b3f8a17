// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/mel.hpp"

#include <cmath>

#include "tests/unit/dsp/support.hpp"

namespace tml::fw::dsp {
namespace {

double exact_mel(double hz) { return 1127.0 * std::log1p(hz / 700.0); }

// Weights of the micro front end against double precision: float32 places a bin to 2e-5 of its slope.
TEST(DspMel, TwelveBitWeightsAreThoseOfDoublePrecision) {
  const BlockConfig config = defaults(BlockType::log_mel);
  const std::size_t bins = config.fft_length / 2U + 1U;
  std::vector<std::int16_t> falling(bins);
  std::vector<std::int16_t> rising(bins);
  std::vector<std::uint16_t> slope_at(config.mel_filters + 2U);
  fill_12_bit(config, 16000.0F, falling, rising, slope_at);
  EXPECT_EQ(slope_at.front(), 5U);
  const double low = exact_mel(125.0);
  const double step = (exact_mel(7500.0) - low) / 41.0;
  unsigned different = 0;
  for (std::size_t s = 0; s <= config.mel_filters; ++s) {
    for (std::size_t bin = slope_at[s]; bin < slope_at[s + 1]; ++bin) {
      const double place = (exact_mel(static_cast<double>(bin) * 31.25) - low) / step - static_cast<double>(s);
      ASSERT_GE(place, -1e-4);
      ASSERT_LE(place, 1.0 + 1e-4);
      ASSERT_NEAR(rising[bin], place * 4096.0, 0.6);
      if (rising[bin] != static_cast<int>(std::floor(place * 4096.0 + 0.5))) ++different;
      if (falling[bin] != static_cast<int>(std::floor((1.0 - place) * 4096.0 + 0.5))) ++different;
    }
  }
  EXPECT_LE(different, 4U) << "of " << 2 * (slope_at.back() - slope_at.front());
  std::printf("%u of %u weights differ by one\n", different, 2U * (slope_at.back() - slope_at.front()));
}

// Between the first and the last peak the weights of a bin add up to 1.
TEST(DspMel, NeighboursShareTheirSlopes) {
  const BlockConfig config = defaults(BlockType::mfe);
  std::vector<std::byte> memory(8192);
  Scratch scratch(memory);
  MelBank bank;
  bank.lay_out(config, 16000.0F, scratch);
  ASSERT_TRUE(bank.fill());
  std::vector<float> energies(config.mel_filters);
  std::vector<float> power(config.fft_length / 2U + 1U, 0.0F);
  for (std::size_t bin = 20; bin < 200; ++bin) {
    power.assign(power.size(), 0.0F);
    power[bin] = 1.0F;
    bank.energies(power, energies);
    float sum = 0.0F;
    for (const float e : energies) {
      ASSERT_GE(e, 0.0F);
      sum += e;
    }
    EXPECT_NEAR(sum, 1.0F, 1e-6F) << bin;
  }
}

}  // namespace
}  // namespace tml::fw::dsp
