// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "uploader/parse/labels.hpp"

#include "common/base/json.hpp"
#include "common/sample/writer.hpp"
#include "uploader/parse/json_values.hpp"

namespace tml::uploader {
namespace {

constexpr JsonLimits kMetadataLimits{4, 2'002, std::size_t{64} << 10U};
constexpr std::size_t kMaxMetadataText = std::size_t{64} << 10U;

void text_to(std::string& out, std::string_view text) { sample::append_json_string(out, text); }

void number_field(std::string& out, std::string_view key, std::int64_t value) {
  out.append(",\"").append(key).append("\":").append(std::to_string(value));
}

void object_to(std::string& out, const KeyValues& values) {
  out += '{';
  for (const auto& [key, value] : values) {
    if (out.back() != '{') out += ',';
    text_to(out, key);
    out += ':';
    text_to(out, value);
  }
  out += '}';
}

// `{<head>,"<member>":{"<file>":` ... `}}`
std::string opened(std::string_view head, std::string_view member, std::string_view file) {
  std::string out;
  out.append("{").append(head).append(",\"").append(member).append("\":{");
  text_to(out, file);
  out += ':';
  return out;
}

}  // namespace

void set_values(KeyValues& into, const KeyValues& more) {
  for (const auto& [key, value] : more) {
    std::erase_if(into, [&key = key](const auto& entry) { return entry.first == key; });
    into.emplace_back(key, value);
  }
}

bool is_side_file_name(std::string_view base_name) {
  return base_name == kStructuredLabelsName || base_name == kBoundingBoxesName || base_name == kAttachmentsName ||
         base_name == kLabelMapName;
}

std::string structured_labels_json(std::string_view file, std::span<const LabelRange> ranges) {
  std::string out = opened(R"("type":"structured-labels","version":1)", "structuredLabels", file) + "[";
  for (const LabelRange& range : ranges) {
    if (out.back() != '[') out += ',';
    out += "{\"startIndex\":" + std::to_string(range.start_index) + ",\"endIndex\":" + std::to_string(range.end_index) +
           ",\"label\":";
    text_to(out, range.label);
    if (!range.label_map.empty()) {
      out += ",\"labelMap\":";
      object_to(out, range.label_map);
    }
    out += '}';
  }
  return out + "]}}";
}

std::string bounding_boxes_json(std::string_view file, std::span<const Box> boxes) {
  std::string out = opened(R"("version":1,"type":"bounding-box-labels")", "boundingBoxes", file) + "[";
  for (const Box& box : boxes) {
    if (out.back() != '[') out += ',';
    out += "{\"label\":";
    text_to(out, box.label);
    number_field(out, "x", box.x);
    number_field(out, "y", box.y);
    number_field(out, "width", box.width);
    number_field(out, "height", box.height);
    out += '}';
  }
  return out + "]}}";
}

std::string attachments_json(std::string_view file, std::span<const std::string> names) {
  std::string out = opened(R"("version":1,"type":"attachments")", "attachments", file) + "[";
  for (const std::string& name : names) {
    if (out.back() != '[') out += ',';
    out += "{\"filename\":";
    text_to(out, name);
    out += '}';
  }
  return out + "]}}";
}

std::string label_map_json(std::string_view file, const KeyValues& values) {
  std::string out = opened(R"("version":1,"type":"label-map-labels")", "labels", file);
  object_to(out, values);
  return out + "}}";
}

std::string metadata_json(const KeyValues& metadata) {
  std::string out;
  object_to(out, metadata);
  return out;
}

Result<KeyValues> read_metadata(std::string_view json, std::string_view where) {
  const auto parsed = parse_json(json, where, kMetadataLimits);
  if (!parsed) return pass(parsed.error());
  return text_members(*parsed, std::string(where), "metadata", kMaxMetadataText);
}

}  // namespace tml::uploader
