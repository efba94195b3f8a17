// SPDX-License-Identifier: Apache-2.0
#include "common/model/impulse_section.hpp"

#include <algorithm>
#include <cstring>

namespace tml::model {
namespace {

namespace dsp = fw::dsp;
using namespace wire::model;

dsp::WindowFacts window_of(std::uint32_t readings, std::uint32_t axes, double frequency_hz, std::uint32_t image_width) {
  dsp::WindowFacts window;
  window.readings = readings;
  window.axes = axes;
  window.frequency_hz = static_cast<float>(frequency_hz);
  window.image_width = image_width;
  return window;
}

}  // namespace

Result<ImpulseFacts> impulse_facts(const ImpulseSpec& spec, std::uint32_t axes, std::string_view where) {
  ImpulseFacts facts;
  facts.axes = axes;
  auto window = window_of(spec.window_readings(), axes, spec.frequency_hz, 0);
  if (spec.image()) {
    const auto& block = spec.blocks.front();
    window =
        window_of(std::uint32_t{block.image_width} * block.image_height, block.image_channels, 0, block.image_width);
    facts.axes = 0;
  }
  std::uint64_t features = spec.blocks.empty() ? std::uint64_t{window.readings} * axes : 0;
  for (std::size_t n = 0; n < spec.blocks.size(); ++n) {
    const auto checked = dsp::check(spec.blocks[n], window);
    if (!checked)
      return fail(Errc::usage, std::string(dsp::text(checked.error())),
                  "in [[dsp]] number " + std::to_string(n + 1) + " of " + std::string(where),
                  "docs/dsp.md tells each block's parameters");
    features += checked->features;
    facts.scratch_bytes = std::max(facts.scratch_bytes, checked->scratch_bytes);
  }
  if (features == 0 || features > kMaxFeatures)
    return fail(Errc::usage, "a window gives " + std::to_string(features) + " features", "in " + std::string(where),
                "1 to 65536 are possible: change the window or the blocks");
  facts.features = static_cast<std::uint32_t>(features);
  return facts;
}

Result<ImpulseFacts> choose_axes(const ImpulseSpec& spec, std::uint32_t model_inputs, std::uint32_t recorded,
                                 std::string_view where) {
  const auto mismatch = [&](std::uint32_t features) {
    return fail(Errc::usage,
                "the window gives " + std::to_string(features) + " features where the model takes " +
                    std::to_string(model_inputs),
                "in " + std::string(where), "Make window, axes and blocks those that the model was trained with");
  };
  if (spec.image() || !spec.axes.empty()) {
    auto facts = impulse_facts(spec, static_cast<std::uint32_t>(spec.axes.size()), where);
    if (facts && model_inputs != 0 && facts->features != model_inputs) return mismatch(facts->features);
    return facts;
  }
  if (model_inputs != 0) {
    Result<ImpulseFacts> one = impulse_facts(spec, 1, where);
    for (std::uint32_t axes = 1; axes <= kMaxImpulseAxes; ++axes) {
      auto facts = impulse_facts(spec, axes, where);
      if (facts && facts->features == model_inputs) return facts;
    }
    if (!one) return one;
    return mismatch(one->features);
  }
  if (recorded == 0)
    return fail(Errc::usage, "axes is missing", "in [impulse] of " + std::string(where),
                "Name the sensor's axes, as axes = [0, 1, 2]");
  return impulse_facts(spec, recorded, where);
}

Bytes write_impulse(const ImpulseSpec& spec, const ImpulseFacts& facts, std::span<const std::uint8_t> anomaly,
                    float anomaly_threshold) {
  ImpulseHead head;
  std::copy(spec.sensor.begin(), spec.sensor.end(), head.sensor.begin());
  head.axis_count = static_cast<std::uint8_t>(facts.axes);
  for (std::uint8_t n = 0; n < head.axis_count; ++n) head.axes[n] = spec.axes.empty() ? n : spec.axes[n];
  head.block_count = static_cast<std::uint8_t>(spec.blocks.size());
  head.features = facts.features;
  head.block_bytes = sizeof(dsp::BlockConfig);
  if (spec.image()) {
    head.image_width = spec.blocks.front().image_width;
    head.image_height = spec.blocks.front().image_height;
    head.image_channels = spec.blocks.front().image_channels;
  } else {
    head.frequency_hz = static_cast<float>(spec.frequency_hz);
    head.window = spec.window_readings();
    head.stride = spec.stride_readings();
  }
  head.anomaly = spec.anomaly.kind;
  head.anomaly_threshold = anomaly_threshold;
  head.smoothing = spec.smoothing;
  head.smoothing_length = static_cast<std::uint8_t>(spec.smoothing_length);
  head.smoothing_count = static_cast<std::uint8_t>(spec.smoothing_count);
  head.threshold = static_cast<float>(spec.threshold);
  head.gate = spec.gate;
  head.gate_label = static_cast<std::uint8_t>(spec.gate_index);
  head.gate_hold = static_cast<std::uint16_t>(spec.gate_hold);
  head.gate_threshold = static_cast<float>(spec.gate_threshold);
  head.scratch_bytes = facts.scratch_bytes;
  Bytes section(sizeof head + spec.blocks.size() * sizeof(dsp::BlockConfig));
  if (!spec.blocks.empty())
    std::memcpy(section.data() + sizeof head, spec.blocks.data(), spec.blocks.size() * sizeof(dsp::BlockConfig));
  if (!anomaly.empty()) {
    head.anomaly_offset = static_cast<std::uint32_t>(section.size());
    head.anomaly_bytes = static_cast<std::uint32_t>(anomaly.size());
    section.insert(section.end(), anomaly.begin(), anomaly.end());
  }
  std::memcpy(section.data(), &head, sizeof head);
  return section;
}

Result<ReadImpulse> read_impulse(const View& view, std::string_view where) {
  ReadImpulse into;
  const auto refusal = dsp::read_impulse_section(view, into);
  if (refusal.fault != Fault::none)
    return fail(Errc::malformed, "the package's impulse cannot be used (" + std::string(refusal.why) + ")",
                std::string(where), "Compile it again with this version of tml-flash");
  return into;
}

}  // namespace tml::model
