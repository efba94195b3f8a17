// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a rollout does to one board, as it appears to the runner: five steps, each a conversation of its own with the
// port closed afterwards. LinkUpdater (link_updater.hpp) does them for boards of ours; tests have models of boards.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/error.hpp"
#include "common/base/sync.hpp"

namespace tml::flashlink {

struct InspectedBoard {
  std::string port;
  std::string id;  ///< Device id; the port where the board has none.
  std::string product;
  std::string tag;
  std::uint32_t version = 0;  ///< Of what the lane runs; 0: nothing.
  bool current = false;       ///< The lane runs exactly what is to be flashed, confirmed.
};

struct BoardProgress {
  std::string_view stage;  ///< "transferring", "testing"; of a static text.
  std::uint64_t done = 0;  ///< Bytes.
  std::uint64_t total = 0;
};
using BoardProgressFn = std::function<void(const BoardProgress&)>;

class BoardUpdater {
 public:
  virtual ~BoardUpdater() = default;
  /// Who is on the port, and what it runs. Nothing is written.
  [[nodiscard]] virtual Awaitable<Result<InspectedBoard>> inspect(std::string port) = 0;
  /// Transfers the object and puts it on trial; a board that has it there already, from an interrupted run, is taken as
  /// it is. Errc::verification when another board than `id` answers. After an error the board runs what it ran before,
  /// or will with its next restarts.
  [[nodiscard]] virtual Awaitable<Result<void>> update(std::string port, std::string id, BoardProgressFn progress) = 0;
  /// Runs the stored windows on the board's trial and holds the answers against the host's. A text for people ("4
  /// windows"), empty when there is no self-test. Errc::verification for an answer that differs.
  [[nodiscard]] virtual Awaitable<Result<std::string>> self_test(std::string port, std::string id,
                                                                 BoardProgressFn progress) = 0;
  /// The trial becomes what the board runs. A board that has confirmed it before is no error.
  [[nodiscard]] virtual Awaitable<Result<void>> confirm(std::string port, std::string id) = 0;
  /// Back to what it ran before. A board that has no trial is no error.
  [[nodiscard]] virtual Awaitable<Result<void>> revert(std::string port, std::string id) = 0;
  /// Ends the step that is under way on this port with Errc::interrupted, in a state that update() goes on from.
  virtual void cancel(const std::string& port) = 0;
};

}  // namespace tml::flashlink
