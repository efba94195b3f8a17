// SPDX-License-Identifier: Apache-2.0
#include "daemon/infer_view.hpp"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "common/base/json.hpp"
#include "common/cli/bars.hpp"
#include "common/serial/wifi_scan.hpp"

namespace tml::daemon {
namespace {

std::string fixed(double value, int digits) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string duration(double ms) {
  return ms > 0 && ms < 1 ? fixed(ms * 1000.0, 0) + " us" : fixed(ms, ms == 0 ? 0 : 1) + " ms";
}

std::string timing_line(const serial::InferenceResult& result) {
  return "DSP " + duration(result.dsp_ms) + ", inference " + duration(result.inference_ms) + ", anomaly " +
         duration(result.anomaly_ms);
}

/// "result uncertain": what the board made of its last windows.
std::string verdict(const serial::InferenceResult& result) {
  return result.smoothed.empty() ? "" : "result " + serial::printable(result.smoothed);
}

std::string anomaly_text(const serial::InferenceResult& result) {
  std::string text = "anomaly " + fixed(*result.anomaly, 3);
  if (result.anomalous) text += *result.anomalous ? " (an anomaly)" : " (normal)";
  return text;
}

Json fields_of(const serial::InferenceResult& result) {
  Json fields = {
      {"timing_ms", {{"dsp", result.dsp_ms}, {"inference", result.inference_ms}, {"anomaly", result.anomaly_ms}}}};
  if (!result.scores.empty()) {
    Json scores = Json::object();
    for (const serial::Score& score : result.scores) scores[score.label] = score.value;
    fields["scores"] = std::move(scores);
    fields["best"] = result.best()->label;
  }
  if (!result.smoothed.empty()) fields["result"] = result.smoothed;
  if (result.anomaly) fields["anomaly"] = *result.anomaly;
  if (result.anomalous) fields["is_anomaly"] = *result.anomalous;
  if (result.regression) fields["regression"] = *result.regression;
  if (!result.boxes.empty()) {
    Json boxes = Json::array();
    for (const serial::BoundingBox& box : result.boxes) {
      boxes.push_back({{"label", box.label},
                       {"score", box.score},
                       {"x", box.x},
                       {"y", box.y},
                       {"width", box.width},
                       {"height", box.height}});
    }
    fields["boxes"] = std::move(boxes);
  }
  if (result.second_stage) fields["stage"] = 2;
  if (result.dropped > 0) fields["dropped_lines"] = result.dropped;
  return fields;
}

}  // namespace

std::string result_line(const serial::InferenceResult& result) {
  std::vector<serial::Score> scores = result.scores;
  std::ranges::stable_sort(scores, std::ranges::greater{}, &serial::Score::value);
  std::string line;
  const auto add = [&line](const std::string& text) { line += (line.empty() ? "" : "  ") + text; };
  for (const serial::Score& score : scores) add(score.label + " " + fixed(score.value, 3));
  if (result.regression) add("value " + fixed(*result.regression, 4));
  for (const serial::BoundingBox& box : result.boxes) {
    add(box.label + " " + fixed(box.score, 3) + " at " + std::to_string(box.x) + "," + std::to_string(box.y) + " " +
        std::to_string(box.width) + "x" + std::to_string(box.height));
  }
  if (result.anomaly) add(anomaly_text(result));
  if (const std::string told = verdict(result); !told.empty()) add(told);
  return line.empty() ? "nothing found" : line;
}

void InferView::settings(const serial::InferenceSettings& settings) {
  reporter_.event("inference_settings", Json{{"interval_ms", settings.interval_ms},
                                             {"frame_size", settings.frame_size},
                                             {"sample_ms", settings.sample_ms},
                                             {"classes", settings.classes}});
}

void InferView::draw(const serial::InferenceResult& result, const std::string& heading) {
  const std::size_t columns = cli::terminal_columns();
  std::vector<cli::Bar> bars;
  const serial::Score* best = result.best();
  for (const serial::Score& score : result.scores) bars.push_back({score.label, score.value, &score == best});
  std::string text;
  // Over what was drawn before: up, and each line cleared.
  if (drawn_lines_ > 0) text += "\x1b[" + std::to_string(drawn_lines_) + "A\x1b[0J";
  text += heading.substr(0, columns) + "\n" + cli::render_bars(bars, {columns, color_, 1.0});
  if (result.scores.empty()) text += result_line(result).substr(0, columns) + "\n";
  if (result.anomaly && !result.scores.empty()) text += anomaly_text(result) + "\n";
  if (!result.scores.empty() && !result.smoothed.empty()) text += verdict(result).substr(0, columns) + "\n";
  text += timing_line(result).substr(0, columns);
  drawn_lines_ = static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1;
  reporter_.text(text);
}

void InferView::result(const serial::InferenceResult& result, std::string_view source) {
  ++results_;
  std::string heading = source.empty() ? "result " + std::to_string(results_) : std::string(source);
  if (result.second_stage) heading += ", second stage";
  if (bars_) {
    // Windows of a recording come at once and stand below each other; a sensor's are drawn over the last.
    if (!source.empty()) drawn_lines_ = 0;
    draw(result, heading);
    return;
  }
  Json fields = fields_of(result);
  fields["n"] = results_;
  if (!source.empty()) fields["source"] = std::string(source);
  reporter_.event(
      "inference", fields,
      (source.empty() ? (result.second_stage ? "second stage: " : "") : heading + ": ") + result_line(result));
}

void InferView::note(std::string_view line) {
  if (bars_) drawn_lines_ = 0;
  const std::string shown = serial::printable(line);
  reporter_.event("board", Json{{"line", std::string(line)}}, shown);
}

}  // namespace tml::daemon
