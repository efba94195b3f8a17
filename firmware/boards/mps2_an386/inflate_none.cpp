// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The bootloader's substitute for firmware/update/inflate.cpp: it has neither zlib nor memory for it, says so in
// Identity::caps, and refuses compressed chunks.
#include "firmware/update/inflate.hpp"

namespace tml::fw::update {

wire::flash::Status Inflate::begin(std::span<const std::uint8_t> /*stream*/, wire::flash::Encoding /*encoding*/) {
  return wire::flash::Status::unsupported;
}

wire::flash::Status Inflate::add_dictionary(std::span<const std::uint8_t> /*piece*/) {
  return wire::flash::Status::unsupported;
}

Inflate::Piece Inflate::read(std::span<std::uint8_t> /*out*/) {
  return {.status = wire::flash::Status::unsupported, .bytes = 0};
}

wire::flash::Status Inflate::finish() { return wire::flash::Status::unsupported; }

}  // namespace tml::fw::update
