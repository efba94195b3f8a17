// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/mcuboot_image.hpp"

#include <vector>

#include "tests/fuzz/wire/input.hpp"

// Any file gives a bounded list; one with the magic of MCUboot at most one hash.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> file{0x3d, 0xb8, 0xf3, 0x96};
  file.insert(file.end(), data, data + size);
  tml::wire::fuzz::require(tml::flashlink::image_hashes(tml::wire::fuzz::bytes(file.data(), file.size())).size() <= 1);
  tml::wire::fuzz::require(tml::flashlink::image_hashes(tml::wire::fuzz::bytes(data, size)).size() <= 8);
  return 0;
}
