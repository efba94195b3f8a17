// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a board's refusal means for a person and for a script: the one table from the status bytes of the flash link to
// the host's error codes (and so to exit codes, docs/exit-codes.md), with what to do about each. Pure functions.
#pragma once

#include <string_view>

#include "common/base/error.hpp"
#include "common/wire/flash_link.hpp"

namespace tml::flashlink {

/// One row of the table.
struct Refusal {
  Errc code = Errc::refused;
  std::string_view hint;  ///< What to do, one sentence without a full stop.
};

/// Of any byte: an unknown status of a newer board is Errc::refused.
[[nodiscard]] Refusal refusal_of(wire::flash::Status status);

/// "the board refuses BEGIN: security epoch below the floor", `where` as it stands, hint from the table. `status` is
/// not ok.
[[nodiscard]] Error refusal(wire::flash::Status status, wire::flash::Op op, std::string_view where);

/// "BEGIN"; "request 99" has no name and gives "a request".
[[nodiscard]] std::string_view op_name(wire::flash::Op op);

}  // namespace tml::flashlink
