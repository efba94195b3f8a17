// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/self_test.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "common/model/host_run.hpp"
#include "common/model/recordings.hpp"
#include "common/serial/inference_text.hpp"
#include "common/wire/number.hpp"

namespace tml::flashlink {
namespace {

constexpr unsigned kDecimals = 6;  // docs/firmware.md, "Results".

/// What a reader makes of the text that the firmware prints for it, by the firmware's own rounding.
Result<double> as_printed(float value, const std::string& where) {
  std::array<char, 48> text{};
  const auto size = wire::format_fixed(static_cast<double>(value), kDecimals, text);
  if (!size) return fail(Errc::usage, "the model gives a score that is no number for", where);
  const auto read = wire::parse_double(std::string_view(text.data(), *size));
  if (!read) return fail(Errc::usage, "the model gives a score that is no number for", where);
  return *read;
}

std::string decimal(double value) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.6f", value);
  return text.data();
}

std::string layer_line(const model::LayerTrace& layer) {
  std::array<char, 96> text{};
  std::snprintf(text.data(), text.size(), "Layer %u: %llu bytes, crc32 %08x", static_cast<unsigned>(layer.layer),
                static_cast<unsigned long long>(layer.bytes), layer.crc);
  return text.data();
}

std::string hex_of(std::span<const std::uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4U]);
    text.push_back(kDigits[byte & 15U]);
  }
  return text;
}

Result<std::vector<model::Recording>> load_all(const std::vector<std::filesystem::path>& paths) {
  std::vector<model::Recording> all;
  for (const auto& path : paths) {
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) {
      auto folder = model::load_recordings(path);
      if (!folder) return pass(folder.error());
      for (auto& recording : *folder) all.push_back(std::move(recording));
      continue;
    }
    auto recording = model::load_recording(path);
    if (!recording) return pass(recording.error());
    recording->name = path.filename().string();
    all.push_back(*std::move(recording));
  }
  return all;
}

/// The axes that the package looks at, in its order.
Result<std::vector<float>> readings_of(const model::Recording& recording, const model::HostImpulse& impulse) {
  if (!impulse.impulse()) return recording.values;
  const auto& head = *impulse.impulse()->head;
  if (auto rate = model::expect_rate(recording, static_cast<double>(head.frequency_hz), recording.name); !rate) {
    return pass(rate.error());
  }
  std::vector<std::uint8_t> axes(head.axes.begin(), head.axes.begin() + head.axis_count);
  if (recording.axes == head.axis_count) axes.clear();
  return model::choose_columns(recording, axes);
}

Result<TestWindow> answer(model::HostImpulse& impulse, std::string name, std::vector<float> values) {
  TestWindow window;
  window.name = std::move(name);
  window.values = std::move(values);
  model::RunSettings settings;
  settings.trace = [&window](const model::LayerTrace& layer) { window.layers.push_back(layer_line(layer)); };
  auto result = impulse.run_window(window.values, settings);
  if (!result) return pass(result.error());
  window.labels = impulse.labels();
  for (const float score : result->scores) {
    auto printed = as_printed(score, window.name);
    if (!printed) return pass(printed.error());
    window.scores.push_back(*printed);
  }
  if (result->anomaly) {
    auto printed = as_printed(*result->anomaly, window.name);
    if (!printed) return pass(printed.error());
    window.anomaly = *printed;
  }
  const auto input = std::as_bytes(std::span(result->input));
  window.input.assign(input.begin(), input.end());
  window.output_hex = hex_of(result->output);
  return window;
}

Result<void> differs(const TestWindow& window, const std::string& what, const std::string& board,
                     const std::string& host) {
  return fail(Errc::verification, "self-test: " + what + " is " + board + " on the board and " + host + " on the host",
              window.name, "The board computes something else than the host: do not use it");
}

}  // namespace

