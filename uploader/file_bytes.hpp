// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// An open file that is read piece by piece: its bytes never stand in memory as a whole. read_at() is thread-safe (the
// HTTP client's thread reads what the worker opened); the rest belongs to one thread. Blocking.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/base/error.hpp"
#include "common/base/file.hpp"
#include "common/sample/signature.hpp"
#include "uploader/parse/source.hpp"

namespace tml::uploader {

class FileBytes {
 public:
  /// Errc::not_found, permission, io; Errc::refused for what is no regular file.
  [[nodiscard]] static Result<std::shared_ptr<FileBytes>> open(const std::string& path);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }  ///< When it was opened.
  [[nodiscard]] std::int64_t mtime_ns() const { return mtime_ns_; }

  /// Size and time are those of when it was opened.
  [[nodiscard]] bool is_unchanged() const;

  /// Up to `capacity` bytes from `offset`; 0 at the end; SIZE_MAX on an error.
  [[nodiscard]] std::size_t read_at(std::uint64_t offset, char* out, std::size_t capacity) const;
  /// For the parsers; the file must outlive it.
  [[nodiscard]] RandomSource source() const;
  /// Appends the whole content. Errc::io when it is shorter than size() by now.
  [[nodiscard]] Result<void> append_to(std::string& out) const;
  /// Calls `take` with one piece after the other, 256 KiB at most each. Stops at the first error.
  [[nodiscard]] Result<void> each_piece(const std::function<Result<void>(std::string_view)>& take) const;

 private:
  FileBytes(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_;
  UniqueFd fd_;
  std::uint64_t size_ = 0;
  std::int64_t mtime_ns_ = 0;
};

/// HMAC-SHA256 (RFC 2104) of bytes that come in pieces; the key's copy is wiped. One thread.
class StreamMac {
 public:
  explicit StreamMac(std::string_view key);
  ~StreamMac();
  StreamMac(const StreamMac&) = delete;
  StreamMac& operator=(const StreamMac&) = delete;
  void update(std::string_view bytes);
  [[nodiscard]] sample::Digest finish();

 private:
  std::array<std::byte, 64> key_{};
  sample::Sha256 inner_;
};

}  // namespace tml::uploader
