// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/impulse.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace tml::fw::dsp {
namespace {

using wire::model::ElementType;
using wire::model::Fault;
using wire::model::ImpulseHead;

bool readable(const wire::model::TensorFacts& tensor) {
  return tensor.type != ElementType::int8 || (std::isfinite(tensor.scale) && tensor.scale > 0);
}

bool clean_name(const std::array<char, wire::model::kSensorNameBytes>& name) {
  const auto* const end = std::find(name.begin(), name.end(), '\0');
  if (end == name.end()) return false;
  return std::all_of(name.begin(), end, [](char c) { return c >= 0x20 && c <= 0x7E && c != '>' && c != ','; });
}

std::string_view wrong_head(const ImpulseHead& head) {
  if (head.format != 1 || head.head_bytes != sizeof(ImpulseHead)) return "an impulse section of another version";
  if (!clean_name(head.sensor)) return "the sensor's name";
  if (head.axis_count > wire::model::kMaxImpulseAxes) return "more axes than a sensor can have";
  for (std::size_t i = 0; i < head.axis_count; ++i) {
    if (head.axes[i] >= wire::model::kMaxImpulseAxes) return "an axis that no sensor has";
  }
  if (head.block_count > wire::model::kMaxBlocks) return "too many blocks";
  if (head.block_count > 0 && head.block_bytes != sizeof(BlockConfig)) return "blocks of another version";
  if (head.features == 0 || head.features > wire::model::kMaxFeatures) return "the number of features";
  if (head.smoothing > wire::model::Smoothing::majority || head.smoothing_length == 0 ||
      head.smoothing_length > kMaxSmoothing || head.smoothing_count == 0 ||
      head.smoothing_count > head.smoothing_length)
    return "the smoothing";
  if (!std::isfinite(head.threshold) || !std::isfinite(head.anomaly_threshold) || !std::isfinite(head.gate_threshold))
    return "a threshold that is no number";
  if (head.anomaly > wire::model::AnomalyKind::reconstruction) return "an unknown kind of anomaly score";
  if (head.gate > wire::model::Gate::level || head.gate_hold == 0) return "the gate";
  if (head.axis_count == 0) {
    const bool pixels = head.image_channels == 1 || head.image_channels == 3;
    if (head.image_width == 0 || head.image_height == 0 || head.image_width > kMaxImageSide ||
        head.image_height > kMaxImageSide || !pixels)
      return "no axes and no image";
    if (head.block_count != 1) return "an image needs one image block";
    if (head.gate == wire::model::Gate::level) return "a gate on the level of a picture";
    return {};
  }
  if (head.window == 0 || head.window > kMaxReadings) return "the window";
  if (head.stride == 0 || head.stride > head.window) return "the stride";
  // Written so that a rate that is not a number fails too.
  if (!(head.frequency_hz >= kMinReadingsHz && head.frequency_hz <= kMaxReadingsHz)) return "the rate";
  if (head.gate == wire::model::Gate::level && head.gate_label >= head.axis_count)
    return "the axis of the gate's level";
  return {};
}

std::string_view wrong_blocks(ImpulseSection& impulse) {
  const ImpulseHead& head = *impulse.head;
  if (impulse.blocks.empty()) {
    return head.features == head.window * head.axis_count ? std::string_view()
                                                          : "features that are not the window's values";
  }
  // A camera's own resolution is known to the board only; what the block makes of a picture is the same for all.
  const WindowFacts window = window_of(head, head.image_width, head.image_height, head.image_channels);
  std::uint64_t features = 0;
  for (const BlockConfig& block : impulse.blocks) {
    const bool image = block.type == static_cast<std::uint8_t>(BlockType::image);
    if (image != impulse.image()) return "an image block for readings, or readings for an image";
    if (image && (block.image_width != head.image_width || block.image_height != head.image_height ||
                  block.image_channels != head.image_channels))
      return "an image block of another size";
    const auto facts = check(block, window);
    if (!facts) return text(facts.error());
    features += facts->features;
    impulse.scratch_bytes = std::max(impulse.scratch_bytes, facts->scratch_bytes);
  }
  return features == head.features ? std::string_view() : "blocks that give another number of features";
}

std::string_view wrong_anomaly(const wire::model::View& view, ImpulseSection& impulse) {
  using Kind = wire::model::AnomalyKind;
  const ImpulseHead& head = *impulse.head;
  const auto section = view.impulse();
  if (head.anomaly == Kind::none) return {};
  if (head.anomaly == Kind::reconstruction) {
    const auto& header = view.header();
    const bool fits = header.step_count > 0 && header.input.type == ElementType::int8 &&
                      header.output.type == ElementType::int8 && header.input.bytes == header.output.bytes;
    return fits ? std::string_view() : "a reconstruction error needs an int8 model with as many outputs as inputs";
  }
  const std::uint64_t end = std::uint64_t{head.anomaly_offset} + head.anomaly_bytes;
  if (head.anomaly_offset % 4 != 0 || end > section.size()) return "the anomaly model leaves its section";
  const auto opened = open_anomaly(std::as_bytes(section.subspan(head.anomaly_offset, head.anomaly_bytes)));
  if (!opened) return text(opened.error());
  const auto kind = head.anomaly == Kind::k_means ? AnomalyKind::k_means : AnomalyKind::mahalanobis;
  if (opened->header.kind != static_cast<std::uint8_t>(kind)) return "an anomaly model of another kind";
  if (opened->header.features != head.features) return "an anomaly model for another number of features";
  impulse.anomaly = *opened;
  impulse.has_anomaly = true;
  return {};
}

}  // namespace

