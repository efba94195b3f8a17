// SPDX-License-Identifier: Apache-2.0
#include "common/model/host_run.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "common/model/features.hpp"

namespace tml::model {
namespace {

namespace dsp = fw::dsp;
using namespace wire::model;

std::size_t values_of(const TensorFacts& t) { return t.type == ElementType::float32 ? t.bytes / 4 : t.bytes; }

}  // namespace

Result<HostImpulse> HostImpulse::open(Bytes package, std::string_view where) {
  auto model = HostModel::open(std::move(package), where);
  if (!model) return pass(std::move(model.error()));
  HostImpulse impulse(*std::move(model));
  auto read = read_impulse(impulse.model_.view(), where);
  if (!read) return pass(std::move(read.error()));
  if (read->head != nullptr) impulse.impulse_ = *read;
  return impulse;
}

std::vector<std::string> HostImpulse::labels() const {
  std::vector<std::string> list;
  for (std::size_t n = 0; n < model_.view().header().label_count; ++n) list.emplace_back(model_.view().label(n));
  return list;
}

std::size_t HostImpulse::window_values() const {
  if (!impulse_) return values_of(model_.view().header().input);
  return std::size_t{impulse_->head->window} * impulse_->head->axis_count;
}

Result<WindowResult> HostImpulse::run_window(std::span<const float> values, const RunSettings& settings) {
  if (impulse_ && impulse_->image())
    return fail(Errc::usage, "the package classifies pictures, not readings", {}, "Give a picture");
  if (values.size() != window_values())
    return fail(Errc::usage,
                "the window has " + std::to_string(values.size()) + " values where " + std::to_string(window_values()) +
                    " are expected",
                {}, "Give exactly one window of the axes that the package names");
  dsp::WindowFacts window;
  std::span<const dsp::BlockConfig> blocks;
  if (impulse_) {
    window.readings = impulse_->head->window;
    window.axes = impulse_->head->axis_count;
    window.frequency_hz = impulse_->head->frequency_hz;
    blocks = impulse_->blocks;
  }
  auto features = compute_features(blocks, window, values);
  if (!features) return pass(std::move(features.error()));
  return run_features(*std::move(features), settings);
}

Result<WindowResult> HostImpulse::run_picture(const Picture& picture, const RunSettings& settings) {
  if (!impulse_ || !impulse_->image())
    return fail(Errc::usage, "the package does not classify pictures", {},
                "Give a window of readings, or an input tensor");
  if (picture.bytes.size() != std::size_t{picture.width} * picture.height * picture.channels || picture.bytes.empty())
    return fail(Errc::usage, "the picture has another number of bytes than its size says");
  dsp::WindowFacts window;
  window.readings = picture.width * picture.height;
  window.axes = picture.channels;
  window.image_width = picture.width;
  std::vector<float> values(picture.bytes.begin(), picture.bytes.end());
  auto features = compute_features(impulse_->blocks, window, values);
  if (!features) return pass(std::move(features.error()));
  return run_features(*std::move(features), settings);
}

Result<WindowResult> HostImpulse::run_tensor(std::span<const std::uint8_t> input, const RunSettings& settings) {
  WindowResult result;
  result.input.assign(input.begin(), input.end());
  if (const auto done = run_network(result, settings); !done) return pass(done.error());
  return result;
}

Result<WindowResult> HostImpulse::run_features(std::vector<float> features, const RunSettings& settings) {
  WindowResult result;
  result.features = std::move(features);
  if (impulse_ && impulse_->has_anomaly) {
    std::vector<float> scratch(dsp::score_scratch(impulse_->anomaly));
    const auto score = dsp::score(impulse_->anomaly, result.features, scratch);
    if (!score) return fail(Errc::usage, std::string(dsp::text(score.error())));
    result.anomaly = *score;
    result.is_anomaly = *score >= impulse_->head->anomaly_threshold;
  }
  if (!model_.has_model()) return result;
  const auto& in = model_.view().header().input;
  result.input.resize(in.bytes);
  if (in.type == ElementType::float32) {
    std::memcpy(result.input.data(), result.features.data(), in.bytes);
  } else {
    const auto zero = static_cast<float>(in.zero_point);
    for (std::size_t n = 0; n < result.features.size(); ++n) {
      // As TensorFlow Lite's AffineQuantize, and as the firmware: half away from zero.
      const float value = std::clamp(std::round(result.features[n] / in.scale) + zero, -128.0F, 127.0F);
      result.input[n] = static_cast<std::uint8_t>(static_cast<std::int8_t>(value));
    }
  }
  if (const auto done = run_network(result, settings); !done) return pass(done.error());
  return result;
}

Result<void> HostImpulse::run_network(WindowResult& result, const RunSettings& settings) {
  const auto output = model_.run(result.input, settings.kernels, settings.trace);
  if (!output) return pass(output.error());
  result.output.assign(output->begin(), output->end());
  const auto& header = model_.view().header();
  const auto& out = header.output;
  result.scores.resize(values_of(out));
  if (out.type == ElementType::float32) {
    std::memcpy(result.scores.data(), result.output.data(), out.bytes);
  } else {
    for (std::size_t n = 0; n < result.scores.size(); ++n)
      result.scores[n] = out.scale * static_cast<float>(static_cast<std::int8_t>(result.output[n]) - out.zero_point);
  }
  if (header.label_count != 0) {
    const auto best = std::max_element(result.scores.begin(), result.scores.end());
    const float least = impulse_ ? impulse_->head->threshold : 0;
    if (*best >= least) result.label = static_cast<int>(best - result.scores.begin());
  }
  if (impulse_ && impulse_->head->anomaly == AnomalyKind::reconstruction) {
    const auto& in = header.input;
    const std::span before(reinterpret_cast<const std::int8_t*>(result.input.data()), result.input.size());
    const std::span after(reinterpret_cast<const std::int8_t*>(result.output.data()), result.output.size());
    const auto error = dsp::reconstruction_error(before, {in.scale, in.zero_point}, after, {out.scale, out.zero_point});
    if (!error) return fail(Errc::usage, std::string(dsp::text(error.error())));
    result.anomaly = *error;
    result.is_anomaly = *error >= impulse_->head->anomaly_threshold;
  }
  return {};
}

}  // namespace tml::model
