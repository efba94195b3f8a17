// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/impulse.hpp"

#include <algorithm>
#include <cmath>

namespace tml::fw::app {
namespace {

using wire::model::ElementType;
using wire::model::Fault;
using wire::model::ImpulseHead;

/// A rate is printed with two decimals; what a compiler took from it may be a little more than the sensor's own number.
constexpr double kRateTolerance = 1.001;
constexpr std::uint8_t kMaxSmoothing = 32;
/// What the impulse file allows.
constexpr float kMinHz = 1e-3F;
constexpr float kMaxHz = 1e6F;

std::uint32_t elements(const wire::model::TensorFacts& tensor) {
  if (tensor.type == ElementType::none) return 0;
  return tensor.type == ElementType::float32 ? tensor.bytes / 4 : tensor.bytes;
}

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
    if (head.axes[i] >= hal::kMaxAxes) return "an axis that no sensor has";
  }
  if (head.block_count > wire::model::kMaxBlocks) return "too many blocks";
  if (head.block_count > 0 && head.block_bytes != sizeof(dsp::BlockConfig)) return "blocks of another version";
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
    if (head.image_width == 0 || head.image_height == 0 || head.image_width > dsp::kMaxImageSide ||
        head.image_height > dsp::kMaxImageSide || !pixels)
      return "no axes and no image";
    if (head.block_count != 1) return "an image needs one image block";
    if (head.gate == wire::model::Gate::level) return "a gate on the level of a picture";
    return {};
  }
  if (head.window == 0 || head.window > dsp::kMaxReadings) return "the window";
  if (head.stride == 0 || head.stride > head.window) return "the stride";
  // Written so that a rate that is not a number fails too.
  if (!(head.frequency_hz >= kMinHz && head.frequency_hz <= kMaxHz)) return "the rate";
  if (head.gate == wire::model::Gate::level && head.gate_label >= head.axis_count)
    return "the axis of the gate's level";
  return {};
}

std::string_view wrong_blocks(Impulse& impulse) {
  const ImpulseHead& head = *impulse.head;
  if (impulse.blocks.empty()) {
    return head.features == impulse.window_values() ? std::string_view() : "features that are not the window's values";
  }
  // A camera's own resolution is known to the board only; what the block makes of a picture is the same for all.
  const hal::CameraResolution picture{head.image_width, head.image_height};
  const dsp::WindowFacts window = impulse.window(picture, head.image_channels);
  std::uint64_t features = 0;
  for (const dsp::BlockConfig& block : impulse.blocks) {
    const bool image = block.type == static_cast<std::uint8_t>(dsp::BlockType::image);
    if (image != impulse.image()) return "an image block for readings, or readings for an image";
    if (image && (block.image_width != head.image_width || block.image_height != head.image_height ||
                  block.image_channels != head.image_channels))
      return "an image block of another size";
    const auto facts = dsp::check(block, window);
    if (!facts) return dsp::text(facts.error());
    features += facts->features;
    impulse.scratch_bytes = std::max(impulse.scratch_bytes, facts->scratch_bytes);
  }
  return features == head.features ? std::string_view() : "blocks that give another number of features";
}

std::string_view wrong_anomaly(const ImpulseHead& head, std::span<const std::uint8_t> section, Impulse& impulse) {
  using wire::model::AnomalyKind;
  if (head.anomaly == AnomalyKind::none) return {};
  if (head.anomaly == AnomalyKind::reconstruction) {
    const auto& header = impulse.package.header();
    const bool fits = impulse.has_model() && header.input.type == ElementType::int8 &&
                      header.output.type == ElementType::int8 && header.input.bytes == header.output.bytes;
    return fits ? std::string_view() : "a reconstruction error needs an int8 model with as many outputs as inputs";
  }
  const std::uint64_t end = std::uint64_t{head.anomaly_offset} + head.anomaly_bytes;
  if (head.anomaly_offset % 4 != 0 || end > section.size()) return "the anomaly model leaves its section";
  const auto opened = dsp::open_anomaly(std::as_bytes(section.subspan(head.anomaly_offset, head.anomaly_bytes)));
  if (!opened) return dsp::text(opened.error());
  const auto kind = head.anomaly == AnomalyKind::k_means ? dsp::AnomalyKind::k_means : dsp::AnomalyKind::mahalanobis;
  if (opened->header.kind != static_cast<std::uint8_t>(kind)) return "an anomaly model of another kind";
  if (opened->header.features != head.features) return "an anomaly model for another number of features";
  impulse.anomaly = *opened;
  impulse.has_anomaly = true;
  return {};
}

}  // namespace

std::uint32_t Impulse::window_values() const {
  if (head == nullptr) return elements(package.header().input);
  if (image()) return std::uint32_t{head->image_width} * head->image_height;
  return head->window * head->axis_count;
}

std::string_view Impulse::sensor_name() const {
  if (head == nullptr) return {};
  const auto* const end = std::find(head->sensor.begin(), head->sensor.end(), '\0');
  return {head->sensor.data(), static_cast<std::size_t>(end - head->sensor.begin())};
}

