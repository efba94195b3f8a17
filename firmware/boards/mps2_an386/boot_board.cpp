// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/boot_board.hpp"

#include <array>

namespace tml::fw::mps2 {
namespace {

// 32 KiB of RAM, stack included, leave this much: two chunks in assembly, and 2 KiB for what comes meanwhile.
std::array<std::uint8_t, 2 * wire::flash::kChunkBytes> window_memory;
std::array<std::uint8_t, 2048> received;
std::array<std::uint8_t, 256> sent;

}  // namespace

update::Memory boot_memory() { return {.window = window_memory, .inflate = {}}; }

std::span<std::uint8_t> boot_receive_ring() { return received; }
std::span<std::uint8_t> boot_send_ring() { return sent; }

}  // namespace tml::fw::mps2
