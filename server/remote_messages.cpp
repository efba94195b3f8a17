// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/remote_messages.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <span>

#include "common/base/json.hpp"
#include "common/wire/base64.hpp"

namespace tml::server {
namespace {

constexpr JsonLimits kLimits{12, 20'000, std::size_t{2} << 20U};
constexpr std::size_t kMaxText = 256;
constexpr std::size_t kMaxSensors = 128;
constexpr std::size_t kMaxFrequencies = 64;

Result<Json> decode(std::string_view bytes, Encoding encoding) {
  auto parsed =
      encoding == Encoding::json ? parse_json(bytes, "message", kLimits) : parse_cbor(bytes, "message", kLimits);
  if (!parsed) return fail(parsed.error().code, "Failed to parse message: " + parsed.error().message());
  return parsed;
}

std::string encode(const Json& message, Encoding encoding) {
  if (encoding == Encoding::json) return json_text(message);
  std::string out;
  Json::to_cbor(message, nlohmann::detail::output_adapter<char>(out));
  return out;
}

/// The JSON library writes a number as a single float where that is exact, but some microcontrollers read an interval
/// only as an integer or a double (wire reference 2.6). The byte searched for occurs in no text: it is no UTF-8.
void widen_interval(std::string& cbor, double interval_ms) {
  constexpr std::string_view kSingle = "\x68interval\xfa";
  const std::size_t at = cbor.find(kSingle);
  if (at == std::string::npos) return;
  const auto bits = std::bit_cast<std::uint64_t>(interval_ms);
  std::string wide(1, '\xfb');
  for (int shift = 56; shift >= 0; shift -= 8) wide.push_back(static_cast<char>(bits >> shift & 0xFFU));
  cbor.replace(at + kSingle.size() - 1, 1 + sizeof(float), wide);
}

std::string text_or_empty(const Json& object, std::string_view key) {
  return json_string(object, key).value_or(std::string());
}

/// A sensor that a version 1 client only names (wire reference 2.6, hello version 1).
DeviceSensor named_sensor(const std::string& name) {
  if (name == "Built-in accelerometer") return {name, 300, {62.5, 100}};
  if (name == "Built-in microphone") return {name, 60, {16'000}};
  return {name, 60, {100}};
}

Result<std::vector<DeviceSensor>> read_sensors(const Json& hello) {
  std::vector<DeviceSensor> sensors;
  const Json* list = json_member(hello, "sensors");
  if (list == nullptr || list->is_null()) return sensors;
  if (!list->is_array() || list->size() > kMaxSensors)
    return fail(Errc::malformed, "hello.sensors is no list, or too long");
  for (const Json& item : *list) {
    if (item.is_string()) {
      sensors.push_back(named_sensor(item.get<std::string>()));
    } else if (item.is_object()) {
      DeviceSensor sensor;
      sensor.name = text_or_empty(item, "name");
      sensor.max_sample_length_s = json_number(item, "maxSampleLengthS").value_or(60);
      if (const Json* frequencies = json_member(item, "frequencies");
          frequencies != nullptr && frequencies->is_array()) {
        for (const Json& f : *frequencies) {
          if (f.is_number() && sensor.frequencies_hz.size() < kMaxFrequencies)
            sensor.frequencies_hz.push_back(f.get<double>());
        }
      }
      sensors.push_back(std::move(sensor));
    } else {
      return fail(Errc::malformed, "hello.sensors holds something else than texts and objects");
    }
    if (sensors.back().name.empty() || sensors.back().name.size() > kMaxText) {
      return fail(Errc::malformed, "a sensor in hello has no name, or one that is too long");
    }
  }
  return sensors;
}

Result<Hello> read_hello(const Json& body) {
  if (!body.is_object()) return fail(Errc::malformed, "hello must be an object");
  Hello hello;
  const auto version = json_number(body, "version").value_or(1);
  if (!(version >= 1 && version < 1000)) return fail(Errc::malformed, "hello.version is not supported");
  hello.version = static_cast<int>(version);
  hello.api_key = text_or_empty(body, "apiKey");
  hello.device_id = text_or_empty(body, "deviceId");
  hello.device_type = text_or_empty(body, "deviceType");
  hello.connection = text_or_empty(body, "connection");
  hello.supports_snapshots = json_bool(body, "supportsSnapshotStreaming").value_or(false);
  if (const auto mode = json_string(body, "mode"); mode && *mode == "inference") hello.mode = *mode;
  if (const Json* info = json_member(body, "inferenceInfo"); info != nullptr && info->is_object()) {
    hello.inference_info = json_text(*info);
  }
  if (hello.api_key.empty()) return fail(Errc::malformed, "hello.apiKey is missing");
  if (hello.device_id.empty()) return fail(Errc::malformed, "hello.deviceId is missing");
  for (const std::string* text : {&hello.api_key, &hello.device_id, &hello.device_type, &hello.connection}) {
    if (text->size() > kMaxText) return fail(Errc::limit, "a text in hello is longer than 256 bytes");
  }
  auto sensors = read_sensors(body);
  if (!sensors) return pass(sensors.error());
  hello.sensors = std::move(*sensors);
  return hello;
}

std::string error_text(const Json& message) {
  auto text = json_string(message, "error");
  if (!text) text = json_string(message, "err");
  if (!text || text->empty()) return "the device gave no reason";
  if (text->size() > 4 * kMaxText) text->resize(4 * kMaxText);
  return *text;
}

std::optional<SampleReport> read_sample_report(const Json& message) {
  using Kind = SampleReport::Kind;
  if (const Json* sample = json_member(message, "sample"); sample != nullptr && sample->is_boolean()) {
    if (sample->get<bool>()) return SampleReport{Kind::accepted, {}, {}};
    return SampleReport{Kind::failed, error_text(message), {}};
  }
  if (message.contains("sampleReading")) {
    SampleReport report{Kind::reading, {}, json_number(message, "progressPercentage")};
    if (report.progress && !(*report.progress >= 0 && *report.progress <= 100)) report.progress.reset();
    return report;
  }
  static constexpr std::array<std::pair<const char*, Kind>, 4> kPlain = {{{"sampleStarted", Kind::started},
                                                                          {"sampleProcessing", Kind::processing},
                                                                          {"sampleUploading", Kind::uploading},
                                                                          {"sampleFinished", Kind::finished}}};
  for (const auto& [key, kind] : kPlain) {
    if (message.contains(key)) return SampleReport{kind, {}, {}};
  }
  return std::nullopt;
}

/// The picture of a frame; none for one that is no base64 or no JPEG.
std::optional<std::string> read_jpeg(const Json& frame) {
  if (!frame.is_string()) return std::nullopt;
  const std::string& text = frame.get_ref<const std::string&>();
  std::string bytes(wire::base64_max_decoded_size(text.size()) + 3, '\0');
  const auto size = wire::base64_decode(text, std::as_writable_bytes(std::span(bytes)));
  if (!size) return std::nullopt;
  bytes.resize(*size);
  if (!bytes.starts_with("\xFF\xD8\xFF")) return std::nullopt;
  return bytes;
}

std::optional<SnapshotReport> read_snapshot_report(const Json& message) {
  using Kind = SnapshotReport::Kind;
  if (message.contains("snapshotStarted")) return SnapshotReport{Kind::started, {}, {}};
  if (message.contains("snapshotStopped")) return SnapshotReport{Kind::stopped, {}, {}};
  if (message.contains("snapshotFailed")) return SnapshotReport{Kind::failed, error_text(message), {}};
  if (const Json* frame = json_member(message, "snapshotFrame")) {
    auto jpeg = read_jpeg(*frame);
    if (jpeg) return SnapshotReport{Kind::frame, {}, *std::move(jpeg)};
  }
  return std::nullopt;
}

}  // namespace

Result<DeviceMessage> read_message(std::string_view bytes, Encoding encoding) {
  auto message = decode(bytes, encoding);
  if (!message) return pass(message.error());
  if (!message->is_object() || message->empty())
    return fail(Errc::malformed, "Failed to parse message: not an object with a key");
  if (const Json* body = json_member(*message, "hello")) {
    auto hello = read_hello(*body);
    if (!hello) return pass(hello.error());
    return DeviceMessage(std::move(*hello));
  }
  if (auto report = read_sample_report(*message)) return DeviceMessage(std::move(*report));
  if (auto report = read_snapshot_report(*message)) return DeviceMessage(std::move(*report));
  return DeviceMessage(OtherMessage{message->begin().key().substr(0, kMaxText)});
}

std::string hello_accepted(std::int64_t server_ms, Encoding encoding) {
  return encode({{"hello", true}, {"serverTimestamp", server_ms}}, encoding);
}

std::string hello_refused(std::string_view reason, Encoding encoding) {
  return encode({{"hello", false}, {"err", std::string(reason)}}, encoding);
}

std::string protocol_error(std::string_view reason, Encoding encoding) {
  return encode({{"err", std::string(reason)}}, encoding);
}

std::string sample_message(const SampleRequest& request, int hello_version, Encoding encoding) {
  Json sample = {
      {"label", request.label}, {"length", request.length_ms}, {"path", request.path}, {"hmacKey", request.hmac_key}};
  // A whole number goes out as an integer: some decoders take an integer or a double, but no half or single float.
  if (request.interval_ms == std::floor(request.interval_ms) && request.interval_ms < 1e9) {
    sample["interval"] = static_cast<std::int64_t>(request.interval_ms);
  } else {
    sample["interval"] = request.interval_ms;
  }
  if (!request.sensor.empty()) sample["sensor"] = request.sensor;
  constexpr int kTolerantVersion = 4;
  if (hello_version >= kTolerantVersion) {
    if (request.label_color) sample["labelColor"] = *request.label_color;
    if (request.collected_sample_count) sample["collectedSampleCount"] = *request.collected_sample_count;
    if (request.target_sample_count) sample["targetSampleCount"] = *request.target_sample_count;
  }
  std::string message = encode({{"sample", std::move(sample)}}, encoding);
  if (encoding == Encoding::cbor) widen_interval(message, request.interval_ms);
  return message;
}

std::string start_snapshot_message(bool high, Encoding encoding) {
  return encode({{"startSnapshot", true}, {"resolution", high ? "high" : "low"}}, encoding);
}

std::string stop_snapshot_message(Encoding encoding) { return encode({{"stopSnapshot", true}}, encoding); }

std::string sensors_text(const std::vector<DeviceSensor>& sensors) {
  Json list = Json::array();
  for (const auto& sensor : sensors) {
    list.push_back({{"name", sensor.name},
                    {"maxSampleLengthS", sensor.max_sample_length_s},
                    {"frequencies", sensor.frequencies_hz}});
  }
  return json_text(list);
}

}  // namespace tml::server
