// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Going through folders, and the bounding_boxes.labels beside images (wire reference 4.4). Blocking; one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/error.hpp"
#include "uploader/parse/annotations.hpp"
#include "uploader/plan.hpp"

namespace tml::uploader {

/// Every regular file below a folder, depth first, sorted by name, the files of a folder before its folders. Passes
/// over names that begin with a dot or contain "readme" (wire reference 4.4); does not follow links to folders.
class FolderWalk {
 public:
  explicit FolderWalk(std::string root);
  /// The next path, beginning with the root as given; nothing at the end. An unreadable folder is an Error once; the
  /// walk goes on after it.
  [[nodiscard]] Result<std::optional<std::string>> next();

 private:
  [[nodiscard]] Result<void> open(const std::string& folder);
  std::vector<std::string> folders_;  ///< Still to be read, the next one last.
  std::vector<std::string> files_;    ///< Of the open folder, the next one last.
};

/// Sub-folders of a folder, sorted by name, dot folders left out.
[[nodiscard]] Result<std::vector<std::string>> sub_folders(const std::string& folder);

[[nodiscard]] bool is_image(std::string_view content_type);

/// Gives images the boxes that the bounding_boxes.labels in their folder has for them; the file of the last folder is
/// remembered.
class BoxesBeside {
 public:
  explicit BoxesBeside(Warn warn) : warn_(std::move(warn)) {}
  void apply(Upload& upload);

 private:
  void open(const std::string& folder);
  Warn warn_;
  std::optional<std::string> folder_;
  std::optional<Annotations> boxes_;
};

/// Reads the whole file into text for a parser. Errc::limit above kMaxAnnotationBytes.
[[nodiscard]] Result<std::string> read_annotation_file(const std::string& path);

}  // namespace tml::uploader
