// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The error vocabulary of everything that runs on the board as well as on the host: one byte, no text, no heap.
// Host code turns it into tml::Error at its edge and adds where it happened.
#pragma once

#include <cstdint>
#include <string_view>
#include <tl/expected.hpp>

namespace tml::wire {

enum class Errc : std::uint8_t {
  overflow,       ///< The caller's memory is too small for the result.
  truncated,      ///< The input ends in the middle of an item.
  malformed,      ///< The input breaks its format.
  limit,          ///< Well formed, but beyond a documented bound (depth, count, length).
  unsupported,    ///< Well formed, but a feature that we refuse on purpose.
  wrong_type,     ///< A typed read met an item of another type; the item was not consumed.
  bad_character,  ///< A character outside the alphabet or grammar.
  bad_padding,    ///< Base64 padding that is missing, early, surplus or hides non-zero bits.
  bad_checksum,   ///< A CRC does not match.
  bad_number,     ///< Not a number of the accepted grammar, or out of range.
  bad_state,      ///< The call does not fit what was called before (programming error, reported not fatal).
  sink_failed,    ///< The sink that takes the output reported a failure.
};

template <class T>
using Result = tl::expected<T, Errc>;

/// Stable lower-case name for logs, for example "bad_checksum".
[[nodiscard]] std::string_view errc_name(Errc code);

/// Shorthand for `return fail(Errc::limit);`.
[[nodiscard]] constexpr tl::unexpected<Errc> fail(Errc code) { return tl::unexpected<Errc>(code); }

}  // namespace tml::wire
