// SPDX-License-Identifier: Apache-2.0
#include "uploader/file_bytes.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace tml::uploader {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{256} << 10U;
constexpr std::byte kInnerPad{0x36};
constexpr std::byte kOuterPad{0x5C};

std::int64_t mtime_of(const struct stat& info) {
  return std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

Error cut_short(const std::string& path) {
  return Error{Errc::io, "the file became shorter while it was read:", path, "Upload it again when it is complete", {}};
}

}  // namespace

Result<std::shared_ptr<FileBytes>> FileBytes::open(const std::string& path) {
  // A named pipe would block the open for ever.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd.valid()) return fail_errno(errno, "cannot open file", path);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return fail_errno(errno, "cannot read file", path);
  if (!S_ISREG(info.st_mode)) return fail(Errc::refused, "this is no regular file:", path);
  std::shared_ptr<FileBytes> file(new FileBytes(path, std::move(fd)));
  file->size_ = static_cast<std::uint64_t>(info.st_size);
  file->mtime_ns_ = mtime_of(info);
  return file;
}

bool FileBytes::is_unchanged() const {
  struct stat info {};
  return ::fstat(fd_.get(), &info) == 0 && static_cast<std::uint64_t>(info.st_size) == size_ &&
         mtime_of(info) == mtime_ns_;
}

std::size_t FileBytes::read_at(std::uint64_t offset, char* out, std::size_t capacity) const {
  while (true) {
    const ssize_t got = ::pread(fd_.get(), out, capacity, static_cast<off_t>(offset));
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return SIZE_MAX;
  }
}

RandomSource FileBytes::source() const {
  return {size_, [this](std::uint64_t offset, std::span<std::byte> into) -> std::size_t {
            std::size_t done = 0;
            while (done < into.size()) {
              const std::size_t got =
                  read_at(offset + done, reinterpret_cast<char*>(into.data()) + done, into.size() - done);
              if (got == 0 || got == SIZE_MAX) break;
              done += got;
            }
            return done;
          }};
}

Result<void> FileBytes::append_to(std::string& out) const {
  const std::size_t before = out.size();
  out.resize(before + size_);
  for (std::uint64_t at = 0; at < size_;) {
    const std::size_t got = read_at(at, out.data() + before + at, size_ - at);
    if (got == 0 || got == SIZE_MAX) {
      out.resize(before);
      if (got == 0) return pass(cut_short(path_));
      return fail_errno(errno, "cannot read file", path_);
    }
    at += got;
  }
  return {};
}

Result<void> FileBytes::each_piece(const std::function<Result<void>(std::string_view)>& take) const {
  std::vector<char> piece(std::min<std::uint64_t>(kPieceBytes, size_));
  ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  for (std::uint64_t at = 0; at < size_;) {
    const std::size_t got = read_at(at, piece.data(), std::min<std::uint64_t>(piece.size(), size_ - at));
    if (got == SIZE_MAX) return fail_errno(errno, "cannot read file", path_);
    if (got == 0) return pass(cut_short(path_));
    if (auto taken = take(std::string_view(piece.data(), got)); !taken) return taken;
    at += got;
  }
  return {};
}

StreamMac::StreamMac(std::string_view key) {
  if (key.size() > key_.size()) {
    const sample::Digest digest = sample::sha256(sample::as_bytes(key));
    std::copy(digest.begin(), digest.end(), key_.begin());
  } else {
    const sample::Bytes bytes = sample::as_bytes(key);
    std::copy(bytes.begin(), bytes.end(), key_.begin());
  }
  std::array<std::byte, 64> pad{};
  std::transform(key_.begin(), key_.end(), pad.begin(), [](std::byte b) { return b ^ kInnerPad; });
  inner_.update(pad);
  ::explicit_bzero(pad.data(), pad.size());
}

StreamMac::~StreamMac() { ::explicit_bzero(key_.data(), key_.size()); }

void StreamMac::update(std::string_view bytes) { inner_.update(sample::as_bytes(bytes)); }

sample::Digest StreamMac::finish() {
  const sample::Digest inner = inner_.finish();
  std::array<std::byte, 64> pad{};
  std::transform(key_.begin(), key_.end(), pad.begin(), [](std::byte b) { return b ^ kOuterPad; });
  sample::Sha256 outer;
  outer.update(pad);
  outer.update(inner);
  ::explicit_bzero(pad.data(), pad.size());
  return outer.finish();
}

}  // namespace tml::uploader
