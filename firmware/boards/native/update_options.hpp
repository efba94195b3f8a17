// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The flags about flashing: who the board is, whom it trusts, what its line and flash are like, and images made on the
// side (docs/tml-board.md, "Bootloader and slots").
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "common/base/error.hpp"
#include "common/wire/manifest.hpp"
#include "firmware/boards/native/firmware_image.hpp"
#include "firmware/boards/native/flash_model.hpp"

namespace CLI {
class App;
}

namespace tml::fw::native {

struct UpdateOptions {
  bool blank = false;  ///< Nothing is put into the application's slot at the factory.
  std::uint16_t hardware = 1;
  std::string product{kProductName};
  /// Signs key sets; without one the development root.
  std::optional<std::array<std::uint8_t, wire::flash::kKeyBytes>> root_key;
  bool release = false;
  bool allow_read = false;
  std::chrono::nanoseconds latency{0};  ///< Of the bridge to the host.
  FlashTimes flash;
};

/// `--make-image`: write it and end.
struct ImageOrder {
  std::filesystem::path path;  ///< Empty: none is asked for.
  ImageSpec spec;
};

struct UpdateFlags {
  UpdateOptions options;
  std::filesystem::path root_key;
  double latency_ms = 0;
  std::string flash_times;
  std::filesystem::path image;
  std::optional<std::string> image_version;
  std::optional<std::string> image_behaviour;
  std::optional<std::size_t> image_bytes;
  std::optional<std::string> image_slots;
  [[nodiscard]] bool any_of_the_board() const;
};

/// `flags` outlives the parsing.
void add_update_flags(CLI::App& app, UpdateFlags& flags);

/// Errc::usage for what does not go together, or what is wrong with the key file.
[[nodiscard]] Result<UpdateOptions> update_options(const UpdateFlags& flags);
[[nodiscard]] Result<ImageOrder> image_order(const UpdateFlags& flags, std::uint64_t seed);

}  // namespace tml::fw::native
