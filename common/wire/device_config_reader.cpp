// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/device_config.hpp"

#include <limits>

#include "common/wire/number.hpp"
#include "common/wire/text.hpp"

namespace tml::wire {
namespace {

bool take(std::string_view& text, std::string_view start) {
  if (!text.starts_with(start)) return false;
  text.remove_prefix(start.size());
  return true;
}

void take_blank(std::string_view& text) { (void)take(text, " "); }

bool is_one(std::string_view value) { return value == "1"; }

std::string_view without_ms(std::string_view value) {
  if (value.ends_with("ms.")) value.remove_suffix(3);
  return trim(value);
}

bool is_secret(std::string_view key) {
  return equals_ignoring_case(key, "password") || equals_ignoring_case(key, "hmac key") ||
         equals_ignoring_case(key, "api key");
}

/// One sensor line of wire reference 1.6. False when it is none; `cut` tells that a part did not fit.
bool parse_sensor(std::string_view line, SensorEntry& sensor, bool& cut) {
  if (line == "Built-in accelerometer") {
    sensor.name = line;
    sensor.max_length_s = 300;
    return sensor.add_frequency(62.5) && sensor.add_frequency(100);
  }
  if (line == "Built-in microphone") {
    sensor.name = line;
    sensor.max_length_s = 60;
    return sensor.add_frequency(16000);
  }
  if (!take(line, "Name:")) return false;
  take_blank(line);
  const auto comma = line.find(',');
  if (comma == std::string_view::npos || comma == 0) return false;
  cut = !sensor.name.assign(line.substr(0, comma)) || cut;
  line.remove_prefix(comma + 1);
  take_blank(line);
  if (!take(line, "Max sample length:")) return false;
  take_blank(line);
  const auto digits = line.substr(0, line.find_first_not_of("0123456789"));
  const auto length = parse_u32(digits);
  if (!length) return false;
  sensor.max_length_s = *length;
  line.remove_prefix(digits.size());
  if (!take(line, "s")) return false;
  take_blank(line);
  if (!take(line, ",")) return false;
  take_blank(line);
  if (!take(line, "Frequencies:")) return false;
  take_blank(line);
  if (!take(line, "[") || !line.ends_with("]")) return false;
  line.remove_suffix(1);
  while (!trim(line).empty()) {
    const auto end = line.find(',');
    auto item = trim(line.substr(0, end));
    if (item.ends_with("Hz")) item = trim(item.substr(0, item.size() - 2));
    const auto hz = parse_double(item);
    if (!hz || *hz < 0) return false;
    if (!sensor.add_frequency(*hz)) cut = true;
    if (end == std::string_view::npos) break;
    line.remove_prefix(end + 1);
  }
  return true;
}

}  // namespace

DeviceConfigReader::DeviceConfigReader(DeviceConfig& config) : config_(config) {}

void DeviceConfigReader::problem(ConfigProblem::Kind kind) {
  ++problem_total_;
  if (problem_count_ == problems_.size()) return;
  ConfigProblem& entry = problems_[problem_count_++];
  entry.kind = kind;
  entry.line_number = line_number_;
  const auto colon = current_.find(':');
  if (section_ != Section::sensors && colon != std::string_view::npos && is_secret(trim(current_.substr(0, colon)))) {
    entry.line = current_.substr(0, colon + 1);
    entry.line.append(" ...");
    return;
  }
  entry.line = current_;
}

template <class Field>
bool DeviceConfigReader::text(Field& field, std::string_view value) {
  if (!field.assign(value)) problem(ConfigProblem::Kind::cut_value);
  return true;
}

template <class Integer>
bool DeviceConfigReader::integer(Integer& field, std::string_view value) {
  const auto number = parse_signed(value);
  if (number && *number >= std::numeric_limits<Integer>::min() && *number <= std::numeric_limits<Integer>::max()) {
    field = static_cast<Integer>(*number);
  } else {
    problem(ConfigProblem::Kind::bad_value);
  }
  return true;
}

void DeviceConfigReader::line(std::string_view raw) {
  ++line_number_;
  const auto line = trim(raw);
  current_ = line;
  if (line.empty()) return;

  struct Header {
    std::string_view text;
    Section section;
  };
  static constexpr std::array<Header, 9> kHeaders = {{{"= Device info =", Section::device_info},
                                                      {"= Sensors =", Section::sensors},
                                                      {"= Snapshot =", Section::snapshot},
                                                      {"= Inference =", Section::inference},
                                                      {"= WIFI =", Section::wifi},
                                                      {"= Sampling parameters =", Section::sampling},
                                                      {"= Ingestion parameters =", Section::ingestion},
                                                      {"= Upload settings =", Section::upload},
                                                      {"= Remote management =", Section::remote_management}}};
  for (const Header& header : kHeaders) {
    if (!contains(line, header.text)) continue;
    section_ = header.section;
    ++sections_;
    if (section_ == Section::wifi) config_.wifi_present = true;
    if (section_ == Section::inference) config_.has_inference = true;
    if (section_ == Section::ingestion) config_.has_ingestion = true;
    return;
  }
  if (line.starts_with("==")) {
    section_ = Section::none;
    ++unknown_keys_;
    return;
  }
  if (section_ == Section::none) return;
  if (section_ == Section::sensors) return sensor_line(line);
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) {
    ++unknown_keys_;
    return;
  }
  key_value(trim(line.substr(0, colon)), trim(line.substr(colon + 1)));
}

