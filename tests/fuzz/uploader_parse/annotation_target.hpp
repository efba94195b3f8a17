// SPDX-License-Identifier: Apache-2.0
// Any bytes as annotations, chosen and recognised: whatever is accepted can be found and placed inside an image.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "uploader/parse/annotations.hpp"

namespace tml::fuzz {

inline void place_all(const uploader::Annotations& annotations) {
  const uploader::ImageSize image{640, 480};
  for (const char* name : {"a.jpg", "train/a.jpg", "b.png", ""}) {
    const auto found = annotations.find(name);
    if (!found || *found == nullptr) continue;
    const auto placed = annotations.place(**found, image);
    if (!placed || placed->boxes.size() + placed->dropped != (*found)->boxes.size()) std::abort();
    for (const auto& box : placed->boxes) {
      const bool inside = box.x >= 0 && box.y >= 0 && box.width > 0 && box.height > 0 && box.x + box.width <= 640 &&
                          box.y + box.height <= 480;
      if (!inside || box.label.empty()) std::abort();
    }
  }
}

/// Reads `bytes` as the file `path`, with `names` (may be empty) as the file of class names beside it.
inline void run_annotations(std::optional<uploader::AnnotationFormat> format, std::string_view path,
                            std::string_view bytes, std::string_view names_path = {}, std::string_view names = {}) {
  uploader::AnnotationReader reader(format);
  if (!names_path.empty() && !reader.add(names_path, names)) std::abort();
  if (!reader.add(path, bytes)) return;
  const auto out = reader.finish();
  if (out && *out) place_all(**out);
}

}  // namespace tml::fuzz
