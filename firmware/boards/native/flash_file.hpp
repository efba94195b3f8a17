// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// NOR flash in a file: 4 KiB erase, programming that only clears bits, a wear count per sector.
//
// The files are shared mappings: what a call has written is in the kernel's page cache when it returns and survives a
// kill -9 of the process at any instant (not a crash of the machine: nothing is fsynced, as nothing here is evidence).
// `flash.bin` holds the complement of the content, so that an erased device is a sparse file of zeros: 200 boards of 16
// MiB cost what they store.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/base/error.hpp"
#include "common/base/file.hpp"
#include "firmware/hal/flash.hpp"

namespace tml::fw::native {

struct FlashWear {
  std::uint64_t erases = 0;     ///< Over the life of the state folder.
  std::uint32_t most_worn = 0;  ///< Erases of the most worn sector.
  std::uint32_t most_worn_sector = 0;
  std::uint64_t programs = 0;  ///< Program operations since the process started.
  std::uint64_t program_bytes = 0;
};

/// A state folder is one process': Errc::busy when another has it. Held while the descriptor, or a copy that a child
/// inherited, is open.
[[nodiscard]] Result<UniqueFd> lock_state_folder(const std::filesystem::path& folder);

/// One thread. Move-only by way of unique_ptr: mappings stay where they are.
class FlashFile final : public hal::Flash {
 public:
  /// Called on a broken flash rule (a 0 -> 1 program, a page crossing, an unaligned erase) with one sentence that names
  /// the offset. In the program it ends the process; the call that broke the rule returns false if the handler returns.
  using Panic = std::function<void(const std::string&)>;

  /// Opens or creates flash.bin and flash.wear in `folder` (which exists). Errc::busy when another process has this
  /// folder, told by flock on flash.lock; Errc::usage when the files there have another size. `lock`: the one that the
  /// process before this one handed over, instead.
  [[nodiscard]] static Result<std::unique_ptr<FlashFile>> open(const std::filesystem::path& folder,
                                                               std::uint32_t size_bytes, Panic panic,
                                                               UniqueFd lock = {});
  /// Descriptor of the lock, for the process that follows this one.
  [[nodiscard]] int lock_fd() const { return lock_.get(); }
  FlashFile(const FlashFile&) = delete;
  FlashFile& operator=(const FlashFile&) = delete;
  ~FlashFile();

  [[nodiscard]] std::uint32_t size_bytes() const override { return size_bytes_; }
  [[nodiscard]] bool read(std::uint32_t offset, std::span<std::uint8_t> into) override;
  [[nodiscard]] bool program(std::uint32_t offset, std::span<const std::uint8_t> bytes) override;
  [[nodiscard]] bool erase_sector(std::uint32_t offset) override;
  /// A copy of the plain content, made sector by sector when it is first asked for and kept in step from then on.
  [[nodiscard]] std::span<const std::uint8_t> mapped(std::uint32_t offset, std::uint32_t bytes) override;

  [[nodiscard]] FlashWear wear() const;
  /// Goes on counting where the process before this one stopped.
  void resume_counting(std::uint64_t programs, std::uint64_t program_bytes) {
    programs_ = programs;
    program_bytes_ = program_bytes;
  }

 private:
  FlashFile() = default;
  bool broken(const char* rule, std::uint32_t offset) const;

  UniqueFd lock_;
  std::uint32_t size_bytes_ = 0;
  std::uint8_t* cells_ = nullptr;
  std::uint32_t* wear_ = nullptr;
  std::uint8_t* mirror_ = nullptr;  // as large as the flash; pages that nobody asked for cost nothing
  std::vector<bool> mirrored_;      // by sector
  std::uint64_t programs_ = 0;
  std::uint64_t program_bytes_ = 0;
  Panic panic_;
};

}  // namespace tml::fw::native
