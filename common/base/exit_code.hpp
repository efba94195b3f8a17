// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Exit codes of every program: a stable interface (docs/exit-codes.md). Never negative, never 126 or above but for 130.
#pragma once

#include "common/base/error.hpp"

namespace tml {

enum class ExitCode : int {
  ok = 0,
  failed = 1,
  usage = 2,
  partly_failed = 3,
  not_found = 4,
  busy = 5,
  permission = 6,
  auth = 7,
  network = 8,
  verification = 9,
  timeout = 10,
  refused = 11,
  interrupted = 130,
};

/// The exit code that a program ends with when this error is what stopped it.
[[nodiscard]] ExitCode exit_code_for(Errc code);

/// The table as it is printed at the end of every --help.
[[nodiscard]] const char* exit_code_help();

}  // namespace tml