void DeviceConfigReader::sensor_line(std::string_view line) {
  SensorEntry sensor;
  bool cut = false;
  if (!parse_sensor(line, sensor, cut)) return problem(ConfigProblem::Kind::bad_sensor_line);
  SensorEntry* entry = config_.add_sensor();
  if (entry == nullptr) return problem(ConfigProblem::Kind::too_many_sensors);
  *entry = sensor;
  if (cut) problem(ConfigProblem::Kind::cut_value);
}

void DeviceConfigReader::key_value(std::string_view key, std::string_view value) {
  bool known = false;
  switch (section_) {
    case Section::device_info:
      known = device_info_key(key, value);
      break;
    case Section::snapshot:
      known = snapshot_key(key, value);
      break;
    case Section::inference:
      known = inference_key(key, value);
      break;
    case Section::wifi:
      known = wifi_key(key, value);
      break;
    case Section::sampling:
      known = sampling_key(key, value);
      break;
    case Section::ingestion:
      known = ingestion_key(key, value);
      break;
    case Section::upload:
      known = upload_key(key, value);
      break;
    case Section::remote_management:
      known = remote_key(key, value);
      break;
    case Section::none:
    case Section::sensors:
      break;
  }
  if (!known) ++unknown_keys_;
}

bool DeviceConfigReader::device_info_key(std::string_view key, std::string_view value) {
  if (equals_ignoring_case(key, "id")) return text(config_.id, value);
  if (equals_ignoring_case(key, "type")) return text(config_.type, value);
  if (equals_ignoring_case(key, "at version")) {
    if (const auto version = parse_at_version(value)) {
      config_.at_version = *version;
    } else {
      problem(ConfigProblem::Kind::bad_value);
    }
    return true;
  }
  if (!equals_ignoring_case(key, "data transfer baudrate")) return false;
  // Boards say UNKNOWN here; that is not a problem.
  config_.transfer_baud = parse_u32(value).value_or(0);
  return true;
}

bool DeviceConfigReader::snapshot_key(std::string_view key, std::string_view value) {
  if (equals_ignoring_case(key, "has snapshot")) {
    config_.has_snapshot = is_one(value);
    return true;
  }
  if (equals_ignoring_case(key, "supports stream")) {
    config_.supports_snapshot_stream = is_one(value);
    return true;
  }
  if (equals_ignoring_case(key, "color depth")) {
    if (value == "RGB") {
      config_.color_depth = ColorDepth::rgb;
    } else if (value == "Grayscale") {
      config_.color_depth = ColorDepth::grayscale;
    } else {
      problem(ConfigProblem::Kind::bad_value);
    }
    return true;
  }
  if (!equals_ignoring_case(key, "resolutions")) return false;
  resolutions(value);
  return true;
}

