// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Which key signs: --key, else TML_SIGNING_KEY (a path), else signing_key of the configuration, else the development
// key with a warning. Blocking: may ask for a passphrase on a terminal.
#pragma once

#include "common/base/settings.hpp"
#include "common/cli/prompt.hpp"
#include "common/cli/reporter.hpp"
#include "common/flashlink/key_file.hpp"
#include "flasher/flash_options.hpp"

namespace tml::flasher {

struct Surroundings {
  Environment environment = process_environment();
  bool may_ask = true;  ///< --no-input was not given.
};

enum class KeyRole : std::uint8_t { object, root };

[[nodiscard]] Result<flashlink::SecretKey> signing_key(const SigningFlags& flags, KeyRole role,
                                                       const Surroundings& around, cli::Reporter& reporter);

/// First line of a file, without its end. Errc::usage for an empty one.
[[nodiscard]] Result<std::string> passphrase_from(const std::string& file);

}  // namespace tml::flasher
