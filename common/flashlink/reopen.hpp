// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Waiting for a port that went away: a cable pulled, a board whose USB restarts with it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "common/base/clock.hpp"
#include "common/flashlink/port_access.hpp"

namespace tml::flashlink {

/// Tries to open the port each 50 ms until it is there or `patience` is over; the caller's stream before it must be
/// gone. Errors that time does not heal (busy, usage) end it at once, also `permission` once it has lasted 2 s (udev
/// sets the mode of a new node a moment after it appears). `stop`, asked before each try, ends it with
/// Errc::interrupted; may be empty.
[[nodiscard]] serial::Awaitable<Result<std::unique_ptr<serial::ByteStream>>> reopen(PortAccess& access,
                                                                                    std::uint32_t baud, Millis patience,
                                                                                    const Clock& clock,
                                                                                    std::function<bool()> stop = {});

}  // namespace tml::flashlink
