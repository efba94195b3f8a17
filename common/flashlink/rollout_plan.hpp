// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// PLAN.toml: what a rollout does, and to which boards (docs/rollout.md has every key). parse_plan() is pure; any
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/error.hpp"

namespace tml::flashlink {

inline constexpr std::size_t kMaxPlanBytes = 256 * 1024;
inline constexpr std::size_t kMaxRolloutBoards = 4096;
inline constexpr std::uint32_t kMaxParallel = 64;

/// So many, or such a part of all (exact: parts per million). Never both.
struct Amount {
  std::uint32_t count = 0;
  std::optional<std::uint32_t> share_ppm;

  /// Boards of `total` that this names: a share is rounded up, and at least 1 unless it is 0; never above `total`.
  [[nodiscard]] std::size_t boards(std::size_t total) const;
  /// Whether `failures` of `total` are more than this allows: exact, without rounding.
  [[nodiscard]] bool exceeded(std::size_t failures, std::size_t total) const;
};

/// "1.2.3" as manifests carry it: major << 24 | minor << 16 | patch. Missing parts are 0.
[[nodiscard]] std::optional<std::uint32_t> parse_version(std::string_view text);
[[nodiscard]] std::string version_text(std::uint32_t version);

/// ">=1.2.0, <2.0.0": every part holds. Operators = == != < <= > >=; none means =.
class VersionRange {
 public:
  [[nodiscard]] static std::optional<VersionRange> parse(std::string_view text);
  [[nodiscard]] bool contains(std::uint32_t version) const;

 private:
  enum class Operator : std::uint8_t { equal, not_equal, less, less_equal, greater, greater_equal };
  struct Bound {
    Operator op = Operator::equal;
    std::uint32_t version = 0;
  };
  std::vector<Bound> bounds_;
};

/// Which boards; every condition that is given holds.
struct BoardSelection {
  std::string tag;                      ///< The fleet's name on the board (Identity::tag).
  std::string product;                  ///< Identity::product
  std::optional<VersionRange> version;  ///< Of what the lane to be written runs now; 0.0.0: nothing.
  std::vector<std::string> ids;         ///< Device ids.
  /// Paths, shell patterns ("/dev/ttyACM*") or serial=X. Empty: every USB serial port and every board of the daemon.
  std::vector<std::string> ports;
};

struct RolloutPlan {
  std::string name;     ///< Of the journal: 1 to 64 of letters, digits, '.', '_', '-', not beginning with '.'.
  std::string file;     ///< .tmlu, .tmlm, .tflite or an image; relative to the plan.
  std::string impulse;  ///< Impulse file of a .tflite; relative to the plan.
  BoardSelection select;
  Amount canary{1, {}};               ///< The first batch; 0: none.
  Amount canary_errors{0, {}};        ///< Failures that the canary may have.
  Amount batch{8, {}};                ///< Boards of each later batch.
  std::uint32_t parallel = 4;         ///< Boards at a time, at most kMaxParallel.
  Amount errors{0, {}};               ///< Failures that the rollout may have, over all its boards.
  bool revert = true;                 ///< The batch in which the budget was exceeded goes back to what it ran before.
  std::optional<std::uint64_t> seed;  ///< Shuffles the boards; without one they go in the order of their ids.
  std::vector<std::string> windows;   ///< Self-test: recordings or folders of them, relative to the plan.
  std::uint32_t most_windows = 16;    ///< Per board.
  Millis board_timeout{300'000};      ///< For everything that is done to one board at a time.
  Millis boot_timeout{15'000};
  Millis replug_timeout{20'000};
  std::uint32_t baud = 0;  ///< As JobOptions.
  std::uint8_t stage = 0;
  std::uint8_t attempts = 3;
  bool background = false;
};

/// Errc::malformed with line and column for what is no TOML; Errc::usage naming line and key for an unknown key, a
/// wrong type, a value out of its range, and keys that exclude each other. `where`: the file's name.
[[nodiscard]] Result<RolloutPlan> parse_plan(std::string_view text, std::string_view where);

/// True for a name that a journal may have.
[[nodiscard]] bool is_rollout_name(std::string_view name);

}  // namespace tml::flashlink
