// SPDX-License-Identifier: Apache-2.0
#include "common/base/json.hpp"

#include <cmath>
#include <vector>

namespace tml {
namespace {

/// Builds the tree through nlohmann's own DOM handler, but counts first.
class BoundedBuilder : public nlohmann::json_sax<Json> {
 public:
  BoundedBuilder(Json& root, JsonLimits limits) : builder_(root, false), limits_(limits) {}

  bool null() override { return count() && builder_.null(); }
  bool boolean(bool value) override { return count() && builder_.boolean(value); }
  bool number_integer(number_integer_t value) override { return count() && builder_.number_integer(value); }
  bool number_unsigned(number_unsigned_t value) override { return count() && builder_.number_unsigned(value); }
  bool number_float(number_float_t value, const string_t& text) override {
    return count() && builder_.number_float(value, text);
  }
  bool string(string_t& value) override { return count() && builder_.string(value); }
  bool binary(binary_t& value) override { return count() && builder_.binary(value); }
  // The announced size is not passed on: nlohmann would reserve what a stranger claims.
  bool start_object(std::size_t) override { return enter() && builder_.start_object(static_cast<std::size_t>(-1)); }
  bool key(string_t& value) override { return count() && builder_.key(value); }
  bool end_object() override { return leave() && builder_.end_object(); }
  bool start_array(std::size_t) override { return enter() && builder_.start_array(static_cast<std::size_t>(-1)); }
  bool end_array() override { return leave() && builder_.end_array(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    position_ = position;
    return false;
  }

  [[nodiscard]] bool over_limit() const { return over_limit_; }
  [[nodiscard]] std::size_t position() const { return position_; }

 private:
  bool count() {
    if (++values_ <= limits_.max_values) return true;
    over_limit_ = true;
    return false;
  }
  bool enter() {
    if (++depth_ > limits_.max_depth) {
      over_limit_ = true;
      return false;
    }
    return count();
  }
  bool leave() {
    --depth_;
    return true;
  }

  nlohmann::detail::json_sax_dom_parser<Json> builder_;
  JsonLimits limits_;
  std::size_t values_ = 0;
  std::size_t depth_ = 0;
  std::size_t position_ = 0;
  bool over_limit_ = false;
};

std::string place_of(std::string_view text, std::size_t position) {
  std::size_t line = 1;
  std::size_t column = 1;
  for (std::size_t i = 0; i + 1 < position && i < text.size(); ++i) {
    if (text[i] == '\n') {
      ++line;
      column = 1;
    } else {
      ++column;
    }
  }
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

Result<Json> parse_bounded(std::string_view bytes, std::string_view where, JsonLimits limits,
                           Json::input_format_t format) {
  const bool is_text = format == Json::input_format_t::json;
  const std::string name = is_text ? "JSON" : "CBOR";
  if (bytes.size() > limits.max_bytes) {
    return fail(Errc::limit,
                name + " is larger than " + std::to_string(limits.max_bytes) + " bytes:", std::string(where));
  }
  Json root;
  BoundedBuilder builder(root, limits);
  bool good = false;
  try {
    good = Json::sax_parse(bytes, &builder, format);
  } catch (const std::exception&) {
    good = false;  // Out-of-range numbers are thrown even with exceptions off.
  }
  if (good) return root;
  if (builder.over_limit()) {
    return fail(Errc::limit,
                name + " nests deeper than " + std::to_string(limits.max_depth) + " or holds more than " +
                    std::to_string(limits.max_values) + " values:",
                std::string(where));
  }
  const std::string place =
      is_text ? place_of(bytes, builder.position()) : "byte " + std::to_string(builder.position());
  return fail(Errc::malformed, "no valid " + name + " at " + place + ":", std::string(where));
}

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view where, JsonLimits limits) {
  return parse_bounded(text, where, limits, Json::input_format_t::json);
}

Result<Json> parse_cbor(std::string_view bytes, std::string_view where, JsonLimits limits) {
  return parse_bounded(bytes, where, limits, Json::input_format_t::cbor);
}

const Json* json_member(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

std::optional<std::string> json_string(const Json& object, std::string_view key) {
  const Json* member = json_member(object, key);
  if (member == nullptr || !member->is_string()) return std::nullopt;
  return *member->get_ptr<const std::string*>();
}

std::optional<double> json_number(const Json& object, std::string_view key) {
  const Json* member = json_member(object, key);
  if (member == nullptr || !member->is_number()) return std::nullopt;
  return member->get<double>();
}

std::optional<std::int64_t> json_integer(const Json& object, std::string_view key) {
  const Json* member = json_member(object, key);
  if (member == nullptr || !member->is_number()) return std::nullopt;
  if (member->is_number_unsigned()) {
    const auto value = member->get<std::uint64_t>();
    if (value > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
    return static_cast<std::int64_t>(value);
  }
  if (member->is_number_integer()) return member->get<std::int64_t>();
  const double value = member->get<double>();
  if (value != std::floor(value) || std::fabs(value) > 9007199254740992.0) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

std::optional<bool> json_bool(const Json& object, std::string_view key) {
  const Json* member = json_member(object, key);
  if (member == nullptr || !member->is_boolean()) return std::nullopt;
  return member->get<bool>();
}

std::string json_text(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace tml
