// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/serial/device_info.hpp"

#include <memory>

#include "common/wire/device_config.hpp"

namespace tml::serial {
namespace {

std::string own(std::string_view text) { return std::string(text); }

tl::unexpected<Error> malformed(const wire::ConfigProblem& problem, const std::string& where) {
  std::string what = "board's answer to AT+CONFIG? is malformed: ";
  switch (problem.kind) {
    case wire::ConfigProblem::Kind::bad_sensor_line:
      what += "cannot read a sensor";
      break;
    case wire::ConfigProblem::Kind::too_many_sensors:
      what += "more than 16 sensors";
      break;
    case wire::ConfigProblem::Kind::bad_value:
      what += "cannot read a value";
      break;
    case wire::ConfigProblem::Kind::cut_value:
      what += "a value is too long";
      break;
  }
  what += " in line " + std::to_string(problem.line_number) + " (" + own(problem.line) + ")";
  return fail(Errc::malformed, std::move(what), where,
              "Try again; if it stays, the firmware prints what no host can read");
}

}  // namespace

Result<DeviceInfo> parse_device_info(std::string_view text, const std::string& where) {
  // Some kilobytes: too much for a coroutine's or thread's stack to carry along.
  const auto config = std::make_unique<wire::DeviceConfig>();
  wire::DeviceConfigReader reader(*config);
  reader.feed(text);
  reader.finish();
  if (!reader.problems().empty()) return malformed(reader.problems().front(), where);
  if (reader.sections() == 0) {
    const std::string_view first = text.substr(0, text.find('\n'));
    return fail(Errc::malformed,
                "board's answer to AT+CONFIG? is no configuration: line 1 is \"" + own(first.substr(0, 120)) + "\"",
                where, "The board may run another firmware");
  }
  DeviceInfo info;
  info.id = own(config->id);
  info.type = own(config->type);
  info.at_version = AtVersion{config->at_version.major, config->at_version.minor, config->at_version.patch};
  info.transfer_baud = config->transfer_baud;
  for (const wire::SensorEntry& entry : config->sensors()) {
    SensorInfo sensor;
    sensor.name = own(entry.name);
    sensor.max_length_s = entry.max_length_s;
    sensor.frequencies_hz.assign(entry.frequencies().begin(), entry.frequencies().end());
    info.sensors.push_back(std::move(sensor));
  }
  info.snapshot.available = config->has_snapshot;
  info.snapshot.stream = config->supports_snapshot_stream;
  info.snapshot.colour = config->color_depth == wire::ColorDepth::rgb;
  for (const wire::Resolution& resolution : config->resolutions()) {
    info.snapshot.resolutions.emplace_back(resolution.width, resolution.height);
  }
  info.inference.present = config->has_inference;
  info.inference.sensor = config->inference_sensor;
  info.inference.model_type = own(config->model_type);
  info.wifi.present = config->wifi_present;
  info.wifi.connected = config->wifi_connected;
  info.wifi.ssid = own(config->wifi_ssid);
  info.wifi.security = config->wifi_security;
  info.label = own(config->label);
  info.interval_ms = config->interval_ms;
  info.length_ms = config->length_ms;
  info.hmac_key = own(config->hmac_key);
  info.api_key = own(config->api_key);
  info.upload_host = own(config->upload_host);
  info.upload_path = own(config->upload_path);
  info.mgmt_url = own(config->mgmt_url);
  info.mgmt_connected = config->mgmt_connected;
  info.mgmt_last_error = own(config->mgmt_last_error);
  info.unknown_keys = reader.unknown_keys();
  return info;
}

}  // namespace tml::serial
