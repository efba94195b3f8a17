// SPDX-License-Identifier: Apache-2.0
#include "common/serial/inference_text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace tml::serial {
namespace {

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

/// A finite number at the start of `text`, which loses it.
std::optional<double> take_number(std::string_view& text) {
  text = trim(text);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || !std::isfinite(value)) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

std::optional<double> number_of(std::string_view text) {
  const auto value = take_number(text);
  return value && trim(text).empty() ? value : std::nullopt;
}

/// The number behind `name`, in milliseconds whether the board wrote ms or us.
std::optional<double> time_after(std::string_view line, std::string_view name) {
  const std::size_t at = line.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  line.remove_prefix(at + name.size());
  const auto value = take_number(line);
  if (!value) return std::nullopt;
  line = trim(line);
  return line.starts_with("us") ? *value / 1000.0 : *value;
}

std::optional<std::uint32_t> count_after(std::string_view line, std::string_view name) {
  const std::size_t at = line.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  line.remove_prefix(at + name.size());
  const auto value = take_number(line);
  if (!value || *value < 0 || *value > 4e9) return std::nullopt;
  return static_cast<std::uint32_t>(*value);
}

}  // namespace

const Score* InferenceResult::best() const {
  const auto at = std::ranges::max_element(scores, {}, &Score::value);
  return at == scores.end() ? nullptr : &*at;
}

void InferenceText::begin() {
  finish();
  open_.emplace();
  open_->second_stage = second_next_;
  second_next_ = false;
  block_ = Block::none;
}

void InferenceText::finish() {
  if (open_) {
    if (!open_->scores.empty() && !open_->second_stage) {
      know_ending_ = true;
      ends_with_anomaly_ = open_->anomaly.has_value();
      ends_with_smoothed_ = !open_->smoothed.empty();
      ends_with_verdict_ = open_->anomalous.has_value();
    }
    ready_.push_back(*std::move(open_));
  }
  open_.reset();
  block_ = Block::none;
}

std::optional<InferenceResult> InferenceText::take() {
  if (ready_.empty()) return std::nullopt;
  InferenceResult oldest = std::move(ready_.front());
  ready_.erase(ready_.begin());
  return oldest;
}

// A result has no line that ends it. Once a whole one was seen, the next ones need not wait for what follows them. The
// settings are the first stage's: a second one may have other labels.
void InferenceText::complete_when_full() {
  if (open_ && open_->second_stage) return;
  if (!open_ || !know_ending_ || settings_.classes == 0 || open_->scores.size() < settings_.classes) return;
  if (ends_with_anomaly_ && !open_->anomaly) return;
  if (ends_with_smoothed_ && open_->smoothed.empty()) return;
  if (ends_with_verdict_ && !open_->anomalous) return;
  finish();
}