Result<SelfTest> SelfTest::prepare(std::span<const std::byte> package, const std::string& package_name,
                                   const std::vector<std::filesystem::path>& paths, std::size_t most) {
  SelfTest test;
  model::Bytes bytes;
  for (const std::byte byte : package) bytes.push_back(static_cast<std::uint8_t>(byte));
  auto impulse = model::HostImpulse::open(std::move(bytes), package_name);
  if (!impulse) return pass(impulse.error());
  const std::size_t size = impulse->window_values();
  if (size == 0) {
    return fail(Errc::usage, "a self-test with recordings, and a package that looks at pictures", package_name,
                "Leave selftest.windows out");
  }
  auto recordings = load_all(paths);
  if (!recordings) return pass(recordings.error());
  std::vector<std::pair<std::string, std::vector<float>>> sources;
  for (const model::Recording& recording : *recordings) {
    auto readings = readings_of(recording, *impulse);
    if (!readings) return pass(readings.error());
    if (readings->size() < size) {
      return fail(Errc::usage, "the recording is shorter than a window of the package", recording.name,
                  "Record longer, or name other files in selftest.windows");
    }
    sources.emplace_back(recording.name, *std::move(readings));
  }
  // In turns, so that a few windows see every recording.
  for (std::size_t number = 0; test.windows_.size() < most; ++number) {
    bool any = false;
    for (const auto& [name, readings] : sources) {
      if (test.windows_.size() == most || (number + 1) * size > readings.size()) continue;
      any = true;
      const auto at = readings.begin() + static_cast<std::ptrdiff_t>(number * size);
      std::vector<float> values(at, at + static_cast<std::ptrdiff_t>(size));
      auto window = answer(*impulse, name + ", window " + std::to_string(number + 1), std::move(values));
      if (!window) return pass(window.error());
      test.windows_.push_back(*std::move(window));
    }
    if (!any) break;
  }
  return test;
}

Result<void> compare_impulse(const TestWindow& window, const std::vector<std::string>& lines) {
  serial::InferenceText text;
  for (const std::string& line : lines) text.push(line);
  text.finish();
  const auto result = text.take();
  if (!result) return differs(window, "the result", "missing", "there");
  if (result->scores.size() != window.scores.size() && !window.labels.empty()) {
    return differs(window, "the number of scores", std::to_string(result->scores.size()),
                   std::to_string(window.scores.size()));
  }
  for (std::size_t n = 0; n < result->scores.size(); ++n) {
    const serial::Score& score = result->scores[n];
    const std::string label = n < window.labels.size() ? window.labels[n] : std::to_string(n);
    if (score.label != label) return differs(window, "label " + std::to_string(n), score.label, label);
    if (score.value != window.scores[n]) {
      return differs(window, "the score of " + label, decimal(score.value), decimal(window.scores[n]));
    }
  }
  if (result->anomaly.has_value() != window.anomaly.has_value()) {
    return differs(window, "an anomaly score", result->anomaly ? "there" : "missing",
                   window.anomaly ? "there" : "missing");
  }
  if (result->anomaly && *result->anomaly != *window.anomaly) {
    return differs(window, "the anomaly score", decimal(*result->anomaly), decimal(*window.anomaly));
  }
  return {};
}

Result<void> compare_model(const TestWindow& window, const std::vector<std::string>& lines) {
  static constexpr std::string_view kOutput = "Output: ";
  std::size_t layer = 0;
  bool seen = false;
  for (const std::string& line : lines) {
    if (line.starts_with("Layer ")) {
      const std::string host = layer < window.layers.size() ? window.layers[layer] : "nothing";
      if (line != host) return differs(window, "a layer's output", "\"" + line + "\"", "\"" + host + "\"");
      ++layer;
    }
    if (line.starts_with(kOutput)) {
      seen = true;
      const std::string board = line.substr(kOutput.size());
      if (board != window.output_hex) return differs(window, "the output tensor", board, window.output_hex);
    }
  }
  if (!seen) return differs(window, "the output tensor", "missing", window.output_hex);
  if (layer != window.layers.size()) {
    return differs(window, "the number of layers", std::to_string(layer), std::to_string(window.layers.size()));
  }
  return {};
}

Awaitable<Result<void>> SelfTest::run(serial::AtSession& session, std::string bank,
                                      std::function<void(std::size_t, std::size_t)> on_window) const {
  std::size_t done = 0;
  for (const TestWindow& window : windows_) {
    if (on_window) on_window(done++, windows_.size());
    if (bank.starts_with('0')) {
      auto reply = co_await session.classify(window.values, false);
      if (!reply) co_return pass(reply.error());
      if (reply->expected != 0) {
        co_return differs(window, "the size of a window", std::to_string(reply->expected),
                          std::to_string(window.values.size()));
      }
      auto same = compare_impulse(window, reply->lines);
      if (!same) co_return same;
    }
    if (window.input.empty()) continue;
    auto reply = co_await session.run_model(bank, window.input);
    if (!reply) co_return pass(reply.error());
    auto same = compare_model(window, reply->lines);
    if (!same) co_return same;
  }
  co_return Result<void>{};
}

}  // namespace tml::flashlink
