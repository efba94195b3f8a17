// SPDX-License-Identifier: Apache-2.0
#include "uploader/parse/image_size.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto found = tml::uploader::read_image_size(tml::uploader::random_text_source(text), "i");
  if (found && (found->width == 0 || found->height == 0)) std::abort();
  return 0;
}
