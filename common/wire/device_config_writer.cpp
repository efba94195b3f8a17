// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/at.hpp"
#include "common/wire/device_config.hpp"
#include "common/wire/number.hpp"

namespace tml::wire {
namespace {

class Fields {
 public:
  explicit Fields(TextSink out) : out_(out) {}

  void text(std::string_view key, std::string_view value) {
    begin(key);
    write_without_prompt(value, out_);
    out_("\n");
  }
  void number(std::string_view key, std::int64_t value, std::string_view unit = {}) {
    std::array<char, 20> digits{};
    begin(key);
    out_({digits.data(), format_signed(value, digits).value_or(0)});
    out_(unit);
    out_("\n");
  }
  void flag(std::string_view key, bool value) { number(key, value ? 1 : 0); }
  void fixed(double value, unsigned decimals, std::string_view unit) {
    std::array<char, 32> digits{};
    const auto size = format_fixed(value, decimals, digits);
    out_(size ? std::string_view(digits.data(), *size) : std::string_view("0"));
    out_(unit);
  }
  void begin(std::string_view key) {
    out_(key);
    out_(": ");
  }
  void raw(std::string_view text) { out_(text); }

 private:
  TextSink out_;
};

}  // namespace

bool SensorEntry::add_frequency(double hz) {
  if (frequency_count == kMaxFrequencies) return false;
  frequencies_hz[frequency_count++] = hz;
  return true;
}

SensorEntry* DeviceConfig::add_sensor() {
  if (sensor_count == kMaxSensors) return nullptr;
  SensorEntry& entry = sensor_list[sensor_count++];
  entry = SensorEntry{};
  return &entry;
}

const SensorEntry* DeviceConfig::find_sensor(std::string_view name) const {
  for (const SensorEntry& entry : sensors()) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

bool hmac_key_is_unset(std::string_view key) { return key.empty() || key == "please-set-me"; }

void write_device_info(const DeviceConfig& config, TextSink out) {
  Fields fields(out);
  fields.text("ID", config.id);
  fields.text("Type", config.type);
  std::array<char, 17> version{};
  fields.text("AT Version", {version.data(), format_at_version(config.at_version, version).value_or(0)});
  if (config.transfer_baud != 0) fields.number("Data Transfer Baudrate", config.transfer_baud);
}

void write_sensors(const DeviceConfig& config, TextSink out) {
  Fields fields(out);
  for (const SensorEntry& sensor : config.sensors()) {
    fields.begin("Name");
    write_without_prompt(sensor.name, out);
    std::array<char, 20> digits{};
    fields.raw(", Max sample length: ");
    fields.raw({digits.data(), format_unsigned(sensor.max_length_s, digits).value_or(0)});
    fields.raw("s, Frequencies: [");
    bool first = true;
    for (const double hz : sensor.frequencies()) {
      if (!first) fields.raw(", ");
      first = false;
      fields.fixed(hz, 2, "Hz");
    }
    fields.raw("]\n");
  }
}

void write_snapshot(const DeviceConfig& config, TextSink out) {
  Fields fields(out);
  fields.flag("Has snapshot", config.has_snapshot);
  if (!config.has_snapshot) return;
  fields.flag("Supports stream", config.supports_snapshot_stream);
  // Any other word makes the incumbent's host give up, so nothing is said where there is nothing to say.
  if (config.color_depth != ColorDepth::unknown) {
    fields.text("Color depth", config.color_depth == ColorDepth::rgb ? "RGB" : "Grayscale");
  }
  fields.raw("Resolutions: [ ");
  bool first = true;
  for (const Resolution& resolution : config.resolutions()) {
    std::array<char, 20> digits{};
    if (!first) fields.raw(", ");
    first = false;
    fields.raw({digits.data(), format_unsigned(resolution.width, digits).value_or(0)});
    fields.raw("x");
    fields.raw({digits.data(), format_unsigned(resolution.height, digits).value_or(0)});
  }
  fields.raw(" ]\n");
}

void write_inference(const DeviceConfig& config, TextSink out) {
  Fields fields(out);
  fields.number("Sensor", config.inference_sensor);
  if (!config.model_type.empty()) fields.text("Model type", config.model_type);
}

void write_wifi(const DeviceConfig& config, TextSink out) {
  Fields fields(out);
  fields.text("SSID", config.wifi_ssid);
  fields.text("Password", config.wifi_password);
  fields.number("Security", config.wifi_security);
  fields.text("MAC", config.wifi_mac);
  fields.flag("Connected", config.wifi_connected);
  fields.flag("Present", config.wifi_present);
}

void write_sampling(const DeviceConfig& config, TextSink out) {
  Fields fields(out);
  fields.text("Label", config.label);
  fields.begin("Interval");
  fields.fixed(config.interval_ms, 5, " ms.\n");
  fields.number("Length", config.length_ms, " ms.");
  fields.text("HMAC key", config.hmac_key);
}

void write_ingestion(const DeviceConfig& config, TextSink out) {
  Fields fields(out);
  fields.text("Sensor", config.ingestion_sensor);
  fields.number("Cycle length", config.cycle_length_ms, " ms.");
  fields.number("Cycle interval", config.cycle_interval_ms, " ms.");
}

void write_upload(const DeviceConfig& config, TextSink out) {
  Fields fields(out);
  fields.text("Api Key", config.api_key);
  fields.text("Host", config.upload_host);
  fields.text("Path", config.upload_path);
}

void write_remote_management(const DeviceConfig& config, TextSink out) {
  Fields fields(out);
  fields.text("URL", config.mgmt_url);
  fields.flag("Connected", config.mgmt_connected);
  fields.text("Last error", config.mgmt_last_error);
}

void write_device_config(const DeviceConfig& config, TextSink out) {
  out("===== Device info =====\n");
  write_device_info(config, out);
  out("\n===== Sensors ======\n");
  write_sensors(config, out);
  out("\n===== Snapshot ======\n");
  write_snapshot(config, out);
  if (config.has_inference) {
    out("\n===== Inference ======\n");
    write_inference(config, out);
  }
  out("\n===== WIFI =====\n");
  write_wifi(config, out);
  out("\n===== Sampling parameters =====\n");
  write_sampling(config, out);
  if (config.has_ingestion) {
    out("\n===== Ingestion parameters =====\n");
    write_ingestion(config, out);
  }
  out("\n===== Upload settings =====\n");
  write_upload(config, out);
  out("\n===== Remote management =====\n");
  write_remote_management(config, out);
  out("\n");
}

}  // namespace tml::wire
