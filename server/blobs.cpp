// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/blobs.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "common/base/file.hpp"

namespace tml::server {
namespace {

constexpr std::size_t kChunk = 1024 * 1024;

Result<void> sync_folder(const std::filesystem::path& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return fail_errno(errno, "cannot open folder", folder.string());
  if (::fsync(fd.get()) != 0) return fail_errno(errno, "cannot sync folder", folder.string());
  return {};
}

Result<void> write_all(int fd, std::string_view bytes, const std::string& where) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), std::min(bytes.size(), kChunk));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno(errno, "cannot write", where);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(fd) != 0) return fail_errno(errno, "cannot sync", where);
  return {};
}

}  // namespace

std::filesystem::path Blobs::path_of(const std::string& sha256_hex) const {
  return folder_ / sha256_hex.substr(0, 2) / sha256_hex;
}

Result<void> Blobs::put(const std::string& sha256_hex, std::string_view bytes) const {
  const std::filesystem::path target = path_of(sha256_hex);
  const std::filesystem::path folder = target.parent_path();
  struct stat info {};
  if (::stat(target.c_str(), &info) == 0 && static_cast<std::size_t>(info.st_size) == bytes.size()) {
    // Another thread may have renamed it this moment without having synced the folder yet.
    return sync_folder(folder);
  }
  if (::mkdir(folder.c_str(), 0700) == 0) {
    if (auto synced = sync_folder(folder_); !synced) return synced;
  } else if (errno != EEXIST) {
    return fail_errno(errno, "cannot create folder", folder.string());
  }
  std::string name = (folder / "part-XXXXXX").string();
  const UniqueFd fd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd.valid()) return fail_errno(errno, "cannot create a file in", folder.string());
  auto written = write_all(fd.get(), bytes, target.string());
  if (written && std::rename(name.c_str(), target.c_str()) != 0) {
    written = fail_errno(errno, "cannot rename to", target.string());
  }
  if (!written) {
    ::unlink(name.c_str());
    return written;
  }
  return sync_folder(folder);
}

Result<std::shared_ptr<const httpd::Body>> Blobs::get(const std::string& sha256_hex) const {
  const std::filesystem::path path = path_of(sha256_hex);
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return fail_errno(errno, "cannot open", path.string());
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return fail_errno(errno, "cannot read", path.string());
  return httpd::Body::map(fd.get(), static_cast<std::size_t>(info.st_size));
}

}  // namespace tml::server
