// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/psram_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/base/file.hpp"

namespace tml::fw::native {
namespace {

constexpr std::uint8_t kErased = 0xFF;

bool outside(std::uint32_t offset, std::size_t bytes) {
  return offset > mps2::kWindowOffset || bytes > mps2::kWindowOffset - offset;
}

}  // namespace

Result<std::unique_ptr<PsramFile>> PsramFile::open(const std::filesystem::path& folder) {
  std::unique_ptr<PsramFile> out(new PsramFile);
  out->path_ = folder / "psram.bin";
  const std::string name = out->path_.string();
  const UniqueFd file(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid()) return fail_errno(errno, "cannot open the memory file", name);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return fail_errno(errno, "cannot read the size of", name);
  if (info.st_size == 0) {
    if (::ftruncate(file.get(), mps2::kPsramBytes) != 0) return fail_errno(errno, "cannot size the memory file", name);
  } else if (info.st_size != mps2::kPsramBytes) {
    return fail(Errc::usage, "the memory file has " + std::to_string(info.st_size) + " bytes, not 16 MiB", name,
                "Remove it, or give another --state");
  }
  void* const memory = ::mmap(nullptr, mps2::kPsramBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) return fail_errno(errno, "cannot map the memory file", name);
  out->cells_ = static_cast<std::uint8_t*>(memory);
  out->window_ = reinterpret_cast<mps2::Window*>(out->cells_ + mps2::kWindowOffset);
  // The magic comes last: a file without it was cut short while it was made.
  if (out->window_->magic != mps2::kWindowMagic || out->window_->version != mps2::kWindowVersion) {
    out->window_->magic = 0;
    std::memset(out->cells_, kErased, mps2::kWindowOffset);
    std::memset(out->cells_ + mps2::kWindowOffset, 0, sizeof(mps2::Window));
    out->window_->version = mps2::kWindowVersion;
    out->window_->magic = mps2::kWindowMagic;
  }
  return out;
}

PsramFile::~PsramFile() {
  if (cells_ != nullptr) ::munmap(cells_, mps2::kPsramBytes);
}

bool PsramFile::read(std::uint32_t offset, std::span<std::uint8_t> into) {
  if (outside(offset, into.size())) return false;
  std::copy_n(cells_ + offset, into.size(), into.begin());
  return true;
}

bool PsramFile::program(std::uint32_t offset, std::span<const std::uint8_t> bytes) {
  if (outside(offset, bytes.size())) return false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    cells_[offset + i] = static_cast<std::uint8_t>(cells_[offset + i] & bytes[i]);
  }
  return true;
}

bool PsramFile::erase_sector(std::uint32_t offset) {
  if (offset % hal::kFlashSectorBytes != 0 || outside(offset, hal::kFlashSectorBytes)) return false;
  ++window_->wear.erases[offset / hal::kFlashSectorBytes];
  std::memset(cells_ + offset, kErased, hal::kFlashSectorBytes);
  return true;
}

FlashWear PsramFile::wear() const {
  FlashWear out;
  const auto& erases = window_->wear.erases;
  const auto most = std::max_element(erases.begin(), erases.end());
  for (const std::uint32_t count : erases) out.erases += count;
  out.most_worn = *most;
  out.most_worn_sector = static_cast<std::uint32_t>(most - erases.begin());
  out.programs = window_->wear.programs;
  out.program_bytes = window_->wear.program_bytes;
  return out;
}

}  // namespace tml::fw::native
