// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "uploader/parse/source.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "common/base/file.hpp"

namespace tml::uploader {
namespace {

// std::function copies what it holds; the descriptor is shared by the copies.
using SharedFd = std::shared_ptr<UniqueFd>;

Result<SharedFd> open_file(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail_errno(errno, "cannot open", path.string());
  return std::make_shared<UniqueFd>(fd);
}

std::size_t copy_front(std::string_view from, std::span<char> into) {
  const std::size_t count = std::min(from.size(), into.size());
  if (count != 0) std::memcpy(into.data(), from.data(), count);
  return count;
}

}  // namespace

Result<ByteSource> file_source(const std::filesystem::path& path) {
  auto fd = open_file(path);
  if (!fd) return pass(std::move(fd.error()));
  return ByteSource([file = *fd, name = path.string()](std::span<char> into) -> Result<std::size_t> {
    while (true) {
      const ssize_t got = ::read(file->get(), into.data(), into.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) return fail_errno(errno, "cannot read", name);
    }
  });
}

Result<RandomSource> random_file_source(const std::filesystem::path& path) {
  auto fd = open_file(path);
  if (!fd) return pass(std::move(fd.error()));
  struct stat info {};
  if (::fstat((*fd)->get(), &info) != 0) return fail_errno(errno, "cannot read the size of", path.string());
  RandomSource source;
  source.total_bytes = static_cast<std::uint64_t>(std::max<off_t>(info.st_size, 0));
  source.read = [file = *fd](std::uint64_t offset, std::span<std::byte> into) -> std::size_t {
    std::size_t done = 0;
    while (done < into.size()) {
      const ssize_t got =
          ::pread(file->get(), into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  };
  return source;
}

ByteSource text_source(std::string_view text, std::size_t step) {
  return [text, step](std::span<char> into) mutable -> Result<std::size_t> {
    const std::size_t count = copy_front(text.substr(0, step), into);
    text.remove_prefix(count);
    return count;
  };
}

RandomSource random_text_source(std::string_view text) {
  return {text.size(), [text](std::uint64_t offset, std::span<std::byte> into) -> std::size_t {
            if (offset >= text.size()) return 0;
            const std::string_view from = text.substr(static_cast<std::size_t>(offset));
            return copy_front(from, {reinterpret_cast<char*>(into.data()), into.size()});
          }};
}

}  // namespace tml::uploader
