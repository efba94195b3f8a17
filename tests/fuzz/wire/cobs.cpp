// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/cobs.hpp"

#include <array>
#include <cstring>
#include <vector>

#include "tests/fuzz/wire/input.hpp"

// Any bytes decode to bounded frames; any bytes survive encoding.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::wire;
  const auto input = fuzz::bytes(data, size);
  std::array<std::byte, 64> small{};
  CobsDecoder noisy(small);
  for (const auto byte : input) {
    if (noisy.push(byte) == CobsDecoder::Event::frame) fuzz::require(noisy.frame().size() <= small.size());
  }
  std::vector<std::byte> encoded(cobs_max_encoded(size));
  const auto written = cobs_encode(input, encoded);
  fuzz::require(written.has_value());
  std::vector<std::byte> memory(size + 1);
  CobsDecoder decoder(memory);
  for (std::size_t i = 0; i < *written; ++i) fuzz::require(decoder.push(encoded[i]) == CobsDecoder::Event::none);
  fuzz::require(decoder.push(std::byte{0}) == CobsDecoder::Event::frame);
  fuzz::require(as_text(decoder.frame()) == as_text(input));
  return 0;
}
