// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <yaml.h>

#include <algorithm>
#include <array>

#include "common/wire/number.hpp"
#include "common/wire/text.hpp"
#include "uploader/parse/annotation_parse.hpp"
#include "uploader/parse/csv_line.hpp"

namespace tml::uploader {
namespace {

constexpr std::uint32_t kMaxClass = 1'000'000;

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> out;
  while (true) {
    const std::size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return out;
    line.remove_prefix(begin);
    const std::size_t end = std::min(line.find_first_of(" \t\r"), line.size());
    out.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

Result<RawBox> box_of(const std::vector<std::string_view>& words, const std::string& where) {
  if (words.size() != 5) {
    return fail(Errc::malformed, std::to_string(words.size()) + " columns where a box has 5:", where,
                "Polygons and key points are not read");
  }
  const auto id = wire::parse_u32(words[0]);
  if (!id || *id > kMaxClass) return fail(Errc::malformed, "the class is no number:", where);
  std::array<double, 4> value{};
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto number = csv_number(words[i + 1]);
    if (!number) return fail(Errc::malformed, "column " + std::to_string(i + 2) + " is no number:", where);
    value[i] = *number;
  }
  return RawBox{std::to_string(*id), value[0], value[1], value[2], value[3]};
}

Result<void> add_class(RawAnnotations& into, const std::string& id, std::string name, const std::string& where) {
  if (name.size() > kMaxLabelBytes) return fail(Errc::limit, "class name too long:", where);
  const auto [at, fresh] = into.class_names.try_emplace(id, name);
  if (fresh || at->second == name) return {};
  return fail(Errc::malformed, "class " + id + " is \"" + at->second + "\" elsewhere and \"" + name + "\" here:", where,
              "Upload the folders one by one");
}

// libyaml's parser and events free themselves.
class YamlEvents {
 public:
  explicit YamlEvents(std::string_view text) {
    if (text.data() == nullptr) text = "";  // libyaml asserts on a null pointer even for no bytes
    good_ = yaml_parser_initialize(&parser_) != 0;
    if (good_) {
      yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
    }
  }
  ~YamlEvents() {
    drop();
    if (good_) yaml_parser_delete(&parser_);
  }
  YamlEvents(const YamlEvents&) = delete;
  YamlEvents& operator=(const YamlEvents&) = delete;

  /// Null at an error.
  const yaml_event_t* next() {
    drop();
    held_ = good_ && yaml_parser_parse(&parser_, &event_) != 0;
    return held_ ? &event_ : nullptr;
  }
  [[nodiscard]] std::string place(std::string_view path) const {
    return std::string(path) + ", line " + std::to_string(parser_.mark.line + 1);
  }

 private:
  void drop() {
    if (held_) yaml_event_delete(&event_);
    held_ = false;
  }
  yaml_parser_t parser_{};
  yaml_event_t event_{};
  bool good_ = false;
  bool held_ = false;
};

std::string scalar_of(const yaml_event_t& event) {
  return {reinterpret_cast<const char*>(event.data.scalar.value), event.data.scalar.length};
}

bool opens(yaml_event_type_t type) { return type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT; }
bool closes(yaml_event_type_t type) { return type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT; }

// The value of `names`: up to the end of its list or map.
Result<void> read_names(YamlEvents& events, std::string_view path, RawAnnotations& into) {
  const yaml_event_t* event = events.next();
  if (event == nullptr || !opens(event->type)) {
    return fail(Errc::malformed, "\"names\" is no list and no map:", events.place(path));
  }
  const bool is_map = event->type == YAML_MAPPING_START_EVENT;
  std::optional<std::string> id;
  std::size_t next = 0;
  while (true) {
    event = events.next();
    if (event == nullptr) return fail(Errc::malformed, "no valid YAML:", events.place(path));
    if (closes(event->type)) return {};
    if (event->type != YAML_SCALAR_EVENT) return fail(Errc::malformed, "a name is no text:", events.place(path));
    std::string text = scalar_of(*event);
    if (is_map && !id) {
      const auto number = wire::parse_u32(text);
      if (!number) return fail(Errc::malformed, "a class is no number:", events.place(path));
      id = std::to_string(*number);
      continue;
    }
    const std::string key = is_map ? *std::exchange(id, std::nullopt) : std::to_string(next++);
    if (auto ok = add_class(into, key, std::move(text), events.place(path)); !ok) return ok;
  }
}

}  // namespace

Result<bool> read_yolo(std::string_view path, std::string_view bytes, RawAnnotations& into) {
  FileAnnotation found;
  CsvLines lines{std::string(path)};
  bool first = true;
  bool ours = true;
  const auto on_line = [&](std::uint64_t number, std::string_view line) -> Result<void> {
    const auto words = words_of(line);
    if (std::exchange(first, false)) {
      // A class may be a name by mistake, so the first word does not decide.
      ours = words.size() > 1 && std::all_of(words.begin() + 1, words.end(),
                                             [](std::string_view word) { return csv_number(word).has_value(); });
    }
    if (!ours) return {};
    const std::string where = csv_place(path, number);
    auto box = box_of(words, where);
    if (!box) return pass(std::move(box.error()));
    into.used_in.try_emplace(box->label, where);
    return add_box(into, found, std::move(*box), where);
  };
  if (auto ok = lines.feed(bytes, on_line); !ok) return pass(std::move(ok.error()));
  if (auto ok = lines.finish(on_line); !ok) return pass(std::move(ok.error()));
  if (ours) into.of(split_path(path).second, path, true) = std::move(found);
  return ours;
}

Result<void> read_class_lines(std::string_view path, std::string_view bytes, RawAnnotations& into) {
  if (bytes.size() > kMaxClassFileBytes) return fail(Errc::limit, "larger than 16 MiB:", std::string(path));
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  wire::LineCursor lines(bytes);
  std::size_t id = 0;
  for (auto line = lines.next(); line; line = lines.next(), ++id) {
    const std::string_view name = wire::trim(*line);
    if (name.empty()) continue;
    const std::string where = csv_place(path, id + 1);
    if (auto ok = add_class(into, std::to_string(id), std::string(name), where); !ok) return ok;
  }
  return {};
}

Result<void> read_class_yaml(std::string_view path, std::string_view bytes, RawAnnotations& into) {
  if (bytes.size() > kMaxClassFileBytes) return fail(Errc::limit, "larger than 16 MiB:", std::string(path));
  YamlEvents events(bytes);
  std::size_t depth = 0;
  bool is_key = true;
  while (const yaml_event_t* event = events.next()) {
    const yaml_event_type_t type = event->type;
    if (type == YAML_STREAM_END_EVENT) return fail(Errc::malformed, "no \"names\" in", std::string(path));
    if (depth == 1 && is_key && type == YAML_SCALAR_EVENT && scalar_of(*event) == "names") {
      return read_names(events, path, into);
    }
    if (closes(type)) --depth;
    // Keys and values take turns at the top of the one map; a nested value counts when it ends.
    if (depth == 1 && (type == YAML_SCALAR_EVENT || type == YAML_ALIAS_EVENT || closes(type))) is_key = !is_key;
    if (opens(type)) ++depth;
    if (depth == 1 && opens(type) && type != YAML_MAPPING_START_EVENT) {
      return fail(Errc::malformed, "no map at the top of", std::string(path));
    }
  }
  return fail(Errc::malformed, "no valid YAML:", events.place(path));
}

}  // namespace tml::uploader
