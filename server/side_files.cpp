// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/side_files.hpp"

#include <cmath>

#include "common/base/json.hpp"
#include "common/sample/names.hpp"

namespace tml::server {
namespace {

constexpr JsonLimits kSideLimits{8, 500'000, std::size_t{16} << 20U};
constexpr JsonLimits kHeaderLimits{4, 2'000, std::size_t{32} << 10U};

tl::unexpected<Error> malformed(std::string what, std::string_view where) {
  return fail(Errc::malformed, std::move(what), std::string(where));
}

Result<void> check_structured(const Json& ranges, std::string_view file) {
  if (!ranges.is_array() || ranges.empty()) return malformed("structured labels must be a list of ranges", file);
  std::int64_t next = 0;
  for (const Json& range : ranges) {
    const auto start = json_integer(range, "startIndex");
    const auto end = json_integer(range, "endIndex");
    if (!start || !end || !json_string(range, "label")) {
      return malformed("a structured label needs startIndex, endIndex and label", file);
    }
    if (*start != next || *end < *start || *end == INT64_MAX)
      return malformed("structured labels leave a gap or overlap", file);
    next = *end + 1;
  }
  return {};
}

Result<void> check_boxes(const Json& boxes, std::string_view file) {
  if (!boxes.is_array()) return malformed("bounding boxes must be a list", file);
  for (const Json& box : boxes) {
    const auto width = json_number(box, "width");
    const auto height = json_number(box, "height");
    if (!json_string(box, "label") || !json_number(box, "x") || !json_number(box, "y") || !width || !height ||
        !(*width > 0) || !(*height > 0)) {
      return malformed("a bounding box needs label, x, y and a width and height above 0", file);
    }
  }
  return {};
}

Result<Json> label_map(const Json& value, std::string_view file) {
  if (value.is_array()) {
    Json map = Json::object();
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (!value[i].is_string()) return malformed("a label list holds something else than texts", file);
      map[std::to_string(i)] = value[i];
    }
    return map;
  }
  if (!value.is_object()) return malformed("a label map must be an object or a list", file);
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) return malformed("a label map holds something else than texts", file);
  }
  return value;
}

Result<void> read_one(std::string_view kind, const std::string& file, const Json& value, SideFiles& into) {
  const std::string name(sample::base_name(file));
  if (kind == "structured_labels.labels") {
    if (auto ok = check_structured(value, file); !ok) return ok;
    into.structured_labels[name] = json_text(value);
  } else if (kind == "bounding_boxes.labels") {
    if (auto ok = check_boxes(value, file); !ok) return ok;
    into.boxes[name] = json_text(value);
  } else if (kind == "label_map.labels") {
    auto map = label_map(value, file);
    if (!map) return pass(map.error());
    into.label_maps[name] = json_text(*map);
  } else {
    if (!value.is_array()) return malformed("attachments must be a list", file);
    for (const Json& item : value) {
      const auto text =
          item.is_string() ? std::optional<std::string>(item.get<std::string>()) : json_string(item, "filename");
      if (!text) return malformed("an attachment needs a filename", file);
      into.attachments[name].emplace_back(sample::base_name(*text));
    }
  }
  return {};
}

const char* member_of(std::string_view kind) {
  if (kind == "structured_labels.labels") return "structuredLabels";
  if (kind == "bounding_boxes.labels") return "boundingBoxes";
  if (kind == "label_map.labels") return "labels";
  return "attachments";
}

}  // namespace

bool is_side_file(std::string_view file_name) {
  return file_name == "structured_labels.labels" || file_name == "bounding_boxes.labels" ||
         file_name == "attachments.labels" || file_name == "label_map.labels";
}

Result<void> read_side_file(std::string_view file_name, std::string_view text, SideFiles& into) {
  auto parsed = parse_json(text, file_name, kSideLimits);
  if (!parsed) return pass(parsed.error());
  const Json* members = json_member(*parsed, member_of(file_name));
  if (members == nullptr || !members->is_object()) {
    return malformed(std::string("no object \"") + member_of(file_name) + "\"", file_name);
  }
  for (const auto& [file, value] : members->items()) {
    if (auto ok = read_one(file_name, file, value, into); !ok) return ok;
  }
  return {};
}

Result<std::string> read_metadata(std::string_view text) {
  auto parsed = parse_json(text, "x-metadata", kHeaderLimits);
  if (!parsed) return pass(parsed.error());
  if (!parsed->is_object()) return malformed("metadata must be a JSON object", "x-metadata");
  for (auto& [key, value] : parsed->items()) {
    if (value.is_structured()) return malformed("metadata values must be texts", "x-metadata");
    if (!value.is_string()) value = json_text(value);
  }
  return json_text(*parsed);
}

Result<std::string> read_boxes(std::string_view text) {
  auto parsed = parse_json(text, "x-bounding-boxes", kHeaderLimits);
  if (!parsed) return pass(parsed.error());
  if (auto ok = check_boxes(*parsed, "x-bounding-boxes"); !ok) return pass(ok.error());
  return json_text(*parsed);
}

}  // namespace tml::server