std::uint32_t Impulse::outputs() const { return has_model() ? elements(package.header().output) : 0; }

dsp::WindowFacts Impulse::window(hal::CameraResolution picture, std::uint32_t channels) const {
  dsp::WindowFacts facts;
  if (head == nullptr) return facts;
  if (image()) {
    facts.readings = std::uint32_t{picture.width} * picture.height;
    facts.axes = channels;
    facts.image_width = picture.width;
    return facts;
  }
  facts.readings = head->window;
  facts.axes = head->axis_count;
  facts.frequency_hz = head->frequency_hz;
  return facts;
}

ImpulseRefusal open_impulse(const wire::model::View& view, Impulse& into) {
  into = Impulse{};
  into.package = view;
  const wire::model::Header& header = view.header();
  const std::uint32_t inputs = elements(header.input);
  if (!readable(header.input) || !readable(header.output)) return {Fault::tensor, "a scale that is not above 0"};
  const auto section = view.impulse();
  if (section.empty()) {
    if (!into.has_model()) return {Fault::impulse, "neither a model nor an impulse"};
    if (inputs == 0 || inputs > wire::model::kMaxFeatures) return {Fault::tensor, "the size of the model's input"};
    into.features = inputs;
    return {};
  }
  if (section.size() < sizeof(ImpulseHead)) return {Fault::impulse, "the impulse section is cut short"};
  into.head = reinterpret_cast<const ImpulseHead*>(section.data());
  const ImpulseHead& head = *into.head;
  if (const auto wrong = wrong_head(head); !wrong.empty()) return {Fault::impulse, wrong};
  if (section.size() < sizeof(ImpulseHead) + head.block_count * sizeof(dsp::BlockConfig))
    return {Fault::impulse, "the blocks leave their section"};
  into.blocks = {reinterpret_cast<const dsp::BlockConfig*>(section.data() + sizeof(ImpulseHead)), head.block_count};
  into.features = head.features;
  if (const auto wrong = wrong_blocks(into); !wrong.empty()) return {Fault::impulse, wrong};
  if (into.has_model() && inputs != head.features)
    return {Fault::impulse, "the model's input is not as large as the features"};
  if (const auto wrong = wrong_anomaly(head, section, into); !wrong.empty()) return {Fault::impulse, wrong};
  if (!into.has_model() && !into.has_anomaly) return {Fault::impulse, "neither a model nor an anomaly score"};
  return {};
}

namespace {

bool find_camera(const Impulse& impulse, const Board& board, Source& source, Line& reason) {
  if (board.camera == nullptr) {
    reason.put("this board has no camera");
    return false;
  }
  source.camera = board.camera;
  const auto known = board.camera->info().resolutions;
  source.picture = known.back();
  for (const hal::CameraResolution& resolution : known) {
    if (resolution.width >= impulse.head->image_width && resolution.height >= impulse.head->image_height) {
      source.picture = resolution;
      break;
    }
  }
  return true;
}

bool has_axes(const hal::Sensor& sensor, const ImpulseHead& head) {
  return std::all_of(head.axes.begin(), head.axes.begin() + head.axis_count,
                     [&sensor](std::uint8_t axis) { return axis < sensor.info().axes.size(); });
}

bool fast_enough(const hal::Sensor& sensor, const ImpulseHead& head) {
  const double fastest_hz = static_cast<double>(sensor.info().frequencies_hz.back());
  return static_cast<double>(head.frequency_hz) <= fastest_hz * kRateTolerance;
}

}  // namespace

bool bind_impulse(const Impulse& impulse, const Board& board, Source& source, Line& reason) {
  source = Source{};
  if (impulse.head == nullptr) {
    reason.put(
        "the package is a bare model: it names no sensor (compile it with --impulse), only AT+RUNIMPULSESTATIC "
        "and AT+RUNMODEL can run it");
    return false;
  }
  if (impulse.image()) return find_camera(impulse, board, source, reason);
  const std::string_view name = impulse.sensor_name();
  for (hal::Sensor* const sensor : board.sensors) {
    const bool named = name.empty() ? has_axes(*sensor, *impulse.head) && fast_enough(*sensor, *impulse.head)
                                    : sensor->info().name == name;
    if (!named) continue;
    source.sensor = sensor;
    break;
  }
  if (source.sensor == nullptr) {
    reason.put("this board has no sensor ").put(name.empty() ? std::string_view("with these axes at this rate") : name);
    return false;
  }
  if (!has_axes(*source.sensor, *impulse.head)) {
    reason.put("the sensor has ").number(source.sensor->info().axes.size()).put(" axes, the model wants others");
    return false;
  }
  if (!fast_enough(*source.sensor, *impulse.head)) {
    reason.put("the model wants ").fixed(static_cast<double>(impulse.head->frequency_hz), 2);
    reason.put(" Hz, the sensor's highest rate is ")
        .fixed(static_cast<double>(source.sensor->info().frequencies_hz.back()), 2)
        .put(" Hz");
    return false;
  }
  return true;
}

}  // namespace tml::fw::app
