// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The flags of the profiles that stream (docs/tml-board.md, "Streams").
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/base/error.hpp"
#include "firmware/boards/native/board.hpp"

namespace CLI {
class App;
}

namespace tml::fw::native {

struct StreamFlags {
  std::string profile = "tml";
  std::optional<std::string> stream;
  std::vector<std::string> banner;
  bool no_header = false;
  bool no_crc = false;
  std::optional<std::uint64_t> limit;
  std::optional<std::string> reset_on_open;
  std::filesystem::path truth;
};

/// `flags` and `board` outlive the parsing.
void add_stream_flags(CLI::App& app, StreamFlags& flags, BoardOptions& board);

/// Errc::usage for what does not go together. After the faults are known.
[[nodiscard]] Result<void> apply_stream_flags(const StreamFlags& flags, BoardOptions& board);

}  // namespace tml::fw::native
