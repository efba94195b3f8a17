// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// tml-flash FILE --protocol smp|eta: boards with another bootloader. Their images are sent as they are; nothing is
// signed here.
#pragma once

#include "common/cli/reporter.hpp"
#include "flasher/flash_options.hpp"
#include "flasher/signing_key.hpp"

namespace tml::flasher {

[[nodiscard]] ExitCode run_foreign(const FlashOptions& options, const BoardFlags& board, const Surroundings& around,
                                   cli::Reporter& reporter);

}  // namespace tml::flasher
