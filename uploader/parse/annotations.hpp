// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Reads the annotation formats of wire reference 4.4 from a dataset folder: hand every candidate file to an
// AnnotationReader, then look the samples up in the Annotations it makes. docs/datasets.md shows each format.
//
// Nothing is opened here: files come as bytes, at most kMaxAnnotationBytes each. Errors: Errc::malformed with where =
// "<path>, line 3, column XMin" (or the JSON place, or the XML byte); Errc::limit beyond a bound below; Errc::usage
// when two formats are in one folder and none was chosen. Not thread-safe; results are plain values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "uploader/parse/image_size.hpp"
#include "uploader/parse/labels.hpp"

namespace tml::uploader {

enum class AnnotationFormat : std::uint8_t {
  ei_boxes,
  coco,
  open_images_csv,
  pascal_voc,
  plain_csv,
  plain_csv_boxes,
  remo_label,
  remo_boxes,
  yolo_txt,
};

/// The values of --dataset-format, in the order of AnnotationFormat.
inline constexpr std::array<std::string_view, 9> kAnnotationFormatKeys = {"ei-bounding-boxes-format",
                                                                          "coco",
                                                                          "open-images-csv",
                                                                          "pascal-voc-xml-object-detection",
                                                                          "plain-csv",
                                                                          "plain-csv-object-detection",
                                                                          "remo-json-single-label",
                                                                          "remo-json-object-detection",
                                                                          "yolo-txt"};
[[nodiscard]] std::string_view annotation_format_key(AnnotationFormat format);
/// Errc::usage with all keys in the hint.
[[nodiscard]] Result<AnnotationFormat> parse_annotation_format(std::string_view key);

inline constexpr std::size_t kMaxAnnotationBytes = std::size_t{256} << 20U;  ///< One annotation file.
inline constexpr std::size_t kMaxAnnotations = 20'000'000;                   ///< Boxes and labels of a dataset.

/// True when files of this name may hold annotations of `format` (empty: of any that is recognised by itself, so all
/// but yolo_txt): only these need be read and handed to add(). Looks at the base name only.
[[nodiscard]] bool may_hold_annotations(std::string_view path, std::optional<AnnotationFormat> format);

/// A box as its file says it. Top left corner and size, except yolo_txt: centre and size.
struct RawBox {
  std::string label;
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
};

/// What one file of the dataset carries.
struct FileAnnotation {
  std::string label;          ///< Label formats: empty when the file is named without a class. Empty in the others.
  std::vector<RawBox> boxes;  ///< Box formats. May be empty: an image without objects.
};

struct PlacedBoxes {
  std::vector<Box> boxes;
  std::size_t dropped = 0;  ///< Boxes that have no area inside the image.
};

class Annotations {
 public:
  [[nodiscard]] AnnotationFormat format() const { return format_; }
  /// True for the box formats: samples take boxes; false: samples take a label.
  [[nodiscard]] bool has_boxes() const;
  /// True when placing boxes needs the size of the image.
  [[nodiscard]] bool needs_image_size() const;
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

  /// What is said about the sample at `path` (relative to the folder of the dataset); null when nothing is. Files are
  /// matched by base name (open-images-csv, yolo-txt: without extension; ei-bounding-boxes-format: in the same folder
  /// only); between several of one base name, the one with more folder names in common, counted from the end, wins
  /// ("images" and "labels" count as equal). Errc::malformed when two are equally good: naming one would be a guess.
  [[nodiscard]] Result<const FileAnnotation*> find(std::string_view path) const;

  /// Boxes in whole pixels, clipped to the image where its size is given. Normalised boxes are scaled by the size
  /// (needed then: Errc::usage); a box of a normalised format whose four values are all above 1 is taken as pixels
  /// (wire reference 4.4). Boxes of the Remo formats and plain CSV count as normalised when all four values are
  /// within 0 to 1 and not all whole.
  [[nodiscard]] Result<PlacedBoxes> place(const FileAnnotation& annotation, std::optional<ImageSize> image) const;

 private:
  friend class AnnotationReader;
  struct Entry {
    std::string folder;  ///< Of the file it refers to, as far as known.
    FileAnnotation annotation;
  };
  AnnotationFormat format_ = AnnotationFormat::ei_boxes;
  std::multimap<std::string, Entry, std::less<>> entries_;  ///< By base name, without extension where that is the rule.
};

class AnnotationReader {
 public:
  /// `format`: as chosen; empty: recognised from the files (never yolo_txt, wire reference 4.4).
  explicit AnnotationReader(std::optional<AnnotationFormat> format);
  ~AnnotationReader();
  AnnotationReader(AnnotationReader&&) noexcept;
  AnnotationReader& operator=(AnnotationReader&&) noexcept;

  /// True when the file is part of the annotations (labels, boxes or names of classes) and thus no sample; false when
  /// it is something else. With a chosen format a file that claims to be of it and is broken is an error; without one,
  /// a file that is not recognised is none of ours. With yolo_txt every .txt file is taken; one that is no list of
  /// boxes (train.txt) has no effect. `path`: relative to the folder of the dataset.
  [[nodiscard]] Result<bool> add(std::string_view path, std::string_view bytes);

  /// Empty when nothing was recognised. Errc::not_found when a chosen format found no file of its own; Errc::malformed
  /// when a class has no name (yolo_txt: no *.names, classes.txt or data.yaml; open_images_csv: not in
  /// *class-descriptions.csv).
  [[nodiscard]] Result<std::optional<Annotations>> finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The format of one file by its name and content (wire reference 4.4), or nothing.
[[nodiscard]] std::optional<AnnotationFormat> recognise_annotations(std::string_view path, std::string_view bytes);

}  // namespace tml::uploader
