// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "uploader/parse/manifest_entry.hpp"

#include "common/sample/names.hpp"
#include "uploader/parse/json_values.hpp"

namespace tml::uploader {
namespace {

constexpr std::size_t kMaxAttachments = 1000;

struct Place {
  const std::string& where;
  std::size_t max_text_bytes;
};

Result<std::vector<LabelRange>> read_ranges(const Json& value, const Place& place) {
  if (!value.is_array() || value.empty()) return bad_field("not a list of ranges:", place.where, "label.labels");
  std::vector<LabelRange> out;
  out.reserve(value.size());
  std::uint64_t next = 0;
  for (const Json& item : value) {
    const std::string field = "label.labels[" + std::to_string(out.size()) + "]";
    const auto start = json_integer(item, "startIndex");
    const auto end = json_integer(item, "endIndex");
    const Json* label = json_member(item, "label");
    if (!start || !end || label == nullptr) {
      return bad_field("a range needs startIndex, endIndex and label:", place.where, field);
    }
    if (*start < 0 || static_cast<std::uint64_t>(*start) != next || *end < *start || *end == INT64_MAX) {
      return bad_field("ranges leave a gap or overlap; expected startIndex " + std::to_string(next) + ":", place.where,
                       field);
    }
    auto text = text_of(*label, place.where, field + ".label", place.max_text_bytes);
    if (!text) return pass(std::move(text.error()));
    LabelRange range{next, static_cast<std::uint64_t>(*end), std::move(*text), {}};
    if (const Json* map = json_member(item, "labelMap")) {
      auto members = text_members(*map, place.where, field + ".labelMap", place.max_text_bytes);
      if (!members) return pass(std::move(members.error()));
      range.label_map = std::move(*members);
    }
    next = range.end_index + 1;
    out.push_back(std::move(range));
  }
  return out;
}

Result<KeyValues> read_label_values(const Json& value, const Place& place) {
  if (!value.is_array()) return text_members(value, place.where, "label.labels", place.max_text_bytes);
  KeyValues out;
  for (const Json& item : value) {
    const std::string key = std::to_string(out.size());
    auto text = text_of(item, place.where, "label.labels[" + key + "]", place.max_text_bytes);
    if (!text) return pass(std::move(text.error()));
    out.emplace_back(key, std::move(*text));
  }
  return out;
}

Result<Label> read_label(const Json& value, const Place& place) {
  Label label;
  const auto type = json_string(value, "type");
  if (!type) return bad_field("a label needs a type:", place.where, "label.type");
  const Json* text = json_member(value, "label");
  const Json* labels = json_member(value, "labels");
  const Json none;
  if (*type == "unlabeled") {
    label.kind = LabelKind::unlabeled;
  } else if (*type == "label") {
    label.kind = LabelKind::single;
    auto read = text_of(text == nullptr ? none : *text, place.where, "label.label", place.max_text_bytes);
    if (!read) return pass(std::move(read.error()));
    if (read->empty())
      return bad_field("empty label; an unlabeled sample has the type \"unlabeled\":", place.where, "label.label");
    label.text = std::move(*read);
  } else if (*type == "multi-label") {
    label.kind = LabelKind::multi;
    auto ranges = read_ranges(labels == nullptr ? none : *labels, place);
    if (!ranges) return pass(std::move(ranges.error()));
    label.ranges = std::move(*ranges);
  } else if (*type == "keyvalue-labels") {
    label.kind = LabelKind::key_values;
    auto values = read_label_values(labels == nullptr ? none : *labels, place);
    if (!values) return pass(std::move(values.error()));
    label.values = std::move(*values);
  } else {
    return bad_field("unknown type of label \"" + type->substr(0, 64) +
                         "\" (known: unlabeled, label, multi-label, keyvalue-labels):",
                     place.where, "label.type");
  }
  return label;
}

Result<std::string> read_path(const Json& value, const Place& place, std::string_view field) {
  auto text = text_of(value, place.where, field, place.max_text_bytes);
  if (!text) return text;
  return inside_path(*text, place.where + ", field " + std::string(field));
}

Result<void> read_names(const Json& entry, const Place& place, ManifestEntry& out) {
  const Json* path = json_member(entry, "path");
  if (path == nullptr) return bad_field("an entry needs a path:", place.where, "path");
  auto inside = read_path(*path, place, "path");
  if (!inside) return pass(std::move(inside.error()));
  out.path = std::move(*inside);
  if (const Json* name = json_member(entry, "name")) {
    auto text = text_of(*name, place.where, "name", place.max_text_bytes);
    if (!text) return pass(std::move(text.error()));
    out.name = std::move(*text);
  }
  if (const Json* category = json_member(entry, "category")) {
    auto text = text_of(*category, place.where, "category", place.max_text_bytes);
    if (!text) return pass(std::move(text.error()));
    const auto known = sample::parse_category(*text);
    if (!known)
      return bad_field(known.error().what + (known.error().hint.empty() ? "" : " (" + known.error().hint + ")") + ":",
                       place.where, "category");
    out.category = std::move(*text);
  }
  return {};
}

Result<void> read_attachments(const Json& value, const Place& place, ManifestEntry& out) {
  if (!value.is_array()) return bad_field("not a list of paths:", place.where, "attachments");
  if (value.size() > kMaxAttachments) return bad_field("more than 1000 attachments:", place.where, "attachments");
  for (const Json& item : value) {
    auto path = read_path(item, place, "attachments[" + std::to_string(out.attachments.size()) + "]");
    if (!path) return pass(std::move(path.error()));
    out.attachments.push_back(std::move(*path));
  }
  return {};
}

}  // namespace

Result<std::string> inside_path(std::string_view path, std::string_view where) {
  const auto refuse = [&](std::string what) {
    return fail(Errc::malformed, std::move(what), std::string(where),
                "Paths are relative to the folder of the manifest and stay inside it");
  };
  if (path.find('\0') != std::string_view::npos) return refuse("path with a NUL:");
  if (path.starts_with('/')) return refuse("absolute path \"" + std::string(path) + "\":");
  std::vector<std::string_view> parts;
  for (std::string_view rest = path; !rest.empty();) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view part = rest.substr(0, slash);
    rest.remove_prefix(std::min(slash + 1, rest.size()));
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (parts.empty()) {
      return refuse("path \"" + std::string(path) + "\" leads out of the folder of the manifest:");
    } else {
      parts.pop_back();
    }
  }
  if (parts.empty()) return refuse("path \"" + std::string(path) + "\" names no file:");
  std::string out;
  for (const std::string_view part : parts) out.append(out.empty() ? "" : "/").append(part);
  return out;
}

