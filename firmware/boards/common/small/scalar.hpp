// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A number of 512 bits modulo the order of Ed25519's base point, in little code: libsodium's unrolls it to 4.5 KiB. Its
// time depends on the number: for verification, where all is public.
#pragma once

#include <cstdint>
#include <span>

namespace tml::fw::boards {

/// Little endian. The result is in the first 32 bytes, the others are zero. RFC 8032, 5.1: L = 2^252 +
/// 27742317777372353535851937790883648493.
void reduce_scalar(std::span<std::uint8_t, 64> number);

}  // namespace tml::fw::boards
