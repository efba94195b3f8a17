// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <cstdint>

#include "server/media.hpp"
#include "server/side_files.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::server;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  SideFiles side;
  for (const char* kind :
       {"structured_labels.labels", "bounding_boxes.labels", "attachments.labels", "label_map.labels"}) {
    (void)read_side_file(kind, text, side).has_value();
  }
  (void)read_metadata(text).has_value();
  (void)read_boxes(text).has_value();
  (void)read_wav(text).has_value();
  return 0;
}