bool InferenceText::push_setting(std::string_view line) {
  if (const auto interval = time_after(line, "Interval:")) {
    settings_.interval_ms = *interval;
  } else if (const auto frame = count_after(line, "Frame size:")) {
    settings_.frame_size = *frame;
  } else if (const auto length = time_after(line, "Sample length:")) {
    settings_.sample_ms = *length;
  } else if (const auto classes = count_after(line, "No. of classes:")) {
    settings_.classes = *classes;
  } else if (line.starts_with("Image resolution:")) {
    line.remove_prefix(std::string_view("Image resolution:").size());
    const auto width = take_number(line);
    if (!width || line.empty() || line.front() != 'x') return false;
    const auto height = count_after(line, "x");
    if (!height || *width < 0 || *width > 65'535) return false;
    settings_.image_width = static_cast<std::uint32_t>(*width);
    settings_.image_height = *height;
  } else {
    return false;
  }
  return true;
}

bool InferenceText::push_timing(std::string_view line) {
  const bool current = line.starts_with("Timing:");
  if (!current && !line.starts_with("Predictions (")) return false;
  begin();
  const auto time = [line](std::string_view name, std::string_view old_name) {
    return time_after(line, name).value_or(time_after(line, old_name).value_or(0));
  };
  open_->dsp_ms = time("DSP ", "DSP:");
  open_->inference_ms = time("inference ", "Classification:");
  open_->anomaly_ms = time("anomaly ", "Anomaly:");
  open_->postprocessing_ms = time("postprocessing ", "Postprocessing:");
  if (!current) block_ = Block::classes;
  return true;
}

bool InferenceText::push_heading(std::string_view line) {
  std::string_view name = line;
  if (name.starts_with('#')) name.remove_prefix(1);
  Block block = Block::none;
  if (name.starts_with("Classification") || name == "Predictions:") block = Block::classes;
  if (name.starts_with("Object detection")) block = Block::boxes;
  if (name.starts_with("Regression")) block = Block::regression;
  if (block == Block::none && line.starts_with('#')) block = Block::other;
  if (block == Block::none) return false;
  if (!open_) begin();
  block_ = block;
  if (block == Block::regression) {
    const std::size_t colon = name.find(':');
    if (colon != std::string_view::npos) open_->regression = number_of(name.substr(colon + 1));
  }
  return true;
}

bool InferenceText::push_anomaly(std::string_view line) {
  for (const std::string_view name : {"Anomaly prediction:", "anomaly score:"}) {
    if (!line.starts_with(name)) continue;
    const auto value = number_of(line.substr(name.size()));
    if (!value) return false;
    if (!open_) begin();
    open_->anomaly = value;
    return true;
  }
  return false;
}

/// Lines that only our firmware prints inside a result.
bool InferenceText::push_verdict(std::string_view line) {
  constexpr std::string_view kSmoothed = "Result: ";
  constexpr std::string_view kVerdict = "Anomaly: ";
  if (!open_) return false;
  if (line.starts_with(kSmoothed)) {
    open_->smoothed = std::string(line.substr(kSmoothed.size()));
  } else if (line.starts_with(kVerdict)) {
    open_->anomalous = line.substr(kVerdict.size()) == "yes";
  } else {
    return line.starts_with("Work: ");
  }
  return true;
}

bool InferenceText::push_score(std::string_view line) {
  // A label may hold a colon itself; the value never does.
  const std::size_t colon = line.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const auto value = number_of(line.substr(colon + 1));
  if (!value) return false;
  if (open_->scores.size() < kMaxScores) {
    open_->scores.push_back({std::string(trim(line.substr(0, colon))), *value});
  } else {
    ++open_->dropped;
  }
  return true;
}

bool InferenceText::push_box(std::string_view line) {
  const std::size_t bracket = line.find('[');
  if (bracket == std::string_view::npos) return false;
  const std::size_t open = line.substr(0, bracket).rfind('(');
  if (open == std::string_view::npos) return false;
  std::string_view behind = line.substr(open + 1);
  const auto score = take_number(behind);
  const std::string_view place = line.substr(bracket);
  const auto x = count_after(place, "x:");
  const auto y = count_after(place, "y:");
  const auto width = count_after(place, "width:");
  const auto height = count_after(place, "height:");
  if (!score || !x || !y || !width || !height) return false;
  if (open_->boxes.size() < kMaxBoxes) {
    open_->boxes.push_back({std::string(trim(line.substr(0, open))), *score, *x, *y, *width, *height});
  } else {
    ++open_->dropped;
  }
  return true;
}

InferenceText::Line InferenceText::push(std::string_view raw) {
  const std::string_view line = trim(raw);
  if (line.empty()) return Line::blank;
  const bool indented = raw.front() == ' ' || raw.front() == '\t';
  // Older firmware indents it as a score.
  if (push_anomaly(line)) {
    complete_when_full();
    return Line::result;
  }
  // Only at the start of a line: a label may read like any of these.
  if (!indented && (push_timing(line) || push_heading(line))) return Line::result;
  if (!indented && push_verdict(line)) {
    complete_when_full();
    return Line::result;
  }
  if (open_ && indented) {
    bool taken = false;
    if (block_ == Block::classes) taken = push_score(line);
    if (block_ == Block::boxes) taken = push_box(line);
    if (block_ == Block::regression || block_ == Block::other) taken = true;
    if (taken) {
      complete_when_full();
      return Line::result;
    }
  }
  if (push_setting(line)) return Line::setting;
  finish();
  // Our firmware prints it between its stages; where the gate is shut nothing of the second one follows.
  second_next_ = line.starts_with("Cascade: ") && line.find(", open,") != std::string_view::npos;
  return Line::note;
}

std::optional<double> model_rate_hz(std::string_view model_info) {
  bool active = false;
  while (!model_info.empty()) {
    const std::size_t end = model_info.find('\n');
    const std::string_view line = trim(model_info.substr(0, end));
    model_info.remove_prefix(end == std::string_view::npos ? model_info.size() : end + 1);
    if (line.starts_with("Slot ")) active = line.starts_with("Slot 0") && line.ends_with(": valid, active");
    const std::size_t unit = line.find(" Hz, window ");
    if (!active || !line.starts_with("Sensor: ") || unit == std::string_view::npos) continue;
    const std::size_t comma = line.substr(0, unit).rfind(", ");
    if (comma == std::string_view::npos) continue;
    const auto rate = number_of(line.substr(comma + 2, unit - comma - 2));
    if (rate && *rate > 0) return rate;
  }
  return std::nullopt;
}

}  // namespace tml::serial
