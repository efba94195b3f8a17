// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a board may send as a JPEG.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "common/image/jpeg.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto info = tml::image::check_jpeg(std::as_bytes(std::span(data, size)));
  if (info && (info->width == 0 || info->height == 0)) std::abort();
  if (!info && info.error().what.empty()) std::abort();
  return 0;
}
