// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// SHA-512 (FIPS 180-4) in little code: libsodium's unrolls its rounds to 7 KiB, of which a bootloader has 56. For
// messages of public content, such as a signed manifest. tests/unit/small_crypto holds it against libsodium.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tml::fw::boards {

inline constexpr std::size_t kSha512BlockBytes = 128;

/// State words between blocks.
using Sha512State = std::array<std::uint64_t, 8>;
[[nodiscard]] Sha512State sha512_start();
void sha512_block(Sha512State& state, std::span<const std::uint8_t, kSha512BlockBytes> block);

}  // namespace tml::fw::boards
