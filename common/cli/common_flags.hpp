// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What the flags say that every tool spells the same way (design, section 3), as plain data and without the parser
// (flags.hpp defines the flags). A tool's own options derive from these, so that they are parsed into place.
#pragma once

#include <string>

#include "common/base/error.hpp"
#include "common/base/settings.hpp"

namespace tml::cli {

struct OutputFlags {
  bool json = false;      ///< Results and events as JSON lines on standard output.
  bool no_input = false;  ///< Never ask; fail and name the flag instead.
  bool quiet = false;     ///< Errors only.
  bool verbose = false;   ///< Debug log, protocol bytes included.
};

struct ServerFlags {
  std::string host;
  std::string api_key;   ///< As given: literal or @FILE.
  std::string hmac_key;  ///< As given: literal or @FILE.
};

/// Flags over environment over file; keys given as @FILE are read, and every key is registered with log_secret().
[[nodiscard]] Result<Settings> effective_settings(const ServerFlags& flags, const Paths& paths,
                                                  const Environment& environment);

}  // namespace tml::cli
