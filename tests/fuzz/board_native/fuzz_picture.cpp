// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A file that a virtual camera is given to show.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "firmware/boards/native/picture.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::fw::native;
  const auto picture = decode_picture(std::as_bytes(std::span(data, size)), "input");
  if (!picture) {
    if (picture.error().what.empty()) std::abort();
    return 0;
  }
  if (picture->rgb.size() != std::size_t{picture->width} * picture->height * 3) std::abort();
  // A large one says nothing more and costs time.
  if (picture->rgb.size() > 100'000) return 0;
  if (fit_picture(*picture, 7, 5).rgb.size() != 7U * 5 * 3) std::abort();
  return 0;
}
