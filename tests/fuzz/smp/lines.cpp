// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <array>
#include <vector>

#include "common/wire/smp.hpp"
#include "tests/fuzz/wire/input.hpp"

// Any bytes give bounded packets; any packet survives its lines, whatever came before them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::wire;
  std::array<std::byte, 200> small{};
  smp::Assembler assembler(small);
  for (std::size_t i = 0; i < size; ++i) {
    if (assembler.push(data[i]) == smp::Assembler::Event::packet) {
      fuzz::require(assembler.packet().size() <= small.size() - 2);
      static_cast<void>(smp::parse_header(assembler.packet()));
    }
  }
  const auto input = fuzz::bytes(data, std::min<std::size_t>(size, 2000));
  if (input.empty()) return 0;
  std::vector<std::byte> lines(smp::encoded_bytes(input.size()));
  fuzz::require(smp::encode_lines(input, lines) == lines.size());
  std::vector<std::byte> memory(input.size() + 2);
  smp::Assembler fresh(memory);
  bool whole = false;
  for (const std::byte b : lines) whole = fresh.push(static_cast<std::uint8_t>(b)) == smp::Assembler::Event::packet;
  fuzz::require(whole && as_text(fresh.packet()) == as_text(input));
  return 0;
}
