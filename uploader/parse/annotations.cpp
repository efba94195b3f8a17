// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "uploader/parse/annotations.hpp"

#include <algorithm>

#include "common/wire/text.hpp"
#include "uploader/parse/annotation_parse.hpp"

namespace tml::uploader {
namespace {

constexpr std::string_view kDescriptionsSuffix = "class-descriptions.csv";

bool is_json_format(AnnotationFormat format) {
  return format == AnnotationFormat::coco || format == AnnotationFormat::remo_label ||
         format == AnnotationFormat::remo_boxes;
}

bool is_csv_format(AnnotationFormat format) {
  return format == AnnotationFormat::open_images_csv || format == AnnotationFormat::plain_csv ||
         format == AnnotationFormat::plain_csv_boxes;
}

bool is_class_lines(std::string_view base) {
  return has_extension(base, ".names") || wire::equals_ignoring_case(base, "classes.txt");
}

bool is_class_yaml(std::string_view base) {
  return wire::equals_ignoring_case(base, "data.yaml") || wire::equals_ignoring_case(base, "data.yml");
}

bool uses_classes(AnnotationFormat format) {
  return format == AnnotationFormat::yolo_txt || format == AnnotationFormat::open_images_csv;
}

}  // namespace

std::string_view annotation_format_key(AnnotationFormat format) {
  return kAnnotationFormatKeys[static_cast<std::size_t>(format)];
}

Result<AnnotationFormat> parse_annotation_format(std::string_view key) {
  const auto at = std::find(kAnnotationFormatKeys.begin(), kAnnotationFormatKeys.end(), key);
  if (at != kAnnotationFormatKeys.end()) return static_cast<AnnotationFormat>(at - kAnnotationFormatKeys.begin());
  std::string known;
  for (const std::string_view name : kAnnotationFormatKeys) known.append(known.empty() ? "" : ", ").append(name);
  return fail(Errc::usage, "unknown annotation format \"" + std::string(key) + "\"", "--dataset-format",
              "Known: " + known);
}

bool may_hold_annotations(std::string_view path, std::optional<AnnotationFormat> format) {
  const std::string_view base = split_path(path).second;
  const bool ei = base == kBoundingBoxesName;
  if (!format) {
    return ei || has_extension(base, ".csv") || has_extension(base, ".json") || has_extension(base, ".xml");
  }
  if (is_json_format(*format)) return has_extension(base, ".json");
  if (is_csv_format(*format)) return has_extension(base, ".csv");
  if (*format == AnnotationFormat::ei_boxes) return ei;
  if (*format == AnnotationFormat::pascal_voc) return has_extension(base, ".xml");
  return has_extension(base, ".txt") || is_class_lines(base) || is_class_yaml(base);
}

std::optional<AnnotationFormat> recognise_annotations(std::string_view path, std::string_view bytes) {
  const std::string_view base = split_path(path).second;
  if (base == kBoundingBoxesName) return AnnotationFormat::ei_boxes;
  if (has_extension(base, ".json")) return recognise_json(bytes);
  if (has_extension(base, ".csv")) return recognise_csv(bytes);
  if (has_extension(base, ".xml") && recognise_voc(bytes)) return AnnotationFormat::pascal_voc;
  return std::nullopt;
}

struct AnnotationReader::Impl {
  Result<bool> add_chosen(std::string_view path, std::string_view bytes);
  Result<bool> add_recognised(std::string_view path, std::string_view bytes);
  Result<bool> add_yolo(std::string_view path, std::string_view bytes);
  Result<void> read(std::string_view path, std::string_view bytes);
  Result<void> name_classes();

