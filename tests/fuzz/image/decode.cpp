// SPDX-License-Identifier: Apache-2.0
// JPEG and PNG to pixels: what decodes has exactly the bytes of its size.
#include <cstdint>
#include <cstdlib>

#include "common/image/decode.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::image;
  const auto decoded = decode(std::as_bytes(std::span(data, size)));
  if (!decoded) return 0;
  const std::size_t channels = decoded->form == PixelForm::rgb ? 3 : 1;
  if (decoded->bytes.size() != std::size_t{decoded->width} * decoded->height * channels) std::abort();
  return 0;
}
