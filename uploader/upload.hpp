// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One file to upload with everything that is said about it: what planning produces and sending consumes. A value; the
// file itself is not open. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/sample/names.hpp"
#include "uploader/parse/labels.hpp"

namespace tml::uploader {

struct Upload {
  std::string path;
  std::string name;               ///< File name as sent, with extension.
  std::string_view content_type;  ///< Static text.
  sample::Category category = sample::Category::training;
  Label label;
  std::vector<Box> boxes;
  KeyValues metadata;
  std::vector<std::string> attachments;  ///< Paths.
  /// Planning found that it cannot be uploaded; it is reported, not sent.
  std::optional<Error> problem;

  /// Needs a request of its own: label files and attachments name their sample by file name.
  [[nodiscard]] bool has_side_files() const {
    return label.kind == LabelKind::multi || label.kind == LabelKind::key_values || !boxes.empty() ||
           !attachments.empty();
  }
};

/// A part that goes with a sample in its request.
struct SideFile {
  std::string name;
  std::string json;  ///< Empty for an attachment: its bytes are at `path`.
  std::string path;
};

/// In the order of wire reference 4.3: structured labels, boxes, each attachment and then their list, label map. The
/// second attachment of one base name gets another name: parts are told apart by their names.
[[nodiscard]] std::vector<SideFile> side_files(const Upload& upload);

/// What a person calls its label: "idle" (given, or what the server will take from the file name), "(unlabeled)",
/// "(3 ranges)", "(2 keys)".
[[nodiscard]] std::string label_text(const Upload& upload);

/// By extension, without regard to case (wire reference 4.2); empty when it is none that the service takes.
[[nodiscard]] std::string_view content_type_for(std::string_view file_name);
/// "text/csv" or "text/plain".
[[nodiscard]] bool is_table(std::string_view content_type);
/// ".csv" in lower case; empty without one.
[[nodiscard]] std::string extension_of(std::string_view file_name);

}  // namespace tml::uploader
