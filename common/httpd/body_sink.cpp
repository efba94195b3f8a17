// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/httpd/body_sink.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace tml::httpd::detail {
namespace {

int append(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t written = ::write(fd, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    data.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

}  // namespace

int spill(BodySink& sink, const std::filesystem::path& folder, std::string_view chunk) {
  if (!sink.file.valid()) {
    sink.file = UniqueFd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!sink.file.valid()) {
      // Some file systems have no O_TMPFILE.
      std::string name = (folder / "body-XXXXXX").string();
      sink.file = UniqueFd(::mkostemp(name.data(), O_CLOEXEC));
      if (!sink.file.valid()) return errno;
      ::unlink(name.c_str());
    }
    if (const int error = append(sink.file.get(), sink.memory)) return error;
    sink.memory = std::string();
  }
  return append(sink.file.get(), chunk);
}

}  // namespace tml::httpd::detail
