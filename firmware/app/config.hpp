// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The settings that a host writes with AT commands. Limits and defaults: wire reference 1.14 (a 128 byte C string there
// holds 127 characters).
#pragma once

#include <cstdint>

#include "firmware/app/text.hpp"

namespace tml::fw::app {

inline constexpr std::size_t kMaxText = 127;
inline constexpr std::size_t kMaxHmacKey = 32;
inline constexpr std::size_t kMaxDeviceId = 31;
inline constexpr std::size_t kMaxSensorLabel = 64;

struct Config {
  Text<kMaxDeviceId> device_id;  ///< Empty: SystemInfo::default_device_id.
  Text<kMaxText> wifi_ssid;
  Text<kMaxText> wifi_password;
  std::uint32_t wifi_security = 0;
  Text<kMaxText> label{"test"};
  float interval_ms = 10.0F;
  std::uint32_t length_ms = 10000;
  Text<kMaxHmacKey> hmac_key{"please-set-me"};
  Text<kMaxText> api_key;
  Text<kMaxText> upload_host;
  Text<kMaxText> upload_path;
  Text<kMaxText> mgmt_url;
  Text<kMaxSensorLabel> cycle_sensor;
  std::uint32_t cycle_length_ms = 0;
  std::uint32_t cycle_interval_ms = 0;
};

/// Calls visit(id, member of a, member of b) for each field. The ids are stored in flash: never reuse or change one.
template <class A, class B, class Visit>
void for_each_field(A& a, B& b, Visit&& visit) {
  visit(std::uint8_t{1}, a.device_id, b.device_id);
  visit(std::uint8_t{2}, a.wifi_ssid, b.wifi_ssid);
  visit(std::uint8_t{3}, a.wifi_password, b.wifi_password);
  visit(std::uint8_t{4}, a.wifi_security, b.wifi_security);
  visit(std::uint8_t{5}, a.label, b.label);
  visit(std::uint8_t{6}, a.interval_ms, b.interval_ms);
  visit(std::uint8_t{7}, a.length_ms, b.length_ms);
  visit(std::uint8_t{8}, a.hmac_key, b.hmac_key);
  visit(std::uint8_t{9}, a.api_key, b.api_key);
  visit(std::uint8_t{10}, a.upload_host, b.upload_host);
  visit(std::uint8_t{11}, a.upload_path, b.upload_path);
  visit(std::uint8_t{12}, a.mgmt_url, b.mgmt_url);
  visit(std::uint8_t{13}, a.cycle_sensor, b.cycle_sensor);
  visit(std::uint8_t{14}, a.cycle_length_ms, b.cycle_length_ms);
  visit(std::uint8_t{15}, a.cycle_interval_ms, b.cycle_interval_ms);
}

}  // namespace tml::fw::app
