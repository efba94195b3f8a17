// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>

#include "uploader/folder.hpp"
#include "uploader/parse/source.hpp"
#include "uploader/plan.hpp"

namespace tml::uploader {
namespace {

namespace fs = std::filesystem;
using sample::Category;

/// Wire reference 4.4.
Category category_of(std::string path) {
  std::transform(path.begin(), path.end(), path.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto has = [&path](const char* part) { return path.find(part) != std::string::npos; };
  if (has("post-processing")) return Category::post_processing;
  if (has("val") || has("test")) return Category::testing;
  return Category::training;
}

std::string relative_to(const std::string& path, const std::string& root) {
  std::string_view rest = std::string_view(path).substr(root.size());
  while (rest.starts_with('/')) rest.remove_prefix(1);
  return std::string(rest);
}

struct Found {
  std::optional<Annotations> annotations;
  std::set<std::string, std::less<>> files;  ///< That hold them; relative.
};

Result<bool> holds_image(const std::string& root) {
  FolderWalk walk(root);
  while (true) {
    auto path = walk.next();
    if (!path) return pass(path.error());
    if (!*path) return false;
    if (is_image(content_type_for(**path))) return true;
  }
}

Result<Found> find_annotations(const std::string& root, std::optional<AnnotationFormat> format) {
  Found found;
  if (!format) {
    auto image = holds_image(root);
    if (!image) return pass(image.error());
    if (!*image) return found;
  }
  AnnotationReader reader(format);
  FolderWalk walk(root);
  while (true) {
    auto path = walk.next();
    if (!path) return pass(path.error());
    if (!*path) break;
    const std::string relative = relative_to(**path, root);
    if (!may_hold_annotations(relative, format)) continue;
    auto text = read_annotation_file(**path);
    if (!text) {
      // A sample of that size is no annotation; a chosen format must be readable.
      if (!format && text.error().code == Errc::limit) continue;
      return pass(text.error());
    }
    auto added = reader.add(relative, *text);
    if (!added) return pass(added.error());
    if (*added) found.files.insert(relative);
  }
  auto annotations = reader.finish();
  if (!annotations) return pass(annotations.error());
  found.annotations = *std::move(annotations);
  return found;
}

/// A folder whose annotation files say what is in it.
class AnnotatedPlan final : public Plan {
 public:
  AnnotatedPlan(const Options& options, Found found, Warn warn)
      : options_(options), found_(std::move(found)), warn_(std::move(warn)), walk_(options.directory) {}

  Result<std::optional<Upload>> next() override {
    while (true) {
      auto path = walk_.next();
      if (!path) {
        warn_(path.error().message());
        continue;
      }
      if (!*path) return std::nullopt;
      const std::string relative = relative_to(**path, options_.directory);
      if (found_.files.contains(relative) || content_type_for(relative).empty()) continue;
      Upload upload = upload_of(options_, *std::move(*path));
      if (!options_.category_given) upload.category = category_of(relative);
      if (auto described = describe(upload, relative); !described) upload.problem = described.error();
      return upload;
    }
  }

 private:
  Result<void> describe(Upload& upload, const std::string& relative) const {
    const Annotations& annotations = *found_.annotations;
    auto annotation = annotations.find(relative);
    if (!annotation) return pass(annotation.error());
    if (!annotations.has_boxes()) {
      if (!options_.label && *annotation != nullptr) {
        upload.label.kind = LabelKind::single;
        upload.label.text = (*annotation)->label;
      }
      return {};
    }
    // What is in the image is said by its boxes, not by its name.
    if (!options_.label && options_.label_from == LabelFrom::file) upload.label.kind = LabelKind::unlabeled;
    if (*annotation == nullptr) return {};
    std::optional<ImageSize> size;
    if (is_image(upload.content_type)) {
      auto source = random_file_source(upload.path);
      if (!source) return pass(source.error());
      auto read = read_image_size(*source, upload.path);
      if (!read && annotations.needs_image_size()) return pass(read.error());
      if (read) size = *read;
    }
    auto placed = annotations.place(**annotation, size);
    if (!placed) return pass(placed.error());
    if (placed->dropped > 0) {
      warn_(upload.path + ": " + std::to_string(placed->dropped) + " boxes have no area inside the image");
    }
    upload.boxes = std::move(placed->boxes);
    return {};
  }

  const Options& options_;
  Found found_;
  Warn warn_;
  FolderWalk walk_;
};

/// A folder with `training` and `testing` in it, not looked into any deeper.
class TwoFoldersPlan final : public Plan {
 public:
  TwoFoldersPlan(const Options& options, std::vector<std::pair<std::string, Category>> files, const Warn& warn)
      : options_(options), files_(std::move(files)), boxes_(warn) {}

  Result<std::optional<Upload>> next() override {
    if (at_ == files_.size()) return std::nullopt;
    Upload upload = upload_of(options_, files_[at_].first);
    if (!options_.category_given) upload.category = files_[at_].second;
    ++at_;
    boxes_.apply(upload);
    return upload;
  }

 private:
  const Options& options_;
  std::vector<std::pair<std::string, Category>> files_;
  BoxesBeside boxes_;
  std::size_t at_ = 0;
};

Result<std::unique_ptr<Plan>> open_two_folders(const Options& options, const Warn& warn) {
  std::vector<std::pair<std::string, Category>> files;
  const std::pair<const char*, Category> kinds[] = {{"training", Category::training}, {"testing", Category::testing}};
  for (const auto& [name, category] : kinds) {
    const fs::path folder = fs::path(options.directory) / name;
    std::error_code error;
    fs::directory_iterator entries(folder, error);
    if (error) {
      return fail(Errc::not_found,
                  "the folder has no annotations that are recognised, and no folders training and testing:",
                  options.directory, "Name files or folders in place of --directory, or give --dataset-format");
    }
    std::vector<std::string> names;
    for (; entries != fs::directory_iterator(); entries.increment(error)) {
      if (error) return fail_errno(error.value(), "cannot read folder", folder.string());
      std::error_code unknown;
      const std::string file = entries->path().filename().string();
      if (file.starts_with('.') || content_type_for(file).empty() || !entries->is_regular_file(unknown)) continue;
      names.push_back(entries->path().string());
    }
    std::sort(names.begin(), names.end());
    for (std::string& path : names) files.emplace_back(std::move(path), category);
  }
  return std::make_unique<TwoFoldersPlan>(options, std::move(files), warn);
}

}  // namespace

Result<std::unique_ptr<Plan>> open_dataset_plan(const Options& options, Warn warn) {
  std::optional<AnnotationFormat> format;
  if (!options.dataset_format.empty()) {
    auto chosen = parse_annotation_format(options.dataset_format);
    if (!chosen) return pass(chosen.error());
    format = *chosen;
  }
  auto found = find_annotations(options.directory, format);
  if (!found) return pass(found.error());
  if (!found->annotations) return open_two_folders(options, warn);
  return std::make_unique<AnnotatedPlan>(options, *std::move(found), std::move(warn));
}

}  // namespace tml::uploader
