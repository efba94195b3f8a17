// SPDX-License-Identifier: Apache-2.0
// One [[dsp]] table of an impulse file to the block's record.
#include <array>
#include <type_traits>

#include "common/model/toml_reader.hpp"

namespace tml::model {
namespace {

namespace dsp = fw::dsp;

template <typename Field>
void take_number(TomlReader& table, const char* key, Field& field, double most = 1e9) {
  if (!table.has(key)) return;
  if constexpr (std::is_floating_point_v<Field>)
    field = static_cast<Field>(table.number(key, static_cast<double>(field), -most, most));
  else
    field = static_cast<Field>(table.integer(key, field, 0, std::numeric_limits<Field>::max()));
}

void take_flag(TomlReader& table, const char* key, dsp::BlockConfig& config, std::uint16_t flag) {
  if (!table.has(key)) return;
  const bool on = table.boolean(key, false);
  config.flags = static_cast<std::uint16_t>(on ? config.flags | flag : config.flags & ~flag);
}

void take_statistics(TomlReader& table, dsp::BlockConfig& config) {
  constexpr std::array<std::string_view, 9> names{"mean",     "minimum",  "maximum", "rms", "deviation",
                                                  "skewness", "kurtosis", "median",  "mad"};
  if (!table.has("statistics")) return;
  config.statistics = 0;
  for (const auto& name : table.texts("statistics", names.size())) {
    std::size_t n = 0;
    while (n < names.size() && names[n] != name) ++n;
    if (n == names.size())
      table.wrong(
          "statistics",
          "has \"" + name + "\"; known are mean, minimum, maximum, rms, deviation, skewness, kurtosis, median, mad");
    else
      config.statistics = static_cast<std::uint16_t>(config.statistics | 1U << n);
  }
}

void take_axes(TomlReader& table, dsp::BlockConfig& config) {
  if (!table.has("axes")) return;
  config.axes = 0;
  for (const auto axis : table.integers("axes", dsp::kMaxAxes, 0, static_cast<std::int64_t>(dsp::kMaxAxes) - 1))
    config.axes |= std::uint32_t{1} << axis;
}

void take_bands(TomlReader& table, dsp::BlockConfig& config) {
  if (!table.has("band_edges_hz")) return;
  const auto edges = table.numbers("band_edges_hz", dsp::kMaxBands + 1, 0, 1e6);
  if (edges.size() == 1) table.wrong("band_edges_hz", "has one entry; a band has two edges");
  std::size_t n = 0;
  for (auto& edge : config.band_edges_hz) edge = n < edges.size() ? static_cast<float>(edges[n++]) : 0.0F;
  config.bands = static_cast<std::uint8_t>(edges.empty() ? 0 : edges.size() - 1);
}

}  // namespace

dsp::BlockConfig read_block(TomlReader& table) {
  if (!table.has("type")) table.wrong("type", "is missing");
  const auto type =
      table.choice("type", 0, {"raw", "flatten", "spectral", "spectrogram", "mfe", "mfcc", "log_mel", "image"});
  auto config = dsp::defaults(static_cast<dsp::BlockType>(type + 1));
  take_axes(table, config);
  take_number(table, "scale", config.scale);
  take_number(table, "offset", config.offset);
  take_number(table, "fft_length", config.fft_length);
  take_number(table, "frame_length", config.frame_length);
  take_number(table, "frame_stride", config.frame_stride);
  take_statistics(table, config);
  take_number(table, "low_hz", config.low_hz);
  take_number(table, "high_hz", config.high_hz);
  take_number(table, "mel_filters", config.mel_filters);
  take_number(table, "coefficients", config.coefficients);
  take_number(table, "lifter", config.lifter);
  if (table.has("filter"))
    config.filter = static_cast<std::uint8_t>(table.choice("filter", 0, {"none", "low_pass", "high_pass"}));
  take_number(table, "filter_order", config.filter_order);
  take_number(table, "filter_hz", config.filter_hz);
  take_number(table, "decimation", config.decimation);
  take_number(table, "peaks", config.peaks);
  take_number(table, "peak_threshold", config.peak_threshold);
  take_bands(table, config);
  take_flag(table, "log", config, dsp::kLog);
  take_flag(table, "bins", config, dsp::kBins);
  take_flag(table, "normalise_mean", config, dsp::kNormaliseMean);
  take_flag(table, "normalise_variance", config, dsp::kNormaliseVariance);
  take_number(table, "preemphasis", config.preemphasis);
  take_number(table, "floor_db", config.floor_db);
  take_number(table, "noise_even", config.noise_even);
  take_number(table, "noise_odd", config.noise_odd);
  take_number(table, "noise_keep", config.noise_keep);
  take_number(table, "pcan_strength", config.pcan_strength);
  take_number(table, "pcan_offset", config.pcan_offset);
  take_number(table, "pcan_gain_bits", config.pcan_gain_bits);
  take_number(table, "log_shift", config.log_shift);
  take_number(table, "output_scale", config.output_scale);
  take_number(table, "image_width", config.image_width);
  take_number(table, "image_height", config.image_height);
  take_number(table, "image_channels", config.image_channels);
  if (table.has("image_fit"))
    config.image_fit = static_cast<std::uint8_t>(table.choice("image_fit", 0, {"squash", "fit_short", "fit_long"}));
  table.finish();
  return config;
}

}  // namespace tml::model