void DeviceConfigReader::resolutions(std::string_view value) {
  if (!take(value, "[") || !value.ends_with("]")) return problem(ConfigProblem::Kind::bad_value);
  value.remove_suffix(1);
  config_.resolution_count = 0;
  while (!trim(value).empty()) {
    const auto end = value.find(',');
    const auto item = trim(value.substr(0, end));
    const auto cross = item.find('x');
    const auto width = parse_unsigned(item.substr(0, cross), UINT16_MAX);
    const auto height = cross == std::string_view::npos ? width : parse_unsigned(item.substr(cross + 1), UINT16_MAX);
    if (cross == std::string_view::npos || !width || !height) return problem(ConfigProblem::Kind::bad_value);
    if (config_.resolution_count == kMaxResolutions) return problem(ConfigProblem::Kind::cut_value);
    config_.resolution_list[config_.resolution_count++] =
        Resolution{static_cast<std::uint16_t>(*width), static_cast<std::uint16_t>(*height)};
    if (end == std::string_view::npos) return;
    value.remove_prefix(end + 1);
  }
}

bool DeviceConfigReader::inference_key(std::string_view key, std::string_view value) {
  if (equals_ignoring_case(key, "sensor")) return integer(config_.inference_sensor, value);
  if (equals_ignoring_case(key, "model type")) return text(config_.model_type, value);
  return false;
}

bool DeviceConfigReader::wifi_key(std::string_view key, std::string_view value) {
  if (equals_ignoring_case(key, "ssid")) return text(config_.wifi_ssid, value);
  if (equals_ignoring_case(key, "password")) return text(config_.wifi_password, value);
  if (equals_ignoring_case(key, "security")) return integer(config_.wifi_security, value);
  if (equals_ignoring_case(key, "mac")) return text(config_.wifi_mac, value);
  if (equals_ignoring_case(key, "connected")) {
    config_.wifi_connected = is_one(value);
    return true;
  }
  if (!equals_ignoring_case(key, "present")) return false;
  config_.wifi_present = is_one(value);
  return true;
}

bool DeviceConfigReader::sampling_key(std::string_view key, std::string_view value) {
  if (equals_ignoring_case(key, "label")) return text(config_.label, value);
  if (equals_ignoring_case(key, "interval")) {
    const auto interval = parse_double(without_ms(value));
    if (interval && *interval >= 0) {
      config_.interval_ms = *interval;
    } else {
      problem(ConfigProblem::Kind::bad_value);
    }
    return true;
  }
  if (equals_ignoring_case(key, "length")) return integer(config_.length_ms, without_ms(value));
  if (equals_ignoring_case(key, "hmac key")) return text(config_.hmac_key, value);
  return false;
}

bool DeviceConfigReader::ingestion_key(std::string_view key, std::string_view value) {
  if (equals_ignoring_case(key, "sensor")) return text(config_.ingestion_sensor, value);
  if (equals_ignoring_case(key, "cycle length")) return integer(config_.cycle_length_ms, without_ms(value));
  if (equals_ignoring_case(key, "cycle interval")) return integer(config_.cycle_interval_ms, without_ms(value));
  return false;
}

bool DeviceConfigReader::upload_key(std::string_view key, std::string_view value) {
  if (equals_ignoring_case(key, "api key")) return text(config_.api_key, value);
  if (equals_ignoring_case(key, "host")) return text(config_.upload_host, value);
  if (equals_ignoring_case(key, "path")) return text(config_.upload_path, value);
  return false;
}

bool DeviceConfigReader::remote_key(std::string_view key, std::string_view value) {
  if (equals_ignoring_case(key, "url")) return text(config_.mgmt_url, value);
  if (equals_ignoring_case(key, "last error")) return text(config_.mgmt_last_error, value);
  if (!equals_ignoring_case(key, "connected")) return false;
  config_.mgmt_connected = is_one(value);
  return true;
}

void DeviceConfigReader::feed(std::string_view piece) {
  while (!piece.empty()) {
    if (after_cr_ && piece.front() == '\n') {
      after_cr_ = false;
      piece.remove_prefix(1);
      continue;
    }
    after_cr_ = false;
    const auto end = piece.find_first_of("\r\n");
    partial_cut_ = !partial_.append(piece.substr(0, end)) || partial_cut_;
    if (end == std::string_view::npos) return;
    after_cr_ = piece[end] == '\r';
    piece.remove_prefix(end + 1);
    end_line();
  }
}

void DeviceConfigReader::end_line() {
  line(partial_);
  if (partial_cut_) problem(ConfigProblem::Kind::cut_value);
  partial_.clear();
  partial_cut_ = false;
}

void DeviceConfigReader::finish() {
  if (!partial_.empty()) end_line();
  current_ = {};
}

}  // namespace tml::wire
