// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The place of a Unix socket in the file system, and who is at the other end of one. Internal to common/httpd.
#pragma once

#include <filesystem>
#include <optional>

#include "common/base/error.hpp"
#include "common/base/file.hpp"
#include "common/httpd/types.hpp"

namespace tml::httpd::detail {

/// The right to bind a socket at a path, held by a lock on PATH.lock. Whatever dead server's socket was there is gone;
/// bind may follow. The destructor removes the socket; the lock's file stays, since removing it would let two processes
/// hold a lock on two files of that name.
class SocketFile {
 public:
  /// Errc::busy: a server holds it, or answers there without the lock; Errc::usage: too long, or a file that is no
  /// socket stands there; Errc::permission.
  [[nodiscard]] static Result<SocketFile> claim(const std::filesystem::path& path);
  SocketFile(SocketFile&&) noexcept = default;
  SocketFile& operator=(SocketFile&& other) noexcept;
  SocketFile(const SocketFile&) = delete;
  SocketFile& operator=(const SocketFile&) = delete;
  ~SocketFile() { remove(); }

 private:
  SocketFile(std::filesystem::path path, UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  void remove();

  std::filesystem::path path_;
  UniqueFd lock_;
};

/// None when the kernel does not tell.
[[nodiscard]] std::optional<PeerProcess> peer_of(int socket);

}  // namespace tml::httpd::detail
