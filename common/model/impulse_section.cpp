// SPDX-License-Identifier: Apache-2.0
#include "common/model/impulse_section.hpp"

#include <algorithm>
#include <cmath>
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
  const auto refuse = [&](std::string_view what) {
    return fail(Errc::malformed, "the package's impulse cannot be used (" + std::string(what) + ")", std::string(where),
                "Compile it again with this version of tml-flash");
  };
  const auto section = view.impulse();
  if (section.size() < sizeof(ImpulseHead)) return refuse("the section is cut short");
  ReadImpulse into;
  into.head = reinterpret_cast<const ImpulseHead*>(section.data());
  const auto& h = *into.head;
  if (h.format != 1 || h.head_bytes != sizeof(ImpulseHead)) return refuse("it is of another version");
  if (std::find(h.sensor.begin(), h.sensor.end(), '\0') == h.sensor.end())
    return refuse("the sensor's name has no end");
  if (h.axis_count > kMaxImpulseAxes || h.block_count > kMaxBlocks ||
      (h.block_count != 0 && h.block_bytes != sizeof(dsp::BlockConfig)))
    return refuse("axes or blocks");
  if (section.size() < sizeof(ImpulseHead) + h.block_count * sizeof(dsp::BlockConfig))
    return refuse("the blocks leave it");
  if (h.features == 0 || h.features > kMaxFeatures) return refuse("the number of features");
  if (h.smoothing > Smoothing::majority || h.smoothing_length < 1 || h.smoothing_length > 32 || h.smoothing_count < 1 ||
      h.smoothing_count > h.smoothing_length)
    return refuse("the smoothing");
  if (!std::isfinite(h.threshold) || !std::isfinite(h.anomaly_threshold) || !std::isfinite(h.gate_threshold))
    return refuse("a threshold");
  if (h.anomaly > AnomalyKind::reconstruction || h.gate > Gate::level || h.gate_hold == 0)
    return refuse("anomaly or gate");
  into.blocks = {reinterpret_cast<const dsp::BlockConfig*>(section.data() + sizeof(ImpulseHead)), h.block_count};
  dsp::WindowFacts window;
  if (into.image()) {
    if (h.image_width == 0 || h.image_height == 0 || h.image_width > dsp::kMaxImageSide ||
        h.image_height > dsp::kMaxImageSide || (h.image_channels != 1 && h.image_channels != 3) || h.block_count != 1)
      return refuse("no axes and no image");
    window = window_of(std::uint32_t{h.image_width} * h.image_height, h.image_channels, 0, h.image_width);
  } else {
    if (h.window == 0 || h.window > dsp::kMaxReadings || h.stride == 0 || h.stride > h.window ||
        !(h.frequency_hz > 0) || !std::isfinite(h.frequency_hz))
      return refuse("window, stride or rate");
    window = window_of(h.window, h.axis_count, static_cast<double>(h.frequency_hz), 0);
  }
  std::uint64_t features = into.blocks.empty() ? std::uint64_t{window.readings} * window.axes : 0;
  for (const auto& block : into.blocks) {
    if ((block.type == static_cast<std::uint8_t>(dsp::BlockType::image)) != into.image())
      return refuse("an image block for readings, or the other way round");
    const auto checked = dsp::check(block, window);
    if (!checked) return refuse(dsp::text(checked.error()));
    features += checked->features;
    into.scratch_bytes = std::max(into.scratch_bytes, checked->scratch_bytes);
  }
  if (features != h.features) return refuse("the blocks give another number of features");
  const auto& header = view.header();
  const auto inputs = header.input.type == ElementType::float32 ? header.input.bytes / 4 : header.input.bytes;
  if (header.step_count != 0 && inputs != h.features)
    return refuse("the model's input is not as large as the features");
  if (h.anomaly == AnomalyKind::reconstruction) {
    if (header.step_count == 0 || header.input.type != ElementType::int8 || header.output.type != ElementType::int8 ||
        header.input.bytes != header.output.bytes)
      return refuse("a reconstruction error needs an int8 model with as many outputs as inputs");
  } else if (h.anomaly != AnomalyKind::none) {
    if (h.anomaly_offset % 4 != 0 || h.anomaly_offset > section.size() ||
        h.anomaly_bytes > section.size() - h.anomaly_offset)
      return refuse("the anomaly model leaves it");
    const auto opened = dsp::open_anomaly(std::as_bytes(section.subspan(h.anomaly_offset, h.anomaly_bytes)));
    if (!opened) return refuse(dsp::text(opened.error()));
    if (opened->header.features != h.features) return refuse("the anomaly model is for another number of features");
    into.anomaly = *opened;
    into.has_anomaly = true;
  }
  if (header.step_count == 0 && !into.has_anomaly) return refuse("neither a model nor an anomaly detector");
  return into;
}

}  // namespace tml::model
