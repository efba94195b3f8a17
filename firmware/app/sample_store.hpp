// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Captured samples on flash, as files `/fs/<label>.<n>`: written once, front to back, and real only from their commit
// record on.
//
// The region is a ring of 4 KiB sectors; a file is a run of whole sectors (which may pass the end of the region). Each
// sector says by itself what it is, so that mounting reads one small head per sector and no structure can be torn:
//
//   0   clean mark   8   programmed after an erase has finished
//   8   use head    16   magic, file number, index of the sector in the file, CRC-32C
//   32  (index 0)  132   label size u8, label, CRC-32C at 160: the file's name
//   168 (index 0)    8   commit: size in bytes u32, CRC-32C of number and size
//   176 (index 0)    4   0xFFFFFFFF; anything else: unlinked
//   180 (index 0)    4   "READ": a host has read the file out whole; anything else: not
//   256 (index 0) or 32  content
//
// A sector is *clean* (mark valid, the rest of the head blank: may be written), *live* (part of a committed file) or
// dead (all else, a capture that was cut short included: erased when needed). New files go behind the newest, so wear
// goes round the ring. Numbers rise for the life of the board: the sector with the highest number is never erased
// before a higher one is written.
//
// Hosts exist that never unlink some kinds of file (wire reference 2.7). So a file that was read out whole is marked,
// and reserve() unlinks marked files, oldest first, when it would fail otherwise; except the one that was read last,
// which may still be on its way into the host's store. A file that is not marked only goes when it is unlinked.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <span>
#include <string_view>

#include "firmware/app/text.hpp"
#include "firmware/hal/flash.hpp"

namespace tml::fw::app {

/// A committed file.
struct FileInfo {
  std::uint32_t number = 0;  ///< 1 and up; unique for the life of the board.
  std::uint32_t size_bytes = 0;
  std::uint16_t sector = 0;  ///< First sector, counted from the start of the region.
  bool read_out = false;     ///< Marked by mark_read().
};

using FileLabel = Text<127>;
using FileName = Text<143>;  ///< "/fs/" label "." number

enum class StoreError : std::uint8_t {
  none,
  no_space,        ///< Even without the files that may be evicted no run of sectors is long enough: unlink files.
  too_many_files,  ///< SampleStore::kMaxFiles are there and none may be evicted: unlink files.
  flash            ///< The flash reported a failure.
};

class SampleStore {
 public:
  static constexpr std::uint32_t kMaxSectors = 4096;
  static constexpr std::size_t kMaxFiles = 512;
  static constexpr std::uint32_t kFirstContent = 256;  ///< Offset of the content in a file's first sector.
  static constexpr std::uint32_t kContent = 32;        ///< And in the others.

  /// `region`: 2 to kMaxSectors sectors. `flash` outlives the store.
  SampleStore(hal::Flash& flash, hal::FlashRegion region);

  /// Finds the committed files; what a power cut left behind counts as dead. Writes nothing. At most two reads per
  /// sector.
  void mount();

  /// Files in the order of their numbers.
  [[nodiscard]] std::size_t file_count() const { return file_count_; }
  [[nodiscard]] const FileInfo& file(std::size_t index) const { return files_[index]; }
  /// Reads the name from flash; empty when that fails.
  [[nodiscard]] FileName name(const FileInfo& file) const;
  /// nullptr: no such file. Valid until the next unlink, reserve or commit.
  [[nodiscard]] const FileInfo* find(std::string_view name) const;
  [[nodiscard]] const FileInfo* newest() const { return file_count_ == 0 ? nullptr : &files_[file_count_ - 1]; }

  /// Reads content. False: beyond the end, or the flash failed.
  [[nodiscard]] bool read(const FileInfo& file, std::uint32_t offset, std::span<std::uint8_t> into) const;

  /// Durable when it returns true.
  [[nodiscard]] bool unlink(const FileInfo& file);

  /// The host has received the whole file: later ones may take its place once another file has been read after it. The
  /// mark is durable when this returns true; false: no such file, or the flash failed, and the file stays as it is.
  /// After a mount the newest marked file counts as the one read last.
  [[nodiscard]] bool mark_read(const FileInfo& file);

  // Writing, one file at a time: reserve, erase_step until done, open, append..., patch, commit. abandon() at any point
  // gives up.

  /// Chooses sectors for a file of up to `capacity_bytes` and decides its number and name. Unlinks the marked files
  /// that stand in its way, but none when that would not be enough.
  [[nodiscard]] StoreError reserve(std::string_view label, std::uint32_t capacity_bytes);
  [[nodiscard]] const FileName& reserved_name() const { return name_; }

