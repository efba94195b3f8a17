// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/recording_acquisition.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace tml::fw::native {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 32;
constexpr std::string_view kBinaryPrefix =
    "ref-binary-";  // compared in lower case: two spellings exist, wire reference 6.5

// nlohmann recurses once per level: depth is bounded before it sees the text. Counts brackets outside strings.
bool json_too_deep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

// Builds nothing deeper than kMaxDepth and no more than the values that a recording may hold, and notes where the item
// ends.
class BoundedDom {
 public:
  using number_integer_t = Json::number_integer_t;
  using number_unsigned_t = Json::number_unsigned_t;
  using number_float_t = Json::number_float_t;
  using string_t = Json::string_t;
  using binary_t = Json::binary_t;

  explicit BoundedDom(Json& root) : dom_(root, false) {}
  bool null() { return room() && dom_.null(); }
  bool boolean(bool value) { return room() && dom_.boolean(value); }
  bool number_integer(number_integer_t value) { return room() && dom_.number_integer(value); }
  bool number_unsigned(number_unsigned_t value) { return room() && dom_.number_unsigned(value); }
  bool number_float(number_float_t value, const string_t& text) { return room() && dom_.number_float(value, text); }
  bool string(string_t& value) { return room() && dom_.string(value); }
  bool binary(binary_t& value) { return room() && dom_.binary(value); }
  bool key(string_t& value) { return dom_.key(value); }
  // A claimed element count is an attacker's number: the builder is told "unknown" and grows as elements come.
  bool start_object(std::size_t) { return down() && dom_.start_object(kUnknown); }
  bool end_object() { return up() && dom_.end_object(); }
  bool start_array(std::size_t) { return down() && dom_.start_array(kUnknown); }
  bool end_array() { return up() && dom_.end_array(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) {
    error_at_ = position;
    return false;
  }
  [[nodiscard]] bool over_limit() const { return over_limit_; }
  [[nodiscard]] std::size_t error_at() const { return error_at_; }

 private:
  static constexpr auto kUnknown = static_cast<std::size_t>(-1);
  bool room() {
    over_limit_ = over_limit_ || ++items_ > kMaxRecordingValues + 1000;
    return !over_limit_;
  }
  bool down() {
    over_limit_ = over_limit_ || ++depth_ > kMaxDepth;
    return !over_limit_ && room();
  }
  bool up() {
    --depth_;
    return true;
  }

  nlohmann::detail::json_sax_dom_parser<Json> dom_;
  std::size_t items_ = 0;
  int depth_ = 0;
  bool over_limit_ = false;
  std::size_t error_at_ = 0;
};

// Length in bytes of the CBOR item at the front (RFC 8949, section 3), or 0 if it does not end inside `bytes`.
// Iterative.
std::size_t cbor_item_size(std::string_view bytes) {
  struct Level {
    std::uint64_t left;
    bool indefinite;
  };
  std::array<Level, kMaxDepth + 1> stack{};
  std::size_t depth = 0;
  std::size_t at = 0;
  stack[0] = {1, false};
  while (true) {
    while (!stack[depth].indefinite && stack[depth].left == 0) {
      if (depth == 0) return at;
      --depth;
    }
    if (at >= bytes.size()) return 0;
    const auto head = static_cast<unsigned char>(bytes[at++]);
    const unsigned major = head >> 5U;
    const unsigned info = head & 0x1FU;
    if (head == 0xFF) {
      if (!stack[depth].indefinite) return 0;
      stack[depth] = {0, false};
      continue;
    }
    std::uint64_t argument = info;
    const bool indefinite = info == 31;
    if (info >= 24 && info <= 27) {
      const std::size_t width = std::size_t{1} << (info - 24);
      if (bytes.size() - at < width) return 0;
      argument = 0;
      for (std::size_t i = 0; i < width; ++i) argument = argument << 8U | static_cast<unsigned char>(bytes[at + i]);
      at += width;
    } else if (info >= 28 && !indefinite) {
      return 0;
    }
    if (!stack[depth].indefinite) --stack[depth].left;
    const bool container = major == 4 || major == 5;
    if ((major == 2 || major == 3) && !indefinite) {
      if (bytes.size() - at < argument) return 0;
      at += argument;
    } else if (container || major == 6 || ((major == 2 || major == 3) && indefinite)) {
      if (indefinite && major == 6) return 0;
      if (depth == kMaxDepth || (!indefinite && argument > bytes.size())) return 0;
      const std::uint64_t items = major == 5 ? argument * 2 : (major == 6 ? 1 : argument);
      stack[++depth] = {indefinite ? 0 : items, indefinite};
    } else if (indefinite) {
      return 0;
    }
  }
}

Result<void> read_axes(const Json& payload, Recording& out, const std::string& where) {
  const auto sensors = payload.find("sensors");
  if (sensors == payload.end() || !sensors->is_array() || sensors->empty()) {
    return fail(Errc::malformed, "payload.sensors is missing or empty", where);
  }
  if (sensors->size() > kMaxRecordingAxes) return fail(Errc::limit, "more than 20 axes", where);
  for (const Json& sensor : *sensors) {
    if (!sensor.is_object()) return fail(Errc::malformed, "payload.sensors holds something that is no object", where);
    const auto text = [&sensor](const char* key) {
      const auto found = sensor.find(key);
      return found != sensor.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    out.axes.push_back({text("name"), text("units")});
  }
  const auto interval = payload.find("interval_ms");
  if (interval == payload.end() || !interval->is_number()) {
    return fail(Errc::malformed, "payload.interval_ms is missing or no number", where);
  }
  const double interval_ms = interval->get<double>();
  if (!std::isfinite(interval_ms) || interval_ms < 0)
    return fail(Errc::malformed, "payload.interval_ms is impossible", where);
  out.rate_hz = interval_ms > 0 ? 1000.0 / interval_ms : 0;
  return {};
}

bool push(Recording& out, const Json& value) {
  if (!value.is_number()) return false;
  const double number = value.get<double>();
  out.values.push_back(static_cast<float>(number));
  return std::isfinite(number);
}

Result<void> read_values(const Json& values, Recording& out, const std::string& where) {
  const auto bad = [&where](std::size_t row) {
    return fail(Errc::malformed, "a reading does not fit the sensors", where + ", values[" + std::to_string(row) + "]");
  };
  for (std::size_t row = 0; row < values.size(); ++row) {
    const Json& value = values[row];
    if (value.is_array()) {
      if (value.size() != out.axes.size()) return bad(row);
      for (const Json& number : value) {
        if (!push(out, number)) return bad(row);
      }
    } else if (out.axes.size() != 1 || !push(out, value)) {
      return bad(row);
    }
  }
  return {};
}

template <class T>
void read_numbers(std::string_view raw, Recording& out) {
  out.values.reserve(raw.size() / sizeof(T));
  for (std::size_t at = 0; at + sizeof(T) <= raw.size(); at += sizeof(T)) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      bits |= static_cast<std::uint32_t>(static_cast<unsigned char>(raw[at + i])) << (8U * i);
    }
    if constexpr (std::is_same_v<T, float>) {
      const float value = std::bit_cast<float>(bits);
      out.values.push_back(std::isfinite(value) ? value : 0.0F);
    } else {
      out.values.push_back(static_cast<float>(static_cast<T>(bits)));
    }
  }
}

