// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What the commands for boards say to a board that answers. Coroutines; all arguments outlive them.
#pragma once

#include <vector>

#include "common/cli/reporter.hpp"
#include "common/flashlink/connection.hpp"
#include "common/flashlink/signing.hpp"
#include "flasher/flash_options.hpp"

namespace tml::flasher {

[[nodiscard]] serial::Awaitable<Result<void>> talk_info(flashlink::Connection& connection, cli::Reporter& reporter);
[[nodiscard]] serial::Awaitable<Result<void>> talk_keys(flashlink::Connection& connection,
                                                        const std::vector<flashlink::SignedObject>& install,
                                                        cli::Reporter& reporter);
[[nodiscard]] serial::Awaitable<Result<void>> talk_verify(flashlink::Connection& connection,
                                                          const BoardCommand& command, cli::Reporter& reporter);
[[nodiscard]] serial::Awaitable<Result<void>> talk_confirm(flashlink::Connection& connection,
                                                           const BoardCommand& command, cli::Reporter& reporter);
[[nodiscard]] serial::Awaitable<Result<void>> talk_revert(flashlink::Connection& connection,
                                                          const BoardCommand& command, cli::Reporter& reporter);
[[nodiscard]] serial::Awaitable<Result<void>> talk_erase(flashlink::Connection& connection, const BoardCommand& command,
                                                         cli::Reporter& reporter);
[[nodiscard]] serial::Awaitable<Result<void>> talk_tag(flashlink::Connection& connection, const BoardCommand& command,
                                                       cli::Reporter& reporter);
[[nodiscard]] serial::Awaitable<Result<void>> talk_reboot(flashlink::Connection& connection,
                                                          const BoardCommand& command, cli::Reporter& reporter);
[[nodiscard]] serial::Awaitable<Result<void>> talk_log(flashlink::Connection& connection, const BoardCommand& command,
                                                       cli::Reporter& reporter);

}  // namespace tml::flasher