Result<ManifestEntry> read_manifest_entry(const Json& entry, const std::string& where, const ManifestLimits& limits) {
  const Place place{where, limits.max_text_bytes};
  if (!entry.is_object()) return fail(Errc::malformed, "an entry is no object:", where);
  ManifestEntry out;
  if (auto ok = read_names(entry, place, out); !ok) return pass(std::move(ok.error()));
  if (const Json* label = json_member(entry, "label")) {
    auto read = read_label(*label, place);
    if (!read) return pass(std::move(read.error()));
    out.label = std::move(*read);
  }
  if (const Json* metadata = json_member(entry, "metadata"); metadata != nullptr && !metadata->is_null()) {
    auto members = text_members(*metadata, where, "metadata", limits.max_text_bytes);
    if (!members) return pass(std::move(members.error()));
    out.metadata = std::move(*members);
  }
  if (const Json* boxes = json_member(entry, "boundingBoxes"); boxes != nullptr && !boxes->is_null()) {
    auto read = boxes_of(*boxes, where, "boundingBoxes", limits.max_text_bytes);
    if (!read) return pass(std::move(read.error()));
    out.boxes = std::move(*read);
  }
  if (const Json* attachments = json_member(entry, "attachments"); attachments != nullptr && !attachments->is_null()) {
    if (auto ok = read_attachments(*attachments, place, out); !ok) return pass(std::move(ok.error()));
  }
  return out;
}

}  // namespace tml::uploader
