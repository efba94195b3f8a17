// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/ingest_headers.hpp"

#include <algorithm>
#include <functional>

#include "common/base/json.hpp"
#include "common/sample/names.hpp"
#include "server/side_files.hpp"

namespace tml::server {
namespace {

/// A header's value by name, wherever it stands.
using Lookup = std::function<std::optional<std::string_view>(std::string_view name)>;

bool is_on(std::string_view value) { return !value.empty() && value != "0" && !httpd::iequals(value, "false"); }

std::optional<Refused> read_label(const Lookup& find, FileHeaders& into) {
  const auto label = find("x-label");
  const auto no_label = find("x-no-label");
  if (!label && !no_label) return std::nullopt;
  into.label.clear();
  into.label_rule = FileHeaders::LabelRule::infer;
  if (no_label && is_on(*no_label)) {
    into.label_rule = FileHeaders::LabelRule::none;
  } else if (label && !label->empty()) {
    into.label_rule = FileHeaders::LabelRule::given;
    into.label = sample::percent_decode(*label);
    if (into.label.size() > kMaxLabelBytes) return Refused{400, "the label is longer than 512 bytes", {}, {}};
  }
  return std::nullopt;
}

std::optional<Refused> read_common(const Lookup& find, FileHeaders& into) {
  if (auto refused = read_label(find, into)) return refused;
  if (const auto envelope = find("x-tml-envelope"); envelope && !envelope->empty()) {
    const bool printable = std::all_of(envelope->begin(), envelope->end(), [](char c) { return c > ' ' && c < 0x7F; });
    if (envelope->size() > kMaxEnvelopeBytes || !printable)
      return Refused{400, "x-tml-envelope must be at most 128 printable characters", {}, {}};
    into.envelope = std::string(*envelope);
  }
  if (const auto value = find("x-disallow-duplicates")) into.refuse_duplicates = is_on(*value);
  if (const auto value = find("x-tml-signature")) {
    into.upload_signature = std::string(*value);
    std::transform(into.upload_signature.begin(), into.upload_signature.end(), into.upload_signature.begin(),
                   [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
  }
  if (const auto text = find("x-metadata"); text && !text->empty()) {
    auto metadata = read_metadata(*text);
    if (!metadata) return Refused{400, metadata.error().message(), {}, {}};
    into.metadata_json = std::move(*metadata);
  }
  if (const auto text = find("x-bounding-boxes"); text && !text->empty()) {
    auto boxes = read_boxes(*text);
    if (!boxes) return Refused{400, boxes.error().message(), {}, {}};
    into.boxes_json = std::move(*boxes);
  }
  return std::nullopt;
}

}  // namespace

tl::expected<FileHeaders, Refused> read_request_headers(const httpd::Headers& headers) {
  FileHeaders result;
  if (auto refused = read_common([&headers](std::string_view name) { return headers.find(name); }, result))
    return tl::unexpected(std::move(*refused));
  result.add_id = is_on(headers.get("x-add-date-id"));
  Json kept = Json::object();
  for (const char* name : {"user-agent", "x-upload-source", "x-device-type", "x-no-date-id"}) {
    if (const auto value = headers.find(name)) kept[name] = std::string(*value);
  }
  if (const auto type = headers.find("content-type")) {
    // A boundary says nothing about a sample, and would be another one in each row.
    kept["content-type"] = httpd::multipart_boundary(*type) ? httpd::media_type(*type) : std::string(*type);
  }
  result.source_json = json_text(kept);
  result.device_type = std::string(headers.get("x-device-type"));
  return result;
}

bool has_own_headers(const httpd::Part& part) {
  const std::string_view lines = part.header_lines;
  for (std::size_t at = 0; at != std::string_view::npos && at < lines.size();) {
    if (httpd::iequals(lines.substr(at, 2), "x-")) return true;
    at = lines.find("\r\n", at);
    if (at != std::string_view::npos) at += 2;
  }
  return false;
}

tl::expected<FileHeaders, Refused> read_part_headers(const httpd::Part& part, const FileHeaders& request) {
  FileHeaders result = request;
  if (auto refused = read_common([&part](std::string_view name) { return part.header(name); }, result))
    return tl::unexpected(std::move(*refused));
  const auto envelope = part.header("x-tml-envelope");
  result.envelope_is_own = envelope && !envelope->empty();
  return result;
}

}  // namespace tml::server
