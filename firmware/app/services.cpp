// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/services.hpp"

#include "common/wire/at_version.hpp"

namespace tml::fw::app {

const wire::DeviceConfig& Services::fill_report() {
  const Config& from = config.config();
  const hal::SystemInfo& info = board.system.info();
  report = wire::DeviceConfig{};
  report.id = device_id();
  report.type = info.device_type;
  report.at_version = wire::kOurAtVersion;
  report.transfer_baud = info.transfer_baud;
  for (const hal::Sensor* const sensor : board.sensors) {
    wire::SensorEntry* const entry = report.add_sensor();
    if (entry == nullptr) break;
    entry->name = sensor->info().name;
    entry->max_length_s = sensor->info().max_seconds;
    for (const float hz : sensor->info().frequencies_hz) (void)entry->add_frequency(static_cast<double>(hz));
  }
  if (board.camera != nullptr) {
    const hal::CameraInfo& camera = board.camera->info();
    report.has_snapshot = true;
    report.supports_snapshot_stream = true;
    report.color_depth = camera.depth == hal::ColourDepth::rgb ? wire::ColorDepth::rgb : wire::ColorDepth::grayscale;
    for (const hal::CameraResolution& resolution : camera.resolutions) {
      if (report.resolution_count == report.resolution_list.size()) break;
      report.resolution_list[report.resolution_count++] = {resolution.width, resolution.height};
    }
  }
  report.wifi_ssid = from.wifi_ssid.view();
  report.wifi_password = from.wifi_password.view();
  report.wifi_security = static_cast<std::int32_t>(from.wifi_security);
  report.label = from.label.view();
  report.interval_ms = static_cast<double>(from.interval_ms);
  report.length_ms = from.length_ms;
  report.hmac_key = from.hmac_key.view();
  report.has_ingestion = true;
  report.ingestion_sensor = from.cycle_sensor.view();
  report.cycle_length_ms = from.cycle_length_ms;
  report.cycle_interval_ms = from.cycle_interval_ms;
  report.api_key = from.api_key.view();
  report.upload_host = from.upload_host.view();
  report.upload_path = from.upload_path.view();
  report.mgmt_url = from.mgmt_url.view();
  return report;
}

}  // namespace tml::fw::app
