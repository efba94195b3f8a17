// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The memory of the board in QEMU that outlives it: a file of 16 MiB, mapped by both. Below the host window it is the
// board's flash, with its plain content (unlike flash.bin of the board in this process, which can not be executed in
// place and may so be sparse).
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "common/base/error.hpp"
#include "firmware/boards/mps2_an386/host_window.hpp"
#include "firmware/boards/native/flash_file.hpp"
#include "firmware/hal/flash.hpp"

namespace tml::fw::native {

/// As a Flash it is for use while QEMU does not run. One thread.
class PsramFile final : public hal::Flash {
 public:
  /// Opens or creates psram.bin in `folder` (which exists); a new one is blank. Errc::usage when it has another size.
  [[nodiscard]] static Result<std::unique_ptr<PsramFile>> open(const std::filesystem::path& folder);
  PsramFile(const PsramFile&) = delete;
  PsramFile& operator=(const PsramFile&) = delete;
  ~PsramFile();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// What the firmware writes there may change at any time: read counters through std::atomic_ref.
  [[nodiscard]] mps2::Window& window() { return *window_; }
  [[nodiscard]] FlashWear wear() const;

  [[nodiscard]] std::uint32_t size_bytes() const override { return hal::kLayoutFlashBytes; }
  [[nodiscard]] bool read(std::uint32_t offset, std::span<std::uint8_t> into) override;
  [[nodiscard]] bool program(std::uint32_t offset, std::span<const std::uint8_t> bytes) override;
  [[nodiscard]] bool erase_sector(std::uint32_t offset) override;

 private:
  PsramFile() = default;

  std::filesystem::path path_;
  std::uint8_t* cells_ = nullptr;
  mps2::Window* window_ = nullptr;
};

}  // namespace tml::fw::native
