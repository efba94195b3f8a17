// SPDX-License-Identifier: Apache-2.0
#include "common/spool/blobs.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/file.hpp"

namespace tml::spool {

namespace {

tl::unexpected<Error> fail_write(int code, const std::filesystem::path& path) {
  auto error = fail_errno(code, "cannot write payload", path.string());
  if (code == EFBIG || code == ENOSPC || code == EDQUOT) {
    error.value().code = Errc::disk_full;
    error.value().hint = "Free some space; nothing was written";
  }
  return error;
}

}  // namespace

Result<void> Blobs::create_folder() const { return make_private_dir(folder_); }

Result<std::filesystem::path> Blobs::stage(std::string_view bytes) const {
  std::string pattern = (folder_ / "staged.XXXXXX").string();
  const UniqueFd fd(::mkostemp(pattern.data(), O_CLOEXEC));  // Mode 0600.
  if (!fd.valid()) return fail_write(errno, pattern);
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      const int code = errno;
      ::unlink(pattern.c_str());
      return fail_write(code, pattern);
    }
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  if (::fsync(fd.get()) != 0) {
    const int code = errno;
    ::unlink(pattern.c_str());
    return fail_write(code, pattern);
  }
  return std::filesystem::path(pattern);
}

Result<void> Blobs::place(const std::filesystem::path& staged, const std::string& sha256) const {
  if (::rename(staged.c_str(), path_of(sha256).c_str()) != 0) return fail_write(errno, path_of(sha256));
  const UniqueFd folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid() || ::fsync(folder.get()) != 0) return fail_write(errno, folder_);
  return {};
}

Result<std::string> Blobs::read(const std::string& sha256, std::size_t size_bytes) const {
  return read_file(path_of(sha256), size_bytes);
}

void Blobs::remove(const std::string& sha256) const {
  std::error_code ignored;  // What stays is swept at the next start.
  std::filesystem::remove(path_of(sha256), ignored);
}

}  // namespace tml::spool
