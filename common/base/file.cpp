// SPDX-License-Identifier: Apache-2.0
#include "common/base/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace tml {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void UniqueFd::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return fail_errno(errno, "cannot open file", path.string());
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return fail_errno(errno, "cannot read file", path.string());
  if (S_ISDIR(info.st_mode)) return fail_errno(EISDIR, "cannot read file", path.string());
  std::string content;
  if (info.st_size > 0) content.reserve(static_cast<std::size_t>(info.st_size) + 1);
  char chunk[65536];
  while (true) {
    const ssize_t got = ::read(fd.get(), chunk, sizeof chunk);
    if (got == 0) return content;
    if (got < 0) {
      if (errno == EINTR) continue;
      return fail_errno(errno, "cannot read file", path.string());
    }
    if (content.size() + static_cast<std::size_t>(got) > max_bytes) {
      return fail(Errc::limit, "file is larger than " + std::to_string(max_bytes) + " bytes:", path.string());
    }
    content.append(chunk, static_cast<std::size_t>(got));
  }
}

namespace {

Result<void> write_all(int fd, std::string_view content, const std::string& where) {
  while (!content.empty()) {
    const ssize_t put = ::write(fd, content.data(), content.size());
    if (put < 0) {
      if (errno == EINTR) continue;
      return fail_errno(errno, "cannot write file", where);
    }
    content.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

}  // namespace

Result<void> write_file_atomic(const std::filesystem::path& path, std::string_view content, unsigned mode) {
  std::string pattern = path.string() + ".XXXXXX";
  UniqueFd fd(::mkostemp(pattern.data(), O_CLOEXEC));
  if (!fd.valid()) return fail_errno(errno, "cannot create file beside", path.string());
  auto abandon = [&pattern](tl::unexpected<Error> error) -> Result<void> {
    ::unlink(pattern.c_str());
    return error;
  };
  if (::fchmod(fd.get(), static_cast<mode_t>(mode)) != 0)
    return abandon(fail_errno(errno, "cannot set mode of", pattern));
  if (auto written = write_all(fd.get(), content, pattern); !written) return abandon(pass(written.error()));
  if (::fsync(fd.get()) != 0) return abandon(fail_errno(errno, "cannot flush file", pattern));
  fd.reset();
  if (::rename(pattern.c_str(), path.c_str()) != 0)
    return abandon(fail_errno(errno, "cannot replace file", path.string()));
  const std::filesystem::path parent = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const UniqueFd dir(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir.valid() || ::fsync(dir.get()) != 0) return fail_errno(errno, "cannot flush folder", parent.string());
  return {};
}

Result<void> make_private_dir(const std::filesystem::path& path) {
  std::error_code code;
  if (std::filesystem::is_directory(path, code)) return {};
  code.clear();  // "There is no such path" is what this function is for.
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), code);
  if (code) return fail_errno(code.value(), "cannot create folder", path.parent_path().string());
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_errno(errno, "cannot create folder", path.string());
  return {};
}

}  // namespace tml
