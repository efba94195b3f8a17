// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a sample can carry beside its bytes (wire reference 4.3, 4.5), and the JSON of the side files that say it in a
// /files request. Plain values; pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/error.hpp"

namespace tml::uploader {

/// Keys are unique; what comes from JSON is sorted by key.
using KeyValues = std::vector<std::pair<std::string, std::string>>;
/// Adds `more`; a key that is there already gets the new value.
void set_values(KeyValues& into, const KeyValues& more);

/// Pixels, origin at the top left corner of the image; width and height above 0.
struct Box {
  std::string label;
  std::int64_t x = 0;
  std::int64_t y = 0;
  std::int64_t width = 0;
  std::int64_t height = 0;
  friend bool operator==(const Box&, const Box&) = default;
};

/// One label of a time series: sample indices, both ends included.
struct LabelRange {
  std::uint64_t start_index = 0;
  std::uint64_t end_index = 0;
  std::string label;
  KeyValues label_map;  ///< Usually empty.
  friend bool operator==(const LabelRange&, const LabelRange&) = default;
};

enum class LabelKind : std::uint8_t {
  infer,       ///< Nothing said: the server infers it from the file name (wire reference 4.4).
  unlabeled,   ///< Explicitly none: `x-label` empty and `x-no-label: 1`.
  single,      ///< `text` goes into `x-label`.
  multi,       ///< `ranges` go into structured_labels.labels.
  key_values,  ///< `values` go into label_map.labels.
};

struct Label {
  LabelKind kind = LabelKind::infer;
  std::string text;
  std::vector<LabelRange> ranges;  ///< Contiguous from index 0.
  KeyValues values;                ///< A list of texts has the keys "0", "1", ...
  friend bool operator==(const Label&, const Label&) = default;
};

/// Names of the side files (wire reference 4.3), in the order in which they travel.
inline constexpr std::string_view kStructuredLabelsName = "structured_labels.labels";
inline constexpr std::string_view kBoundingBoxesName = "bounding_boxes.labels";
inline constexpr std::string_view kAttachmentsName = "attachments.labels";
inline constexpr std::string_view kLabelMapName = "label_map.labels";

/// True for the four names above: files that describe samples and are no samples.
[[nodiscard]] bool is_side_file_name(std::string_view base_name);

/// The compact JSON of one side file about one sample; `file` is the name under which the sample travels. Bytes that
/// are no UTF-8 become U+FFFD.
[[nodiscard]] std::string structured_labels_json(std::string_view file, std::span<const LabelRange> ranges);
[[nodiscard]] std::string bounding_boxes_json(std::string_view file, std::span<const Box> boxes);
[[nodiscard]] std::string attachments_json(std::string_view file, std::span<const std::string> names);
[[nodiscard]] std::string label_map_json(std::string_view file, const KeyValues& values);

/// `x-metadata`: a flat object of texts (wire reference 4.3). "{}" when empty.
[[nodiscard]] std::string metadata_json(const KeyValues& metadata);
/// Reads an object of texts (--metadata); numbers and booleans become their text. Errc::malformed names the key.
/// At most 1000 members in 64 KiB.
[[nodiscard]] Result<KeyValues> read_metadata(std::string_view json, std::string_view where);

}  // namespace tml::uploader
