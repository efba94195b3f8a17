// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <algorithm>
#include <array>
#include <cmath>

#include "common/wire/text.hpp"
#include "uploader/parse/annotation_parse.hpp"

namespace tml::uploader {
namespace {

constexpr double kMaxCoordinate = 1e9;
// Folders that data sets split images and their annotations into; they stand for the same place.
constexpr std::array<std::string_view, 4> kSameFolders = {"images", "labels", "annotations", "jpegimages"};

bool by_stem(AnnotationFormat format) {
  return format == AnnotationFormat::open_images_csv || format == AnnotationFormat::yolo_txt;
}
bool is_normalised(AnnotationFormat format) { return by_stem(format); }
bool may_be_normalised(AnnotationFormat format) {
  return format == AnnotationFormat::remo_boxes || format == AnnotationFormat::plain_csv_boxes;
}

bool same_folder(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const auto known = [](std::string_view name) {
    return std::any_of(kSameFolders.begin(), kSameFolders.end(),
                       [&](std::string_view folder) { return wire::equals_ignoring_case(folder, name); });
  };
  return known(a) && known(b);
}

std::size_t common_folders(std::string_view a, std::string_view b) {
  std::size_t count = 0;
  while (!a.empty() && !b.empty()) {
    const auto [rest_a, last_a] = split_path(a);
    const auto [rest_b, last_b] = split_path(b);
    if (!same_folder(last_a, last_b)) break;
    ++count;
    a = rest_a;
    b = rest_b;
  }
  return count;
}

bool all_above_one(const RawBox& box) { return box.x > 1 && box.y > 1 && box.width > 1 && box.height > 1; }

bool looks_normalised(const RawBox& box) {
  const std::array<double, 4> edges = {box.x, box.y, box.x + box.width, box.y + box.height};
  return std::all_of(edges.begin(), edges.end(), [](double v) { return v >= 0 && v <= 1; }) &&
         std::any_of(edges.begin(), edges.end(), [](double v) { return v != std::floor(v); });
}

// One side of a box: rounded, then clipped to the image (and never below 0).
bool clip(double start, double length, std::optional<std::uint32_t> limit, std::int64_t& at, std::int64_t& size) {
  if (!(std::abs(start) < kMaxCoordinate) || !(length > 0) || !(length < kMaxCoordinate)) return false;
  const std::int64_t from = std::llround(start);
  std::int64_t to = from + std::llround(length);
  if (limit) to = std::min<std::int64_t>(to, *limit);
  at = std::max<std::int64_t>(from, 0);
  size = to - at;
  return size > 0;
}

}  // namespace

bool Annotations::has_boxes() const {
  return format_ != AnnotationFormat::plain_csv && format_ != AnnotationFormat::remo_label;
}

bool Annotations::needs_image_size() const { return is_normalised(format_) || may_be_normalised(format_); }

Result<const FileAnnotation*> Annotations::find(std::string_view path) const {
  const auto [folder, base] = split_path(path);
  const auto [first, last] = entries_.equal_range(by_stem(format_) ? stem_of(base) : base);
  const Entry* best = nullptr;
  std::size_t best_score = 0;
  bool tied = false;
  for (auto at = first; at != last; ++at) {
    const Entry& entry = at->second;
    if (format_ == AnnotationFormat::ei_boxes && entry.folder != folder) continue;
    const bool exact = entry.folder == folder;
    const std::size_t score = exact ? SIZE_MAX : common_folders(entry.folder, folder);
    if (best != nullptr && score <= best_score) {
      tied = tied || score == best_score;
      continue;
    }
    best = &entry;
    best_score = score;
    tied = false;
  }
  if (tied) {
    return fail(Errc::malformed, "several annotations fit equally well for", std::string(path),
                "Name the file with its folder in the annotations");
  }
  return best == nullptr ? nullptr : &best->annotation;
}

Result<PlacedBoxes> Annotations::place(const FileAnnotation& annotation, std::optional<ImageSize> image) const {
  PlacedBoxes out;
  for (const RawBox& raw : annotation.boxes) {
    const bool scaled =
        is_normalised(format_) ? !all_above_one(raw) : may_be_normalised(format_) && looks_normalised(raw);
    if (scaled && !image)
      return fail(Errc::usage, "boxes are given as fractions, and the size of the image is not known");
    const double across = scaled ? image->width : 1.0;
    const double down = scaled ? image->height : 1.0;
    const double centred = format_ == AnnotationFormat::yolo_txt ? 0.5 : 0.0;
    Box box;
    box.label = raw.label;
    const auto width = image ? std::optional(image->width) : std::nullopt;
    const auto height = image ? std::optional(image->height) : std::nullopt;
    if (!clip((raw.x - raw.width * centred) * across, raw.width * across, width, box.x, box.width) ||
        !clip((raw.y - raw.height * centred) * down, raw.height * down, height, box.y, box.height)) {
      ++out.dropped;
      continue;
    }
    out.boxes.push_back(std::move(box));
  }
  return out;
}

}  // namespace tml::uploader