  enum class EraseStep : std::uint8_t { more, done, failed };
  /// Erases at most one sector of the reservation.
  [[nodiscard]] EraseStep erase_step();

  [[nodiscard]] bool open();
  /// Content goes through a page buffer; a byte given as 0xFF stays erased and can be patched once before the commit.
  /// False: the flash failed, or the reservation is used up.
  [[nodiscard]] bool append(std::span<const std::uint8_t> bytes);
  /// Programs bytes over content that was appended as 0xFF.
  [[nodiscard]] bool patch(std::uint32_t offset, std::span<const std::uint8_t> bytes);
  /// Makes the file exist. Durable when it returns true.
  [[nodiscard]] bool commit();
  void abandon() { writing_ = false; }
  [[nodiscard]] std::uint32_t written_bytes() const { return written_; }

  /// Erases one dead sector ahead of the next reservation. False: nothing to do (or the flash failed).
  [[nodiscard]] bool erase_ahead();

  [[nodiscard]] std::uint32_t sector_count() const { return sectors_; }
  [[nodiscard]] std::uint32_t free_sectors() const { return sectors_ - static_cast<std::uint32_t>(live_.count()); }
  /// Longest file that reserve() would accept now.
  [[nodiscard]] std::uint32_t largest_free_bytes() const;
  [[nodiscard]] static std::uint32_t sectors_for(std::uint32_t bytes);
  [[nodiscard]] static std::uint32_t bytes_in(std::uint32_t sectors);

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  struct Place {
    std::uint32_t index;   ///< Sector of the file.
    std::uint32_t within;  ///< Offset in that sector.
    std::uint32_t room;    ///< Bytes to the end of the sector.
  };
  [[nodiscard]] static Place place_of(std::uint32_t content_offset);
  [[nodiscard]] std::uint32_t ring(std::uint32_t sector) const { return sector % sectors_; }
  [[nodiscard]] std::uint32_t sector_offset(std::uint32_t sector) const {
    return region_.offset + ring(sector) * hal::kFlashSectorBytes;
  }
  [[nodiscard]] bool program_use_head(std::uint32_t sector, std::uint32_t number, std::uint32_t index);
  [[nodiscard]] bool read_label(const FileInfo& file, FileLabel& label) const;
  [[nodiscard]] bool make_clean(std::uint32_t sector);
  [[nodiscard]] bool flush_page();
  void mount_sector(std::uint32_t sector, std::uint32_t& highest_index);
  void add_file(const FileInfo& file);
  [[nodiscard]] bool all_sectors_present(const FileInfo& file) const;
  struct Run {
    std::uint32_t start = 0;
    std::uint32_t length = 0;
  };
  using Sectors = std::bitset<kMaxSectors>;
  /// The first run of `wanted` sectors that are not in `live`, or else the longest one.
  [[nodiscard]] Run find_run(const Sectors& live, std::uint32_t wanted) const;
  [[nodiscard]] bool evictable(const FileInfo& file) const { return file.read_out && file.number != last_read_; }
  [[nodiscard]] std::size_t evictable_count() const;
  /// find_run() as if the oldest `evicted` of the evictable files were gone.
  [[nodiscard]] Run find_run_without(std::size_t evicted, std::uint32_t wanted) const;
  [[nodiscard]] bool overlaps(const FileInfo& file, const Run& run) const;
  /// Unlinks the evictable files in `run`, and one more if the table is still full.
  [[nodiscard]] bool evict(const Run& run);

  hal::Flash& flash_;
  hal::FlashRegion region_;
  std::uint32_t sectors_;
  Sectors live_;
  Sectors clean_;
  std::array<FileInfo, kMaxFiles> files_{};
  std::size_t file_count_ = 0;
  std::uint32_t keeper_ = kNone;  ///< The sector that holds the highest number seen.
  std::uint32_t highest_number_ = 0;
  std::uint32_t last_read_ = 0;  ///< Number of the file read last; 0: none. Never evicted.

  bool writing_ = false;
  FileLabel label_;
  FileName name_;
  std::uint32_t number_ = 0;
  Run run_;
  std::uint32_t erased_ = 0;   ///< Sectors of the run known to be clean.
  std::uint32_t written_ = 0;  ///< Content bytes appended.
  std::array<std::uint8_t, hal::kFlashPageBytes> page_{};
  std::uint32_t page_offset_ = 0;  ///< Flash offset of page_[0].
  std::uint32_t page_size_ = 0;
};

}  // namespace tml::fw::app
