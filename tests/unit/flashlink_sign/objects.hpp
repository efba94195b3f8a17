// SPDX-License-Identifier: Apache-2.0
// Objects and generators for the tests of signing.
#pragma once

#include <rapidcheck.h>

#include <cstring>
#include <string_view>
#include <vector>

#include "common/flashlink/development_key.hpp"
#include "common/flashlink/signing.hpp"

namespace tml::flashlink::test {

using Payload = std::vector<std::byte>;

inline Payload payload_of(std::size_t bytes, unsigned seed = 1) {
  Payload payload(bytes);
  for (auto& byte : payload) {
    seed = seed * 1664525U + 1013904223U;
    byte = static_cast<std::byte>(seed >> 24U);
  }
  return payload;
}

inline wire::flash::Manifest app_facts(std::uint32_t slots = 3) {
  wire::flash::Manifest facts;
  facts.slots = slots;
  facts.version = 0x01020003;
  (void)set_text(facts.product, "tml-virtual");
  (void)set_text(facts.name, "blinky");
  return facts;
}

inline wire::flash::Manifest data_facts() {
  wire::flash::Manifest facts;
  facts.object = wire::flash::ObjectClass::data;
  facts.slots = 1U << 6U;
  return facts;
}

/// An application image with a header; `bytes` at least 0x280.
inline Payload image_of(std::size_t bytes, std::uint32_t slots, std::uint32_t version = 0x01020003) {
  Payload image = payload_of(bytes, version);
  wire::flash::ImageHeader header;
  header.image_bytes = static_cast<std::uint32_t>(bytes);
  header.version = version;
  header.slots = slots;
  header.kernel_abi = 2;
  header.kernels = 0xFF;
  header.arena_bytes = 1000;
  (void)set_text(header.product, "tml-virtual");
  (void)set_text(header.name, "blinky");
  std::memcpy(image.data() + wire::flash::kImageHeaderOffset, &header, sizeof header);
  return image;
}

}  // namespace tml::flashlink::test
