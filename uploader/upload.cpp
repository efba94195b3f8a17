// SPDX-License-Identifier: Apache-2.0
#include "uploader/upload.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace tml::uploader {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kTypes = {{
    {".wav", "audio/wav"},
    {".cbor", "application/cbor"},
    {".json", "application/json"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".png", "image/png"},
    {".csv", "text/csv"},
    {".txt", "text/plain"},
    {".mp4", "video/mp4"},
    {".avi", "video/avi"},
    {".parquet", "application/vnd.apache.parquet"},
}};

std::string attachment_name(const std::string& path, const std::vector<std::string>& taken) {
  const std::string base(sample::base_name(path));
  std::string name = base;
  for (unsigned n = 2; std::find(taken.begin(), taken.end(), name) != taken.end(); ++n) {
    name = std::to_string(n) + "-" + base;
  }
  return name;
}

}  // namespace

std::vector<SideFile> side_files(const Upload& upload) {
  std::vector<SideFile> files;
  if (upload.label.kind == LabelKind::multi) {
    files.push_back({std::string(kStructuredLabelsName), structured_labels_json(upload.name, upload.label.ranges), {}});
  }
  if (!upload.boxes.empty()) {
    files.push_back({std::string(kBoundingBoxesName), bounding_boxes_json(upload.name, upload.boxes), {}});
  }
  if (!upload.attachments.empty()) {
    std::vector<std::string> names;
    std::vector<std::string> taken = {upload.name};
    for (const std::string& path : upload.attachments) {
      names.push_back(attachment_name(path, taken));
      taken.push_back(names.back());
      files.push_back({names.back(), {}, path});
    }
    files.push_back({std::string(kAttachmentsName), attachments_json(upload.name, names), {}});
  }
  if (upload.label.kind == LabelKind::key_values) {
    files.push_back({std::string(kLabelMapName), label_map_json(upload.name, upload.label.values), {}});
  }
  return files;
}

std::string label_text(const Upload& upload) {
  switch (upload.label.kind) {
    case LabelKind::infer: {
      std::string inferred = sample::label_from_file_name(upload.name);
      return inferred.empty() ? "(unlabeled)" : inferred;
    }
    case LabelKind::unlabeled:
      return "(unlabeled)";
    case LabelKind::single:
      return upload.label.text;
    case LabelKind::multi:
      return "(" + std::to_string(upload.label.ranges.size()) + " ranges)";
    case LabelKind::key_values:
      return "(" + std::to_string(upload.label.values.size()) + " keys)";
  }
  return {};
}

std::string extension_of(std::string_view file_name) {
  file_name = sample::base_name(file_name);
  const std::size_t dot = file_name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return {};
  std::string extension(file_name.substr(dot));
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

bool is_table(std::string_view content_type) { return content_type == "text/csv" || content_type == "text/plain"; }

std::string_view content_type_for(std::string_view file_name) {
  const std::string extension = extension_of(file_name);
  for (const auto& [known, type] : kTypes) {
    if (known == extension) return type;
  }
  return {};
}

}  // namespace tml::uploader
