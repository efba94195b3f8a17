// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/text.hpp"
#include "uploader/parse/annotation_parse.hpp"

namespace tml::uploader {

std::pair<std::string_view, std::string_view> split_path(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {{}, path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

std::string_view stem_of(std::string_view base_name) {
  const std::size_t point = base_name.rfind('.');
  return point == std::string_view::npos || point == 0 ? base_name : base_name.substr(0, point);
}

bool has_extension(std::string_view base_name, std::string_view extension) {
  return base_name.size() >= extension.size() &&
         wire::equals_ignoring_case(base_name.substr(base_name.size() - extension.size()), extension);
}

FileAnnotation& RawAnnotations::of(std::string_view file, std::string_view path, bool by_stem) {
  auto [folder, base] = split_path(file);
  if (folder.empty()) folder = split_path(path).first;
  return files[Key(folder, by_stem ? stem_of(base) : base)];
}

Result<void> add_box(RawAnnotations& into, FileAnnotation& file, RawBox box, const std::string& where) {
  if (box.label.empty()) return fail(Errc::malformed, "box without a class:", where);
  if (box.label.size() > kMaxLabelBytes) return fail(Errc::limit, "class name too long:", where);
  if (!into.room()) return fail(Errc::limit, "more than " + std::to_string(kMaxAnnotations) + " annotations:", where);
  file.boxes.push_back(std::move(box));
  return {};
}

Result<void> set_label(RawAnnotations& into, FileAnnotation& file, std::string label, const std::string& where) {
  if (label.size() > kMaxLabelBytes) return fail(Errc::limit, "class name too long:", where);
  if (!file.label.empty() && file.label != label) {
    return fail(Errc::malformed, "a second label, \"" + label + "\" after \"" + file.label + "\":", where,
                "One file has one label");
  }
  if (!into.room()) return fail(Errc::limit, "more than " + std::to_string(kMaxAnnotations) + " annotations:", where);
  file.label = std::move(label);
  return {};
}

}  // namespace tml::uploader