Result<void> read_binary(std::string reference, std::string_view raw, Recording& out, const std::string& where) {
  for (char& c : reference) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  reference.erase(reference.find_last_not_of(' ') + 1);
  const std::string type =
      reference.starts_with(kBinaryPrefix) ? reference.substr(kBinaryPrefix.size()) : std::string();
  if (type == "i16") {
    read_numbers<std::int16_t>(raw, out);
  } else if (type == "u16") {
    read_numbers<std::uint16_t>(raw, out);
  } else if (type == "i8") {
    read_numbers<std::int8_t>(raw, out);
  } else if (type == "u8") {
    read_numbers<std::uint8_t>(raw, out);
  } else if (type == "i32") {
    read_numbers<std::int32_t>(raw, out);
  } else if (type == "u32") {
    read_numbers<std::uint32_t>(raw, out);
  } else if (type == "f32") {
    read_numbers<float>(raw, out);
  } else {
    return fail(Errc::unsupported, "values refer to '" + reference.substr(0, 40) + "'", where);
  }
  if (out.values.size() > kMaxRecordingValues) return fail(Errc::limit, "recording too long", where);
  out.values.resize(out.values.size() - out.values.size() % out.axes.size());
  return {};
}

Result<Recording> read_document(const Json& document, std::string_view raw, const std::string& where) {
  if (!document.is_object() || !document.contains("payload") || !document["payload"].is_object()) {
    return fail(Errc::malformed, "no acquisition document: payload is missing", where);
  }
  const Json& payload = document["payload"];
  Recording out;
  Result<void> step = read_axes(payload, out, where);
  if (!step) return pass(std::move(step.error()));
  const auto values = payload.find("values");
  if (values == payload.end() || !values->is_array()) {
    return fail(Errc::malformed, "payload.values is missing or no array", where);
  }
  const bool by_reference = values->size() == 1 && values->front().is_string();
  step = by_reference ? read_binary(values->front().get<std::string>(), raw, out, where)
                      : read_values(*values, out, where);
  if (!step) return pass(std::move(step.error()));
  if (out.values.empty()) return fail(Errc::malformed, "the recording holds no readings", where);
  return out;
}

}  // namespace

Result<Recording> parse_acquisition_json(std::string_view text, std::string_view where_view) {
  const std::string where(where_view);
  if (text.size() > kMaxRecordingBytes) return fail(Errc::limit, "file too large", where);
  if (json_too_deep(text)) return fail(Errc::limit, "JSON nested deeper than 32 levels", where);
  Json document;
  BoundedDom dom(document);
  if (!Json::sax_parse(text, &dom)) {
    if (dom.over_limit()) return fail(Errc::limit, "recording too long", where);
    std::size_t line = 1;
    std::size_t column = 1;
    for (std::size_t i = 0; i + 1 < dom.error_at() && i < text.size(); ++i) {
      column = text[i] == '\n' ? 1 : column + 1;
      line += text[i] == '\n' ? 1 : 0;
    }
    return fail(Errc::malformed, "not valid JSON", where + ":" + std::to_string(line) + ":" + std::to_string(column));
  }
  return read_document(document, {}, where);
}

Result<Recording> parse_acquisition_cbor(std::string_view bytes, std::string_view where_view) {
  const std::string where(where_view);
  if (bytes.size() > kMaxRecordingBytes) return fail(Errc::limit, "file too large", where);
  const std::size_t size = cbor_item_size(bytes);
  if (size == 0) return fail(Errc::malformed, "CBOR item is broken, deeper than 32 levels or cut short", where);
  Json document;
  BoundedDom dom(document);
  if (!Json::sax_parse(bytes.substr(0, size), &dom, Json::input_format_t::cbor)) {
    if (dom.over_limit()) return fail(Errc::limit, "recording too long", where);
    return fail(Errc::malformed, "not valid CBOR", where + ", byte " + std::to_string(dom.error_at()));
  }
  return read_document(document, bytes.substr(size), where);
}

}  // namespace tml::fw::native
