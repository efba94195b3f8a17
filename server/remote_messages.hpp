// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Messages of the remote-management WebSocket (wire reference 2.6), read from and written to JSON text or CBOR. The
// encoding of a client's first message decides that of the connection. Pure functions; bounded; hostile input is an
// error, never a crash.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/error.hpp"

namespace tml::server {

enum class Encoding : std::uint8_t { json, cbor };

struct DeviceSensor {
  std::string name;
  double max_sample_length_s = 0;
  std::vector<double> frequencies_hz;
};

struct Hello {
  int version = 1;
  std::string api_key;
  std::string device_id;
  std::string device_type;
  std::string connection;  ///< "daemon", "ip", or empty.
  std::vector<DeviceSensor> sensors;
  bool supports_snapshots = false;
  std::string mode = "ingestion";  ///< Or "inference".
  std::string inference_info;      ///< JSON object, or empty.
};

/// What a device reports while it works on a sample.
struct SampleReport {
  enum class Kind : std::uint8_t { accepted, failed, started, reading, processing, uploading, finished };
  Kind kind = Kind::accepted;
  std::string error;               ///< failed only.
  std::optional<double> progress;  ///< reading only, percent; absent when unknown (-1).
};

struct SnapshotReport {
  enum class Kind : std::uint8_t { started, stopped, failed, frame };
  Kind kind = Kind::started;
  std::string error;  ///< failed only.
  std::string jpeg;   ///< frame only: the bytes, which begin as a JPEG does.
};

/// Well formed, known, and of no consequence here (inference streams, impulse records).
struct OtherMessage {
  std::string key;
};

using DeviceMessage = std::variant<Hello, SampleReport, SnapshotReport, OtherMessage>;

/// Errc::malformed ("Failed to parse ...", as clients expect), Errc::limit.
[[nodiscard]] Result<DeviceMessage> read_message(std::string_view bytes, Encoding encoding);

struct SampleRequest {
  std::string label;
  std::int64_t length_ms = 0;
  double interval_ms = 0;
  std::string path;  ///< "/api/training/data"
  std::string hmac_key;
  std::string sensor;  ///< Empty = left out.
  /// Sent to clients of hello version 4 and newer only: microcontrollers refuse a request with keys that they do not
  /// know.
  std::optional<std::string> label_color;
  std::optional<std::int64_t> collected_sample_count;
  std::optional<std::int64_t> target_sample_count;
};

[[nodiscard]] std::string hello_accepted(std::int64_t server_ms, Encoding encoding);
[[nodiscard]] std::string hello_refused(std::string_view reason, Encoding encoding);
[[nodiscard]] std::string protocol_error(std::string_view reason, Encoding encoding);
[[nodiscard]] std::string sample_message(const SampleRequest& request, int hello_version, Encoding encoding);

/// `high` = the largest resolution the device has, else the smallest.
[[nodiscard]] std::string start_snapshot_message(bool high, Encoding encoding);
[[nodiscard]] std::string stop_snapshot_message(Encoding encoding);

/// The device object's `sensors` member, and back from the database's text.
[[nodiscard]] std::string sensors_text(const std::vector<DeviceSensor>& sensors);

}  // namespace tml::server
