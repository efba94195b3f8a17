// SPDX-License-Identifier: Apache-2.0
// Any bytes as a WAV file: the samples that are claimed lie inside it, and each can be read.
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "common/wire/wav.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::wire;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto header = read_wav_header(bytes);
  if (!header) return 0;
  const std::uint64_t frame = header->frame_bytes();
  if (frame == 0 || header->data_offset + header->frames * frame > size) std::abort();
  if (header->channels == 0 || header->rate_hz == 0) std::abort();
  const std::size_t width = header->bits / 8U;
  auto rest = bytes.subspan(static_cast<std::size_t>(header->data_offset));
  for (std::uint64_t i = 0; i < header->frames * header->channels; ++i, rest = rest.subspan(width)) {
    const double value = wav_sample(*header, rest.first(width));
    if (!(value >= -32768 && value < 32768)) std::abort();
  }
  return 0;
}
