// SPDX-License-Identifier: Apache-2.0
#include "common/model/impulse_build.hpp"

#include <cmath>

#include "common/base/file.hpp"
#include "common/model/features.hpp"
#include "common/model/host_run.hpp"
#include "common/model/impulse_section.hpp"
#include "common/model/recordings.hpp"

namespace tml::model {
namespace {

using wire::model::AnomalyKind;

/// Recordings whose clock runs that much slower or faster are another sensor's.
constexpr double kRateTolerance = 0.02;
constexpr std::size_t kMaxFitValues = std::size_t{64} << 20U;

struct Windows {
  std::vector<std::vector<float>> list;
  std::size_t recordings = 0;
  std::size_t too_short = 0;
};

Result<Windows> cut(const ImpulseSpec& spec, const ImpulseFacts& facts, const std::vector<Recording>& recordings) {
  Windows windows;
  std::vector<std::uint8_t> axes = spec.axes;
  if (axes.empty())
    for (std::uint8_t n = 0; n < facts.axes; ++n) axes.push_back(n);
  const std::size_t length = std::size_t{spec.window_readings()} * facts.axes;
  const std::size_t stride = std::size_t{spec.stride_readings()} * facts.axes;
  std::size_t held = 0;
  for (const auto& recording : recordings) {
    if (recording.frequency_hz > 0 && std::abs(recording.frequency_hz / spec.frequency_hz - 1) > kRateTolerance)
      return fail(Errc::usage,
                  "the recording was made at " + std::to_string(recording.frequency_hz) + " Hz, the impulse works at " +
                      std::to_string(spec.frequency_hz),
                  recording.name, "Make frequency_hz that of the recordings");
    const auto values = choose_columns(recording, axes);
    if (!values) return pass(values.error());
    ++windows.recordings;
    if (values->size() < length) ++windows.too_short;
    for (std::size_t at = 0; at + length <= values->size(); at += stride) {
      held += length;
      if (held > kMaxFitValues)
        return fail(Errc::limit, "the windows to fit on hold more than 64 million values", recording.name,
                    "Use fewer recordings or a longer stride");
      windows.list.emplace_back(values->begin() + static_cast<std::ptrdiff_t>(at),
                                values->begin() + static_cast<std::ptrdiff_t>(at + length));
    }
  }
  return windows;
}

/// Scores of a reconstruction error, by running the model on each window.
Result<std::vector<float>> reconstruction_scores(const ImpulseSpec& spec, const ImpulseFacts& facts, const Graph& graph,
                                                 const Windows& windows, std::string_view where) {
  PackageOptions options;
  options.impulse = write_impulse(spec, facts, {}, 0);
  auto compiled = compile(&graph, options, where);
  if (!compiled) return pass(std::move(compiled.error()));
  auto impulse = HostImpulse::open(std::move(compiled->package), where);
  if (!impulse) return pass(std::move(impulse.error()));
  std::vector<float> scores;
  for (const auto& window : windows.list) {
    const auto result = impulse->run_window(window);
    if (!result) return pass(result.error());
    scores.push_back(result->anomaly.value_or(0));
  }
  return scores;
}

}  // namespace

Result<BuiltImpulse> build_impulse(const ImpulseSpec& spec, const std::filesystem::path& folder, const Graph* graph,
                                   std::string_view where) {
  BuiltImpulse built;
  std::uint32_t inputs = 0;
  if (graph != nullptr)
    inputs = static_cast<std::uint32_t>(graph->tensors[static_cast<std::size_t>(graph->input)].elements());
  if (graph == nullptr && spec.anomaly.kind == AnomalyKind::none)
    return fail(Errc::usage, "there is neither a model nor an [anomaly] in", std::string(where),
                "Name a .tflite, or describe an anomaly detector");
  std::vector<Recording> recordings;
  if (!spec.anomaly.fit.empty()) {
    if (spec.image())
      return fail(Errc::usage, "an anomaly detector cannot be fitted to pictures", std::string(where),
                  "Give a threshold instead of fit");
    auto loaded = load_recordings(folder / spec.anomaly.fit);
    if (!loaded) return pass(std::move(loaded.error()));
    recordings = *std::move(loaded);
  }
  const auto facts = choose_axes(spec, inputs, recordings.empty() ? 0 : recordings.front().axes, where);
  if (!facts) return pass(facts.error());
  if (spec.gate == wire::model::Gate::level && !spec.image() && spec.gate_index >= facts->axes)
    return fail(Errc::usage,
                "axis is " + std::to_string(spec.gate_index) + ", but a window has " + std::to_string(facts->axes) +
                    (facts->axes == 1 ? " axis" : " axes"),
                "in [gate] of " + std::string(where),
                "Give the place of the axis in [impulse] axes, from 0 to " + std::to_string(facts->axes - 1));
  float threshold = static_cast<float>(spec.anomaly.threshold.value_or(0));
  Windows windows;
  if (!recordings.empty()) {
    auto cut_up = cut(spec, *facts, recordings);
    if (!cut_up) return pass(std::move(cut_up.error()));
    windows = *std::move(cut_up);
    if (windows.too_short != 0)
      built.notes.push_back(std::to_string(windows.too_short) + " of " + std::to_string(windows.recordings) +
                            " recordings are shorter than one window and were not used");
  }
  switch (spec.anomaly.kind) {
    case AnomalyKind::none:
      break;
    case AnomalyKind::reconstruction: {
      if (graph == nullptr)
        return fail(Errc::usage, "a reconstruction error needs a model", "in [anomaly] of " + std::string(where),
                    "Name an autoencoder's .tflite");
      if (windows.list.empty()) break;
      const auto scores = reconstruction_scores(spec, *facts, *graph, windows, where);
      if (!scores) return pass(scores.error());
      threshold = threshold_for(spec.anomaly, *scores);
      built.fitted.windows = static_cast<std::uint32_t>(scores->size());
      built.fitted.threshold = threshold;
      break;
    }
    case AnomalyKind::k_means:
    case AnomalyKind::mahalanobis: {
      Result<FittedAnomaly> fitted = FittedAnomaly{};
      if (!spec.anomaly.fitted.empty()) {
        const auto path = folder / spec.anomaly.fitted;
        const auto bytes = read_file(path, std::size_t{1} << 20U);
        if (!bytes) return pass(bytes.error());
        fitted = read_fitted(Bytes(bytes->begin(), bytes->end()), spec.anomaly, facts->features, path.string());
      } else {
        fw::dsp::WindowFacts window;
        window.readings = spec.window_readings();
        window.axes = facts->axes;
        window.frequency_hz = static_cast<float>(spec.frequency_hz);
        std::vector<std::vector<float>> vectors;
        for (const auto& values : windows.list) {
          auto features = compute_features(spec.blocks, window, values);
          if (!features) return pass(std::move(features.error()));
          vectors.push_back(*std::move(features));
        }
        fitted = fit_anomaly(spec.anomaly, vectors);
      }
      if (!fitted) {
        auto error = std::move(fitted.error());
        if (error.where.empty()) error.where = "in [anomaly] of " + std::string(where);
        return pass(std::move(error));
      }
      built.fitted = *std::move(fitted);
      threshold = built.fitted.threshold;
      break;
    }
  }
  built.section = write_impulse(spec, *facts, built.fitted.model, threshold);
  return built;
}

}  // namespace tml::model