  std::optional<AnnotationFormat> chosen;
  std::optional<AnnotationFormat> found;
  std::string found_in;
  RawAnnotations raw;
};

Result<void> AnnotationReader::Impl::read(std::string_view path, std::string_view bytes) {
  if (!found) found_in = path;
  switch (*found) {
    case AnnotationFormat::ei_boxes:
      return read_ei_boxes(path, bytes, raw);
    case AnnotationFormat::coco:
      return read_coco(path, bytes, raw);
    case AnnotationFormat::pascal_voc:
      return read_voc(path, bytes, raw);
    case AnnotationFormat::remo_label:
    case AnnotationFormat::remo_boxes:
      return read_remo(path, bytes, *found == AnnotationFormat::remo_boxes, raw);
    case AnnotationFormat::open_images_csv:
    case AnnotationFormat::plain_csv:
    case AnnotationFormat::plain_csv_boxes:
      return read_csv_annotations(*found, path, bytes, raw);
    case AnnotationFormat::yolo_txt:
      break;
  }
  return {};
}

Result<bool> AnnotationReader::Impl::add_yolo(std::string_view path, std::string_view bytes) {
  const std::string_view base = split_path(path).second;
  if (is_class_yaml(base) || is_class_lines(base)) {
    auto ok = is_class_yaml(base) ? read_class_yaml(path, bytes, raw) : read_class_lines(path, bytes, raw);
    if (!ok) return pass(std::move(ok.error()));
    return true;
  }
  auto boxes = read_yolo(path, bytes, raw);
  if (!boxes) return boxes;
  if (*boxes) found = AnnotationFormat::yolo_txt;
  // Lists of images (train.txt) belong to the format as well and are no samples.
  return true;
}

Result<bool> AnnotationReader::Impl::add_chosen(std::string_view path, std::string_view bytes) {
  if (*chosen == AnnotationFormat::yolo_txt) return add_yolo(path, bytes);
  if (is_csv_format(*chosen)) {
    if (!has_columns_of(*chosen, bytes)) return false;
  } else if (*chosen != AnnotationFormat::pascal_voc && recognise_annotations(path, bytes) != chosen) {
    // XML that is broken is an error all the same: there is no other use of XML here.
    return false;
  }
  found = chosen;
  if (auto ok = read(path, bytes); !ok) return pass(std::move(ok.error()));
  return true;
}

Result<bool> AnnotationReader::Impl::add_recognised(std::string_view path, std::string_view bytes) {
  const auto format = recognise_annotations(path, bytes);
  if (!format) return false;
  if (found && *found != *format) {
    return fail(Errc::usage,
                std::string(path) + " is " + std::string(annotation_format_key(*format)) + ", but " + found_in +
                    " is " + std::string(annotation_format_key(*found)),
                {}, "Choose one with --dataset-format");
  }
  if (!found) found_in = path;
  found = format;
  if (auto ok = read(path, bytes); !ok) return pass(std::move(ok.error()));
  return true;
}

Result<void> AnnotationReader::Impl::name_classes() {
  for (const auto& [id, where] : raw.used_in) {
    if (raw.class_names.contains(id)) continue;
    const bool yolo = *found == AnnotationFormat::yolo_txt;
    return fail(Errc::malformed, "class " + id + " has no name:", where,
                yolo ? "Put its name into a *.names file, classes.txt or data.yaml in the folder"
                     : "Put its name into a *class-descriptions.csv file in the folder");
  }
  for (auto& [key, file] : raw.files) {
    for (RawBox& box : file.boxes) box.label = raw.class_names[box.label];
  }
  return {};
}

AnnotationReader::AnnotationReader(std::optional<AnnotationFormat> format) : impl_(std::make_unique<Impl>()) {
  impl_->chosen = format;
}
AnnotationReader::~AnnotationReader() = default;
AnnotationReader::AnnotationReader(AnnotationReader&&) noexcept = default;
AnnotationReader& AnnotationReader::operator=(AnnotationReader&&) noexcept = default;

Result<bool> AnnotationReader::add(std::string_view path, std::string_view bytes) {
  if (!may_hold_annotations(path, impl_->chosen)) return false;
  if (bytes.size() > kMaxAnnotationBytes) {
    return fail(Errc::limit, "annotations larger than 256 MiB:", std::string(path));
  }
  const bool descriptions = split_path(path).second.ends_with(kDescriptionsSuffix);
  if (descriptions && impl_->chosen.value_or(AnnotationFormat::open_images_csv) == AnnotationFormat::open_images_csv) {
    if (auto ok = read_class_descriptions(path, bytes, impl_->raw); !ok) return pass(std::move(ok.error()));
    return true;
  }
  return impl_->chosen ? impl_->add_chosen(path, bytes) : impl_->add_recognised(path, bytes);
}

Result<std::optional<Annotations>> AnnotationReader::finish() {
  if (!impl_->found) {
    if (!impl_->chosen) return std::nullopt;
    return fail(Errc::not_found, "no annotations of the format " + std::string(annotation_format_key(*impl_->chosen)),
                "--dataset-format", "Leave the option out to have the format recognised");
  }
  Annotations out;
  out.format_ = *impl_->found;
  if (uses_classes(out.format_)) {
    if (auto ok = impl_->name_classes(); !ok) return pass(std::move(ok.error()));
  }
  for (auto& [key, file] : impl_->raw.files) {
    out.entries_.emplace(key.second, Annotations::Entry{key.first, std::move(file)});
  }
  return out;
}

}  // namespace tml::uploader
