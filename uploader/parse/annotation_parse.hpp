// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Private to uploader/parse: the parsers behind AnnotationReader, one per format. Each reads one whole file into
// RawAnnotations. `path` is relative to the folder of the dataset and stands for the file in errors.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/error.hpp"
#include "uploader/parse/annotations.hpp"

namespace tml::uploader {

inline constexpr std::size_t kMaxXmlBytes = std::size_t{16} << 20U;        ///< One VOC file is about one image.
inline constexpr std::size_t kMaxClassFileBytes = std::size_t{16} << 20U;  ///< Names of classes.
inline constexpr std::size_t kMaxLabelBytes = 4096;

/// What was read so far, before classes have their names.
class RawAnnotations {
 public:
  /// (folder, base name or stem) of the file that is described.
  using Key = std::pair<std::string, std::string>;

  /// What is said about `file`, as an annotation names it. A name without folder is looked for near `path`. Without
  /// extension when `by_stem`.
  FileAnnotation& of(std::string_view file, std::string_view path, bool by_stem = false);
  /// False above kMaxAnnotations.
  [[nodiscard]] bool room() { return ++count_ <= kMaxAnnotations; }

  std::map<Key, FileAnnotation> files;
  std::map<std::string, std::string, std::less<>> class_names;  ///< By what stands in RawBox::label.
  std::map<std::string, std::string> used_in;                   ///< Class -> the first file that uses it.

 private:
  std::size_t count_ = 0;
};

/// The folder and the base name of a path with `/`.
[[nodiscard]] std::pair<std::string_view, std::string_view> split_path(std::string_view path);
/// Without what stands after the last point; ".x" stays.
[[nodiscard]] std::string_view stem_of(std::string_view base_name);
/// ASCII, case ignored.
[[nodiscard]] bool has_extension(std::string_view base_name, std::string_view extension_with_point);

/// Errc::limit for one annotation too many, one class name too long.
[[nodiscard]] Result<void> add_box(RawAnnotations& into, FileAnnotation& file, RawBox box, const std::string& where);
/// Errc::malformed when the file has another label already.
[[nodiscard]] Result<void> set_label(RawAnnotations& into, FileAnnotation& file, std::string label,
                                     const std::string& where);

/// What a JSON file is, by its first items; nothing for anything else (acquisition documents, broken text).
[[nodiscard]] std::optional<AnnotationFormat> recognise_json(std::string_view bytes);
[[nodiscard]] Result<void> read_ei_boxes(std::string_view path, std::string_view bytes, RawAnnotations& into);
[[nodiscard]] Result<void> read_coco(std::string_view path, std::string_view bytes, RawAnnotations& into);
[[nodiscard]] Result<void> read_remo(std::string_view path, std::string_view bytes, bool boxes, RawAnnotations& into);

/// By the names of its columns.
[[nodiscard]] std::optional<AnnotationFormat> recognise_csv(std::string_view bytes);
[[nodiscard]] bool has_columns_of(AnnotationFormat format, std::string_view bytes);
[[nodiscard]] Result<void> read_csv_annotations(AnnotationFormat format, std::string_view path, std::string_view bytes,
                                                RawAnnotations& into);
/// *class-descriptions.csv: identifier and name, no header.
[[nodiscard]] Result<void> read_class_descriptions(std::string_view path, std::string_view bytes, RawAnnotations& into);

[[nodiscard]] bool recognise_voc(std::string_view bytes);
[[nodiscard]] Result<void> read_voc(std::string_view path, std::string_view bytes, RawAnnotations& into);

/// False for a text file that is no list of boxes: its first line is not one word with numbers after it.
[[nodiscard]] Result<bool> read_yolo(std::string_view path, std::string_view bytes, RawAnnotations& into);
/// *.names and classes.txt: one name per line, the first is class 0.
[[nodiscard]] Result<void> read_class_lines(std::string_view path, std::string_view bytes, RawAnnotations& into);
/// data.yaml: `names`, a list or a map from number to name.
[[nodiscard]] Result<void> read_class_yaml(std::string_view path, std::string_view bytes, RawAnnotations& into);

}  // namespace tml::uploader
