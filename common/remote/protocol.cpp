// SPDX-License-Identifier: Apache-2.0
#include "common/remote/protocol.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

#include "common/base/json.hpp"
#include "common/wire/base64.hpp"
#include "common/wire/number.hpp"

namespace tml::remote {
namespace {

constexpr JsonLimits kMessageLimits{8, 2000, std::size_t{64} * 1024};
constexpr std::size_t kMaxText = 1024;
constexpr double kMaxLengthMs = 4'294'967'295.0;

std::string encode(const Json& message, Encoding encoding) {
  if (encoding == Encoding::json) return json_text(message);
  std::string bytes;
  Json::to_cbor(message, bytes);
  return bytes;
}

std::string flag_message(const char* key, Encoding encoding) { return encode(Json{{key, true}}, encoding); }

std::string failed(const char* key, std::string_view error, Encoding encoding) {
  return encode(Json{{key, false}, {"error", std::string(error)}}, encoding);
}

tl::unexpected<Error> bad_field(const char* field, const char* why) {
  return fail(Errc::malformed, std::string("sample request: ") + field + " " + why);
}

Result<std::string> text_field(const Json& object, const char* name, bool required) {
  const Json* member = json_member(object, name);
  if (member == nullptr || member->is_null()) {
    if (required) return bad_field(name, "is missing");
    return std::string{};
  }
  auto text = json_string(object, name);
  if (!text) return bad_field(name, "is no text");
  if (text->size() > kMaxText) return bad_field(name, "is too long");
  return *std::move(text);
}

Result<SampleCommand> parse_sample(const Json& object) {
  if (!object.is_object()) return fail(Errc::malformed, "sample request is no object");
  SampleCommand command;
  const std::array<std::pair<const char*, std::string*>, 4> texts{{{"label", &command.label},
                                                                   {"path", &command.path},
                                                                   {"hmacKey", &command.hmac_key},
                                                                   {"sensor", &command.sensor}}};
  for (const auto& [name, target] : texts) {
    const std::string_view view(name);
    auto text = text_field(object, name, view == "label" || view == "path");
    if (!text) return pass(text.error());
    *target = *std::move(text);
  }
  // Servers may leave out of a picture's request what it does not have.
  const bool picture = parse_camera_sensor(command.sensor).has_value();
  const double least = picture ? 0 : 1;
  const auto read = [&object, picture](const char* name) {
    auto number = json_number(object, name);
    if (!number && picture && json_member(object, name) == nullptr) number = 0;
    return number;
  };
  const auto length = read("length");
  if (!length || !std::isfinite(*length) || *length < least || *length > kMaxLengthMs) {
    return bad_field("length", "is no number of milliseconds");
  }
  command.length_ms = static_cast<std::uint32_t>(*length);
  const auto interval = read("interval");
  if (!interval || !std::isfinite(*interval) || *interval < 0 || (*interval == 0 && !picture) ||
      *interval > kMaxLengthMs) {
    return bad_field("interval", "is no number of milliseconds above 0");
  }
  command.interval_ms = *interval;
  if (command.path.empty() || command.path.front() != '/') return bad_field("path", "does not start with /");
  return command;
}

std::string key_list(const Json& object) {
  std::string keys;
  for (const auto& item : object.items()) {
    if (!keys.empty()) keys += ", ";
    keys += item.key();
    if (keys.size() > 128) break;
  }
  keys.resize(std::min<std::size_t>(keys.size(), 128));
  return keys;
}

}  // namespace

std::string hello_message(const Hello& hello, Encoding encoding) {
  Json sensors = Json::array();
  for (const HelloSensor& sensor : hello.sensors) {
    sensors.push_back(
        Json{{"name", sensor.name}, {"maxSampleLengthS", sensor.max_length_s}, {"frequencies", sensor.frequencies_hz}});
  }
  return encode(Json{{"hello", Json{{"version", 4},
                                    {"apiKey", hello.api_key},
                                    {"deviceId", hello.device_id},
                                    {"deviceType", hello.device_type},
                                    {"connection", "daemon"},
                                    {"sensors", std::move(sensors)},
                                    {"supportsSnapshotStreaming", hello.snapshots},
                                    {"mode", "ingestion"}}}},
                encoding);
}

std::string sample_accepted_message(Encoding encoding) { return flag_message("sample", encoding); }
std::string sample_failed_message(std::string_view error, Encoding encoding) {
  return failed("sample", error, encoding);
}
std::string sample_started_message(Encoding encoding) { return flag_message("sampleStarted", encoding); }
std::string sample_reading_message(std::optional<int> percent, Encoding encoding) {
  const int value = percent ? std::clamp(*percent, 0, 100) : -1;
  return encode(Json{{"sampleReading", true}, {"progressPercentage", value}}, encoding);
}
std::string sample_processing_message(Encoding encoding) { return flag_message("sampleProcessing", encoding); }
std::string sample_uploading_message(Encoding encoding) { return flag_message("sampleUploading", encoding); }
std::string sample_finished_message(Encoding encoding) { return flag_message("sampleFinished", encoding); }

std::string snapshot_started_message(Encoding encoding) { return flag_message("snapshotStarted", encoding); }
std::string snapshot_stopped_message(Encoding encoding) { return flag_message("snapshotStopped", encoding); }
std::string snapshot_failed_message(std::string_view error, Encoding encoding) {
  return encode(Json{{"snapshotFailed", true}, {"error", std::string(error)}}, encoding);
}
std::string snapshot_frame_message(std::span<const std::byte> jpeg, Encoding encoding) {
  std::string text(wire::base64_encoded_size(jpeg.size()), '\0');
  // The size is exact, so there is nothing that could fail.
  text.resize(wire::base64_encode(jpeg, text).value_or(0));
  return encode(Json{{"snapshotFrame", std::move(text)}, {"fileName", ""}}, encoding);
}

std::string camera_sensor_name(std::uint32_t width, std::uint32_t height) {
  return "Camera (" + std::to_string(width) + "x" + std::to_string(height) + ")";
}

std::optional<std::pair<std::uint32_t, std::uint32_t>> parse_camera_sensor(std::string_view name) {
  constexpr std::string_view kBefore = "Camera (";
  if (!name.starts_with(kBefore) || !name.ends_with(')')) return std::nullopt;
  name.remove_prefix(kBefore.size());
  name.remove_suffix(1);
  const std::size_t x = name.find('x');
  if (x == std::string_view::npos) return std::nullopt;
  const auto width = wire::parse_u32(name.substr(0, x));
  const auto height = wire::parse_u32(name.substr(x + 1));
  if (!width || !height || *width == 0 || *height == 0) return std::nullopt;
  return std::pair(*width, *height);
}

Result<ServerMessage> parse_server_message(std::string_view bytes, Encoding encoding) {
  auto json = encoding == Encoding::json ? parse_json(bytes, "remote management", kMessageLimits)
                                         : parse_cbor(bytes, "remote management", kMessageLimits);
  if (!json) return pass(json.error());
  if (!json->is_object()) return fail(Errc::malformed, "message is no map", "remote management");
  if (const Json* hello = json_member(*json, "hello"); hello != nullptr) {
    HelloReply reply;
    reply.accepted = hello->is_boolean() && hello->get<bool>();
    auto error = json_string(*json, "err");
    if (!error) error = json_string(*json, "error");
    if (!reply.accepted) reply.error = error.value_or("the server gave no reason").substr(0, kMaxText);
    reply.server_ms = json_integer(*json, "serverTimestamp");
    return reply;
  }
  if (const Json* sample = json_member(*json, "sample"); sample != nullptr) {
    auto command = parse_sample(*sample);
    if (!command) return pass(command.error());
    return *std::move(command);
  }
  if (auto error = json_string(*json, "err")) return ServerError{error->substr(0, kMaxText)};
  if (json_member(*json, "startSnapshot") != nullptr) {
    return StartSnapshot{json_string(*json, "resolution") == "high"};
  }
  if (json_member(*json, "stopSnapshot") != nullptr) return StopSnapshot{};
  static constexpr std::array<std::pair<const char*, UnsupportedRequest>, 4> kRequests{{
      {"startInferenceStream", UnsupportedRequest::start_inference},
      {"stopInferenceStream", UnsupportedRequest::stop_inference},
      {"newModelAvailable", UnsupportedRequest::new_model},
      {"impulseRecordRequest", UnsupportedRequest::impulse_records},
  }};
  for (const auto& [key, request] : kRequests) {
    if (json_member(*json, key) != nullptr) return request;
  }
  return Ignored{key_list(*json)};
}

std::string unsupported_reply(UnsupportedRequest request, Encoding encoding) {
  switch (request) {
    case UnsupportedRequest::start_inference:
      return encode(Json{{"inferenceStreamStarted", false}}, encoding);
    case UnsupportedRequest::stop_inference:
      return encode(Json{{"inferenceStreamStopped", false}}, encoding);
    case UnsupportedRequest::new_model:
      return failed("modelUpdateSuccess", "This device does not take models over remote management", encoding);
    case UnsupportedRequest::impulse_records:
      return failed("impulseRecordsResponse", "Model monitor not initialized", encoding);
  }
  return {};
}

std::optional<std::string> unsupported_reply(const ServerMessage& message, Encoding encoding) {
  if (const auto* request = std::get_if<UnsupportedRequest>(&message)) return unsupported_reply(*request, encoding);
  if (std::holds_alternative<StartSnapshot>(message)) {
    return snapshot_failed_message("Device does not support snapshot streaming", encoding);
  }
  if (std::holds_alternative<StopSnapshot>(message)) return snapshot_stopped_message(encoding);
  return std::nullopt;
}

bool is_auth_refusal(std::string_view reason) {
  std::string lower(reason);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  static constexpr std::array<std::string_view, 7> kWords{"api key",  "apikey",    "api_key",   "authent",
                                                          "unauthor", "forbidden", "credential"};
  return std::ranges::any_of(kWords, [&lower](std::string_view word) { return lower.find(word) != std::string::npos; });
}

}  // namespace tml::remote
