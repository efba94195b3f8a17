// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "uploader/parse/json_values.hpp"

#include <cmath>

namespace tml::uploader {
namespace {

constexpr double kMaxCoordinate = 2147483648.0;

tl::unexpected<Error> too_long(std::size_t max_bytes, const std::string& where, std::string_view field) {
  return fail(Errc::limit,
              "text longer than " + std::to_string(max_bytes) + " bytes:", where + ", field " + std::string(field));
}

}  // namespace

tl::unexpected<Error> bad_field(std::string what, const std::string& where, std::string_view field) {
  return fail(Errc::malformed, std::move(what), where + ", field " + std::string(field));
}

Result<std::string> text_of(const Json& value, const std::string& where, std::string_view field,
                            std::size_t max_bytes) {
  if (!value.is_string()) return bad_field("not a text:", where, field);
  const auto& text = *value.get_ptr<const std::string*>();
  if (text.size() > max_bytes) return too_long(max_bytes, where, field);
  if (text.find('\0') != std::string::npos) return bad_field("text with a NUL:", where, field);
  return text;
}

Result<KeyValues> text_members(const Json& value, const std::string& where, std::string_view field,
                               std::size_t max_bytes) {
  if (!value.is_object()) return bad_field("not an object of texts:", where, field);
  KeyValues out;
  for (const auto& [key, member] : value.items()) {
    std::string name(field);
    name.append(".").append(key, 0, 64);
    if (member.is_structured() || member.is_null()) return bad_field("not a text:", where, name);
    if (key.size() > max_bytes) return too_long(max_bytes, where, name);
    auto text = member.is_string() ? text_of(member, where, name, max_bytes) : Result<std::string>(json_text(member));
    if (!text) return pass(std::move(text.error()));
    out.emplace_back(key, std::move(*text));
  }
  return out;
}

std::optional<double> coordinate_of(const Json& object, std::string_view key) {
  const auto value = json_number(object, key);
  if (!value || !std::isfinite(*value) || std::abs(*value) > kMaxCoordinate) return std::nullopt;
  return value;
}

Result<std::vector<Box>> boxes_of(const Json& value, const std::string& where, std::string_view field,
                                  std::size_t max_bytes) {
  if (!value.is_array()) return bad_field("not a list of boxes:", where, field);
  std::vector<Box> out;
  out.reserve(value.size());
  for (const Json& item : value) {
    const std::string name = std::string(field) + "[" + std::to_string(out.size()) + "]";
    const Json* label = json_member(item, "label");
    if (label == nullptr) return bad_field("box without label:", where, name);
    auto text = text_of(*label, where, name + ".label", max_bytes);
    if (!text) return pass(std::move(text.error()));
    Box box;
    box.label = std::move(*text);
    const std::pair<const char*, std::int64_t*> numbers[] = {
        {"x", &box.x}, {"y", &box.y}, {"width", &box.width}, {"height", &box.height}};
    for (const auto& [key, target] : numbers) {
      const auto number = coordinate_of(item, key);
      if (!number) return bad_field("box without a number:", where, name + "." + key);
      *target = std::llround(*number);
    }
    if (box.width <= 0 || box.height <= 0) return bad_field("box without area:", where, name);
    out.push_back(std::move(box));
  }
  return out;
}

}  // namespace tml::uploader
