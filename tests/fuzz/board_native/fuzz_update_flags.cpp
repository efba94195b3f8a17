// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A public key file, and the numbers of the flags about flashing.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "firmware/boards/native/firmware_image.hpp"
#include "firmware/boards/native/flash_model.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::fw::native;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)parse_public_key(text);
  if (const auto times = parse_flash_times(text); times && (times->erase.count() < 0 || times->page.count() < 0))
    std::abort();
  if (const auto version = parse_version(text); version && parse_version(version_text(*version)) != version)
    std::abort();
  (void)behaviour_named(text);
  return 0;
}
