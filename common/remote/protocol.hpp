// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Messages of the remote management connection (wire reference 2.6): what a tool says for a device, and what the server
// may say to it, as JSON text or CBOR. The encoding of the hello decides that of the connection; the server answers in
// kind. Pure functions over bytes; no I/O, any thread.
//
// Downside of the format: a message has no id, so an answer belongs to whatever request is under way. Hence one sample
// request per board at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/base/error.hpp"

namespace tml::remote {

enum class Encoding : std::uint8_t { json, cbor };

struct HelloSensor {
  std::string name;
  std::uint32_t max_length_s = 0;
  std::vector<double> frequencies_hz;
};

struct Hello {
  std::string api_key;
  std::string device_id;
  std::string device_type;
  std::vector<HelloSensor> sensors;
  bool snapshots = false;  ///< supportsSnapshotStreaming.
};

// Device to server. Each is one frame: text for JSON, binary for CBOR.

/// Version 4, connection "daemon", mode "ingestion".
[[nodiscard]] std::string hello_message(const Hello& hello, Encoding encoding = Encoding::json);
[[nodiscard]] std::string sample_accepted_message(Encoding encoding = Encoding::json);
/// Refusal of a request, or its failure later on.
[[nodiscard]] std::string sample_failed_message(std::string_view error, Encoding encoding = Encoding::json);
[[nodiscard]] std::string sample_started_message(Encoding encoding = Encoding::json);
/// `percent` is cut to 0..100; none = unknown, sent as -1.
[[nodiscard]] std::string sample_reading_message(std::optional<int> percent, Encoding encoding = Encoding::json);
[[nodiscard]] std::string sample_processing_message(Encoding encoding = Encoding::json);
[[nodiscard]] std::string sample_uploading_message(Encoding encoding = Encoding::json);
[[nodiscard]] std::string sample_finished_message(Encoding encoding = Encoding::json);
[[nodiscard]] std::string snapshot_started_message(Encoding encoding = Encoding::json);
[[nodiscard]] std::string snapshot_stopped_message(Encoding encoding = Encoding::json);
/// The stream did not start, or ended by itself.
[[nodiscard]] std::string snapshot_failed_message(std::string_view error, Encoding encoding = Encoding::json);
/// One picture of the stream, in base64 also where the connection is CBOR (wire reference 2.6). At most 5 per second.
[[nodiscard]] std::string snapshot_frame_message(std::span<const std::byte> jpeg, Encoding encoding = Encoding::json);

/// A camera of this size as hello names it, and sample requests ask for it: "Camera (96x96)" (wire reference 2.6).
[[nodiscard]] std::string camera_sensor_name(std::uint32_t width, std::uint32_t height);
/// Width and height of such a name; none for any other.
[[nodiscard]] std::optional<std::pair<std::uint32_t, std::uint32_t>> parse_camera_sensor(std::string_view name);
/// maxSampleLengthS of a camera (wire reference 2.6).
inline constexpr std::uint32_t kCameraMaxLengthS = 60'000;

// Server to device.

struct HelloReply {
  bool accepted = false;
  std::string error;                      ///< When not accepted.
  std::optional<std::int64_t> server_ms;  ///< serverTimestamp.
};
struct ServerError {
  std::string text;
};
struct SampleCommand {
  std::string label;
  std::uint32_t length_ms = 0;
  double interval_ms = 0;
  std::string path;      ///< "/api/training/data"
  std::string hmac_key;  ///< May be empty: the board's own.
  std::string sensor;    ///< May be empty: the board's first.
};
/// Stream pictures until StopSnapshot: of the smallest resolution, or with `high` of the largest.
struct StartSnapshot {
  bool high = false;
};
struct StopSnapshot {};
/// What a device without models is asked for, answered by unsupported_reply().
enum class UnsupportedRequest : std::uint8_t {
  start_inference,
  stop_inference,
  new_model,
  impulse_records,
};
/// Nothing to do: an acknowledgement, or a message that this version does not know.
struct Ignored {
  std::string keys;  ///< For the log, at most 128 characters.
};

using ServerMessage =
    std::variant<HelloReply, ServerError, SampleCommand, StartSnapshot, StopSnapshot, UnsupportedRequest, Ignored>;

/// Errc::malformed for anything but a map, and for a `sample` with a missing or mistyped field (what names it);
/// Errc::limit for a message beyond the bounds (64 KiB, depth 8).
[[nodiscard]] Result<ServerMessage> parse_server_message(std::string_view bytes, Encoding encoding = Encoding::json);

/// What wire reference 2.6 has a device answer that cannot do it.
[[nodiscard]] std::string unsupported_reply(UnsupportedRequest request, Encoding encoding = Encoding::json);
/// The same for a device that has no camera either; none for a message that is no such request.
[[nodiscard]] std::optional<std::string> unsupported_reply(const ServerMessage& message,
                                                           Encoding encoding = Encoding::json);

/// Whether the reason of a refused hello is about the key, so that trying again with the same one is of no use.
[[nodiscard]] bool is_auth_refusal(std::string_view reason);

}  // namespace tml::remote
