// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The configuration on flash: an append log over two sectors that survives a power cut at any program or erase.
//
// Sector:  magic u32, sequence u32, CRC-32C of both u32, 4 bytes 0xFF, then records until the first erased byte.
// Record:  size of the fields u16, its complement u16, fields, CRC-32C of all of it u32. Field: id u8, size u8, value.
// All little-endian. The first record of a sector holds every field, each later one what a command changed: a record
// counts as a whole or not at all. A sector without a valid first record does not count; of two that do, the higher
// sequence holds. docs/firmware.md shows a worked example.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "firmware/app/config.hpp"
#include "firmware/hal/flash.hpp"

namespace tml::fw::app {

class ConfigStore {
 public:
  /// `region`: two sectors. `flash` outlives the store.
  ConfigStore(hal::Flash& flash, hal::FlashRegion region) : flash_(flash), region_(region) {}

  /// Reads the newest committed settings; the defaults where there are none. Writes nothing.
  void mount();

  [[nodiscard]] const Config& config() const { return config_; }

  /// Makes `next` the configuration, durably: after true it survives any power cut, after a cut during the call either
  /// the old or the new one is found, whole. Programs nothing when nothing changed. False: the flash failed and the old
  /// configuration stays.
  [[nodiscard]] bool update(const Config& next);

  /// Back to the defaults, and erases the old settings (keys, passwords) from the flash. False: the flash failed.
  [[nodiscard]] bool reset();

 private:
  static constexpr std::uint32_t kHeadBytes = 16;
  static constexpr std::size_t kMaxFields = 1200;  ///< Every field at its limit, with ids and sizes: 1131.
  using Record = std::array<std::uint8_t, kMaxFields + 8>;

  struct Scan {
    bool valid = false;
    bool torn = false;  ///< Something follows the last valid record.
    std::uint32_t sequence = 0;
    std::uint32_t end = 0;  ///< Offset in the sector behind the last valid record.
    Config config;
  };

  [[nodiscard]] std::uint32_t sector_offset(unsigned sector) const {
    return region_.offset + sector * hal::kFlashSectorBytes;
  }
  void scan_sector(unsigned sector, Scan& scan);
  [[nodiscard]] std::size_t read_record(std::uint32_t offset, std::uint32_t room);
  [[nodiscard]] std::size_t build_record(const Config& next, const Config* previous);
  [[nodiscard]] bool compact(const Config& next);

  hal::Flash& flash_;
  hal::FlashRegion region_;
  Config config_;
  unsigned active_ = 0;
  bool mounted_sector_ = false;  ///< The active sector holds a valid log.
  bool torn_ = false;
  std::uint32_t sequence_ = 0;
  std::uint32_t end_ = 0;
  Record record_{};
};

}  // namespace tml::fw::app
