// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/flash_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace tml::fw::native {
namespace {

constexpr std::uint8_t kErased = 0xFF;

std::size_t wear_bytes(std::uint32_t size_bytes) { return size_bytes / hal::kFlashSectorBytes * sizeof(std::uint32_t); }

// The mapping outlives the descriptor.
Result<void*> map_file(const std::filesystem::path& path, std::size_t size) {
  const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid()) return fail_errno(errno, "cannot open the flash file", path.string());
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return fail_errno(errno, "cannot read the size of", path.string());
  if (info.st_size == 0) {
    if (::ftruncate(file.get(), static_cast<off_t>(size)) != 0)
      return fail_errno(errno, "cannot size the flash file", path.string());
  } else if (static_cast<std::size_t>(info.st_size) != size) {
    return fail(Errc::usage,
                "the flash file has " + std::to_string(info.st_size) + " bytes, not " + std::to_string(size),
                path.string(), "Give the --flash-mib that the state folder was made with, or another --state");
  }
  void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) return fail_errno(errno, "cannot map the flash file", path.string());
  return memory;
}

}  // namespace

Result<UniqueFd> lock_state_folder(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "flash.lock";
  UniqueFd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.valid()) return fail_errno(errno, "cannot open the lock of the state folder", path.string());
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK) {
    return fail(Errc::busy, "another tml-board is running with this state folder", folder.string(),
                "Stop it, or give each board its own --state");
  }
  return fail_errno(errno, "cannot lock the state folder", folder.string());
}

Result<std::unique_ptr<FlashFile>> FlashFile::open(const std::filesystem::path& folder, std::uint32_t size_bytes,
                                                   Panic panic, UniqueFd lock) {
  if (!lock.valid()) {
    Result<UniqueFd> taken = lock_state_folder(folder);
    if (!taken) return pass(std::move(taken.error()));
    lock = std::move(*taken);
  }
  std::unique_ptr<FlashFile> flash(new FlashFile);
  flash->lock_ = std::move(lock);
  Result<void*> cells = map_file(folder / "flash.bin", size_bytes);
  if (!cells) return pass(std::move(cells.error()));
  flash->size_bytes_ = size_bytes;
  flash->cells_ = static_cast<std::uint8_t*>(*cells);
  Result<void*> wear = map_file(folder / "flash.wear", wear_bytes(size_bytes));
  if (!wear) return pass(std::move(wear.error()));
  flash->wear_ = static_cast<std::uint32_t*>(*wear);
  flash->panic_ = std::move(panic);
  return flash;
}

FlashFile::~FlashFile() {
  if (cells_ != nullptr) ::munmap(cells_, size_bytes_);
  if (wear_ != nullptr) ::munmap(wear_, wear_bytes(size_bytes_));
  if (mirror_ != nullptr) ::munmap(mirror_, size_bytes_);
}

bool FlashFile::broken(const char* rule, std::uint32_t offset) const {
  char text[96];
  std::snprintf(text, sizeof text, "flash rule broken at offset 0x%08x: %s", static_cast<unsigned>(offset), rule);
  if (panic_) panic_(text);
  return false;
}

bool FlashFile::read(std::uint32_t offset, std::span<std::uint8_t> into) {
  if (offset > size_bytes_ || into.size() > size_bytes_ - offset) return broken("read beyond the end", offset);
  for (std::size_t i = 0; i < into.size(); ++i) into[i] = static_cast<std::uint8_t>(~cells_[offset + i]);
  return true;
}

bool FlashFile::program(std::uint32_t offset, std::span<const std::uint8_t> bytes) {
  if (offset > size_bytes_ || bytes.size() > size_bytes_ - offset) return broken("program beyond the end", offset);
  if (bytes.empty()) return true;
  if (bytes.size() > hal::kFlashPageBytes - offset % hal::kFlashPageBytes)
    return broken("program crosses a page", offset);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto old = static_cast<std::uint8_t>(~cells_[offset + i]);
    // An 0xFF byte is "leave as it is", the one case where asking for ones over zeros is no mistake.
    if (bytes[i] != kErased && (bytes[i] & ~old) != 0) {
      return broken("program turns 0 into 1", offset + static_cast<std::uint32_t>(i));
    }
  }
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    cells_[offset + i] = static_cast<std::uint8_t>(cells_[offset + i] | static_cast<std::uint8_t>(~bytes[i]));
  }
  if (mirror_ != nullptr && mirrored_[offset / hal::kFlashSectorBytes]) {
    for (std::size_t i = 0; i < bytes.size(); ++i) mirror_[offset + i] = static_cast<std::uint8_t>(~cells_[offset + i]);
  }
  ++programs_;
  program_bytes_ += bytes.size();
  return true;
}

bool FlashFile::erase_sector(std::uint32_t offset) {
  if (offset % hal::kFlashSectorBytes != 0) return broken("erase is not aligned to a sector", offset);
  if (offset >= size_bytes_) return broken("erase beyond the end", offset);
  ++wear_[offset / hal::kFlashSectorBytes];
  std::memset(cells_ + offset, 0, hal::kFlashSectorBytes);
  if (mirror_ != nullptr && mirrored_[offset / hal::kFlashSectorBytes]) {
    std::memset(mirror_ + offset, kErased, hal::kFlashSectorBytes);
  }
  return true;
}

std::span<const std::uint8_t> FlashFile::mapped(std::uint32_t offset, std::uint32_t bytes) {
  if (bytes == 0 || offset > size_bytes_ || bytes > size_bytes_ - offset) return {};
  if (mirror_ == nullptr) {
    void* const memory = ::mmap(nullptr, size_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return {};
    mirror_ = static_cast<std::uint8_t*>(memory);
    mirrored_.assign(size_bytes_ / hal::kFlashSectorBytes, false);
  }
  const std::uint32_t last = (offset + bytes - 1) / hal::kFlashSectorBytes;
  for (std::uint32_t sector = offset / hal::kFlashSectorBytes; sector <= last; ++sector) {
    if (mirrored_[sector]) continue;
    const std::size_t from = std::size_t{sector} * hal::kFlashSectorBytes;
    for (std::size_t i = from; i < from + hal::kFlashSectorBytes; ++i)
      mirror_[i] = static_cast<std::uint8_t>(~cells_[i]);
    mirrored_[sector] = true;
  }
  return {mirror_ + offset, bytes};
}

FlashWear FlashFile::wear() const {
  FlashWear out;
  for (std::uint32_t sector = 0; sector < size_bytes_ / hal::kFlashSectorBytes; ++sector) {
    out.erases += wear_[sector];
    if (wear_[sector] > out.most_worn) {
      out.most_worn = wear_[sector];
      out.most_worn_sector = sector;
    }
  }
  out.programs = programs_;
  out.program_bytes = program_bytes_;
  return out;
}

}  // namespace tml::fw::native
