// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Captures that a board finished while nobody listened: the daemon or the host died after the board's file commit. Run
// after each connect, beside normal service: it holds the board's lock for one file at a time.
#pragma once

#include <functional>

#include "common/base/sync.hpp"
#include "daemon/capture.hpp"

namespace tml::daemon {

struct RecoverReport {
  unsigned recovered = 0;  ///< New in the spool.
  unsigned known = 0;      ///< Was in the spool already; deleted on the board.
  unsigned failed = 0;     ///< Could not be read; still on the board.
};

using RecoveredFn = std::function<void(const Captured&)>;
using RecoverFailedFn = std::function<void(const std::string& file, const Error&)>;

/// Errors: Errc::unplugged and Errc::interrupted end it; what one file alone is guilty of goes to `on_failed`.
[[nodiscard]] Awaitable<Result<RecoverReport>> recover_files(std::shared_ptr<Board> board, spool::AsyncSpool& spool,
                                                             Mutex& board_lock, std::vector<std::string> verify_keys,
                                                             RecoveredFn on_recovered, RecoverFailedFn on_failed);

}  // namespace tml::daemon
