// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "common/cli/bars.hpp"
#include "common/cli/table.hpp"
#include "common/model/host_run.hpp"
#include "common/model/tflite_reader.hpp"
#include "flasher/commands.hpp"
#include "flasher/model_files.hpp"
#include "flasher/window_file.hpp"

namespace tml::flasher {
namespace {

using wire::model::ElementType;

std::string hex(std::uint32_t value) {
  std::array<char, 9> text{};
  std::snprintf(text.data(), text.size(), "%08x", value);
  return text.data();
}

std::string decimal(float value) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.5f", static_cast<double>(value));
  return text.data();
}

bool is_tflite(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= 8 && std::memcmp(bytes.data() + 4, "TFL3", 4) == 0;
}

Result<model::HostImpulse> open_model(const RunOptions& options) {
  auto bytes = load_bytes(options.model, model::kMaxModelBytes);
  if (!bytes) return pass(std::move(bytes.error()));
  if (!is_tflite(*bytes)) {
    if (!options.impulse.empty())
      return fail(Errc::usage, "--impulse means nothing for a package", options.model,
                  "The package has its impulse inside; give the .tflite to try another one");
    return model::HostImpulse::open(*std::move(bytes), options.model);
  }
  auto source = load_source({options.model, options.impulse, {}, {}, {}});
  if (!source) return pass(std::move(source.error()));
  auto compiled = model::compile(source->graph ? &*source->graph : nullptr, source->options, source->where);
  if (!compiled) return pass(std::move(compiled.error()));
  return model::HostImpulse::open(std::move(compiled->package), options.model);
}

Result<model::WindowResult> run_input(model::HostImpulse& impulse, const WindowFile& file,
                                      const model::RunSettings& settings) {
  if (const auto* tensor = std::get_if<TensorInput>(&file)) return impulse.run_tensor(tensor->bytes, settings);
  if (const auto* window = std::get_if<WindowInput>(&file)) return impulse.run_window(window->values, settings);
  return impulse.run_picture(std::get<model::Picture>(file), settings);
}

void tell_trace(const std::vector<model::LayerTrace>& trace, cli::Reporter& reporter) {
  std::vector<std::vector<std::string>> rows{{"layer", "kernel", "bytes", "CRC-32"}};
  auto list = nlohmann::json::array();
  for (const auto& layer : trace) {
    rows.push_back(
        {std::to_string(layer.layer), std::string(layer.kernel), std::to_string(layer.bytes), hex(layer.crc)});
    list.push_back(
        {{"layer", layer.layer}, {"kernel", layer.kernel}, {"bytes", layer.bytes}, {"crc32", hex(layer.crc)}});
  }
  reporter.event("trace", {{"layers", std::move(list)}}, cli::format_table(rows) + "\n");
}

void tell_features(const std::vector<float>& features, cli::Reporter& reporter) {
  std::string text;
  for (const float value : features) text += decimal(value) + "\n";
  reporter.event("features", {{"features", features}}, text);
}

void tell_result(const model::HostImpulse& impulse, const model::WindowResult& result, cli::Reporter& reporter) {
  const auto labels = impulse.labels();
  const bool drawn = ::isatty(STDOUT_FILENO) == 1 &&
                     std::all_of(result.scores.begin(), result.scores.end(), [](float s) { return s >= 0 && s <= 1; });
  const bool quantised = impulse.model().view().header().output.type == ElementType::int8;
  nlohmann::json fields;
  auto scores = nlohmann::json::array();
  std::vector<std::vector<std::string>> rows;
  std::vector<cli::Bar> bars;
  const auto best = std::max_element(result.scores.begin(), result.scores.end()) - result.scores.begin();
  for (std::size_t n = 0; n < result.scores.size(); ++n) {
    const std::string label = n < labels.size() ? labels[n] : std::to_string(n);
    rows.push_back({label, decimal(result.scores[n])});
    bars.push_back({label, static_cast<double>(result.scores[n]), static_cast<std::ptrdiff_t>(n) == best});
    nlohmann::json score = {{"label", label}, {"value", result.scores[n]}};
    if (quantised) score["quantised"] = static_cast<std::int8_t>(result.output[n]);
    scores.push_back(std::move(score));
  }
  std::string text;
  if (!rows.empty() && drawn) {
    text = cli::render_bars(bars, {cli::terminal_columns(), cli::color_wanted(), 1.0});
    text.pop_back();
  } else if (!rows.empty()) {
    text = cli::format_table(rows);
  }
  fields["scores"] = std::move(scores);
  if (!labels.empty()) {
    const bool known = result.label >= 0;
    fields["label"] = known ? nlohmann::json(labels[static_cast<std::size_t>(result.label)]) : nlohmann::json(nullptr);
    text += "\nResult: " + (known ? labels[static_cast<std::size_t>(result.label)] : std::string("uncertain"));
  }
  if (result.anomaly) {
    const float threshold = impulse.impulse()->head->anomaly_threshold;
    fields["anomaly"] = {{"score", *result.anomaly}, {"threshold", threshold}, {"is_anomaly", result.is_anomaly}};
    text += (text.empty() ? "" : "\n") + ("Anomaly score: " + decimal(*result.anomaly)) +
            (result.is_anomaly ? ", an anomaly (threshold " : ", normal (threshold ") + decimal(threshold) + ")";
  }
  reporter.event("result", fields, text);
}

}  // namespace

ExitCode run_model(const RunOptions& options, cli::Reporter& reporter) {
  auto impulse = open_model(options);
  if (!impulse) return reporter.error(impulse.error());
  const auto file = load_window(options.input, options.tensor, *impulse);
  if (!file) return reporter.error(file.error());
  std::vector<model::LayerTrace> trace;
  model::RunSettings settings;
  settings.kernels = options.kernels == "ref" ? model::Kernels::reference : model::Kernels::fast;
  if (options.trace) settings.trace = [&trace](const model::LayerTrace& layer) { trace.push_back(layer); };
  const auto result = run_input(*impulse, *file, settings);
  if (!result) {
    auto error = result.error();
    if (error.where.empty()) error.where = options.input;
    return reporter.error(error);
  }
  if (options.features) tell_features(result->features, reporter);
  if (options.trace) tell_trace(trace, reporter);
  tell_result(*impulse, *result, reporter);
  return ExitCode::ok;
}

}  // namespace tml::flasher
