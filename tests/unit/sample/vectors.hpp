// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The two signed documents whose MACs wire reference 6.2 gives, built from the facts there.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "common/sample/writer.hpp"

namespace tml::sample::test {

inline constexpr const char* kKey = "fed53116f20684c067774ebf9e7bcbdc";
inline constexpr const char* kJsonMac = "7c3c01c0f6c192a56e49b6578eda7f95dd0ac9ece33f162675fdf183bf0ecb1e";
inline constexpr const char* kCborMac = "f0bc94ee616f902a5dbce2a32f3946873831a746b8019bb3b3eb0850a9b17048";

inline Header vector_header() {
  Header header;
  header.device_name = "ac:87:a3:0a:2d:1b";
  header.device_type = "DISCO-L475VG-IOT01A";
  header.interval_ms = 10;
  header.sensors = {{"accX", "m/s2"}, {"accY", "m/s2"}, {"accZ", "m/s2"}};
  return header;
}

inline std::string json_vector() {
  Header header = vector_header();
  header.issued_at_s = 1564128599;
  const double values[] = {-9.81, 0.03, 1.21, -9.83, 0.04, 1.27, -9.12, 0.03, 1.23, -9.14, 0.01, 1.25};
  return write_json(header, values).value();
}

inline std::string cbor_vector() {
  // The C SDK takes floats, which as doubles are exact singles.
  const float singles[] = {-9.81F, 0.03F, 1.21F, -9.83F, 0.04F, 1.28F, -9.12F, 0.03F, 1.23F, -9.14F, 0.01F, 1.25F};
  const std::vector<double> values(std::begin(singles), std::end(singles));
  return write_cbor(vector_header(), values).value();
}

inline std::span<std::byte> writable(std::string& text) {
  return std::as_writable_bytes(std::span(text.data(), text.size()));
}

}  // namespace tml::sample::test
