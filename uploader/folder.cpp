// SPDX-License-Identifier: Apache-2.0
#include "uploader/folder.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "common/base/file.hpp"

namespace tml::uploader {
namespace {

namespace fs = std::filesystem;

bool is_passed_over(const std::string& name) {
  if (name.starts_with('.')) return true;
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower.find("readme") != std::string::npos;
}

std::string joined(const std::string& folder, const std::string& name) {
  return folder.empty() || folder.ends_with('/') ? folder + name : folder + "/" + name;
}

}  // namespace

FolderWalk::FolderWalk(std::string root) { folders_.push_back(std::move(root)); }

Result<void> FolderWalk::open(const std::string& folder) {
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  if (error) return fail_errno(error.value(), "cannot read folder", folder);
  std::vector<std::string> below;
  for (; entries != fs::directory_iterator(); entries.increment(error)) {
    if (error) break;
    std::string name = entries->path().filename().string();
    if (is_passed_over(name)) continue;
    std::error_code unknown;
    if (entries->is_directory(unknown) && !entries->is_symlink(unknown)) {
      below.push_back(joined(folder, name));
    } else if (entries->is_regular_file(unknown)) {
      files_.push_back(joined(folder, name));
    }
  }
  std::sort(files_.begin(), files_.end(), std::greater<>());
  std::sort(below.begin(), below.end(), std::greater<>());
  folders_.insert(folders_.end(), std::make_move_iterator(below.begin()), std::make_move_iterator(below.end()));
  if (error) return fail_errno(error.value(), "cannot read folder", folder);
  return {};
}

Result<std::optional<std::string>> FolderWalk::next() {
  while (files_.empty()) {
    if (folders_.empty()) return std::nullopt;
    const std::string folder = std::move(folders_.back());
    folders_.pop_back();
    if (auto opened = open(folder); !opened) return pass(opened.error());
  }
  std::string file = std::move(files_.back());
  files_.pop_back();
  return file;
}

Result<std::vector<std::string>> sub_folders(const std::string& folder) {
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  if (error) return fail_errno(error.value(), "cannot read folder", folder);
  std::vector<std::string> found;
  for (; entries != fs::directory_iterator(); entries.increment(error)) {
    if (error) return fail_errno(error.value(), "cannot read folder", folder);
    std::error_code unknown;
    const std::string name = entries->path().filename().string();
    if (!name.starts_with('.') && entries->is_directory(unknown)) found.push_back(joined(folder, name));
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool is_image(std::string_view content_type) { return content_type.starts_with("image/"); }

Result<std::string> read_annotation_file(const std::string& path) { return read_file(path, kMaxAnnotationBytes); }

void BoxesBeside::open(const std::string& folder) {
  folder_ = folder;
  boxes_.reset();
  const std::string path = joined(folder, std::string(kBoundingBoxesName));
  auto text = read_annotation_file(path);
  if (!text) {
    if (text.error().code != Errc::not_found) warn_("invalid labels file: " + text.error().message());
    return;
  }
  AnnotationReader reader(AnnotationFormat::ei_boxes);
  auto added = reader.add(kBoundingBoxesName, *text);
  if (!added) return warn_("invalid labels file: " + path + ": " + added.error().message());
  auto read = reader.finish();
  if (!read) return warn_("invalid labels file: " + path + ": " + read.error().message());
  boxes_ = *std::move(read);
}

void BoxesBeside::apply(Upload& upload) {
  if (!is_image(upload.content_type)) return;
  const std::size_t slash = upload.path.rfind('/');
  const std::string folder = slash == std::string::npos ? std::string() : upload.path.substr(0, slash + 1);
  if (folder_ != folder) open(folder);
  if (!boxes_) return;
  auto found = boxes_->find(sample::base_name(upload.path));
  if (!found || *found == nullptr) return;
  auto placed = boxes_->place(**found, std::nullopt);
  if (!placed) {
    upload.problem = placed.error();
    return;
  }
  upload.boxes = std::move(placed->boxes);
}

}  // namespace tml::uploader