std::uint32_t elements(const wire::model::TensorFacts& tensor) {
  if (tensor.type == ElementType::none) return 0;
  return tensor.type == ElementType::float32 ? tensor.bytes / 4 : tensor.bytes;
}

WindowFacts window_of(const ImpulseHead& head, std::uint32_t width, std::uint32_t height, std::uint32_t channels) {
  WindowFacts facts;
  if (head.axis_count == 0) {
    facts.readings = width * height;
    facts.axes = channels;
    facts.image_width = width;
    return facts;
  }
  facts.readings = head.window;
  facts.axes = head.axis_count;
  facts.frequency_hz = head.frequency_hz;
  return facts;
}

ImpulseRefusal read_impulse_section(const wire::model::View& view, ImpulseSection& into) {
  into = ImpulseSection{};
  const wire::model::Header& header = view.header();
  const bool has_model = header.step_count > 0;
  const std::uint32_t inputs = elements(header.input);
  if (!readable(header.input) || !readable(header.output)) return {Fault::tensor, "a scale that is not above 0"};
  const auto section = view.impulse();
  if (section.empty()) {
    if (!has_model) return {Fault::impulse, "neither a model nor an impulse"};
    if (inputs == 0 || inputs > wire::model::kMaxFeatures) return {Fault::tensor, "the size of the model's input"};
    into.features = inputs;
    return {};
  }
  if (section.size() < sizeof(ImpulseHead)) return {Fault::impulse, "the impulse section is cut short"};
  into.head = reinterpret_cast<const ImpulseHead*>(section.data());
  const ImpulseHead& head = *into.head;
  if (const auto wrong = wrong_head(head); !wrong.empty()) return {Fault::impulse, wrong};
  if (section.size() < sizeof(ImpulseHead) + head.block_count * sizeof(BlockConfig))
    return {Fault::impulse, "the blocks leave their section"};
  into.blocks = {reinterpret_cast<const BlockConfig*>(section.data() + sizeof(ImpulseHead)), head.block_count};
  into.features = head.features;
  if (const auto wrong = wrong_blocks(into); !wrong.empty()) return {Fault::impulse, wrong};
  if (has_model && inputs != head.features)
    return {Fault::impulse, "the model's input is not as large as the features"};
  if (const auto wrong = wrong_anomaly(view, into); !wrong.empty()) return {Fault::impulse, wrong};
  if (!has_model && !into.has_anomaly) return {Fault::impulse, "neither a model nor an anomaly score"};
  return {};
}

}  // namespace tml::fw::dsp
