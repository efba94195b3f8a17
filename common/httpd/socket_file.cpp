// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/httpd/socket_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tml::httpd::detail {
namespace {

/// Someone accepts connections there, with or without our lock.
bool answers(const sockaddr_un& address) {
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) return false;
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
  return errno == EAGAIN;  // A full queue is a live one's.
}

}  // namespace

SocketFile& SocketFile::operator=(SocketFile&& other) noexcept {
  remove();
  path_ = std::move(other.path_);
  lock_ = std::move(other.lock_);
  return *this;
}

void SocketFile::remove() {
  if (!lock_.valid()) return;
  ::unlink(path_.c_str());
  lock_.reset();
}

Result<SocketFile> SocketFile::claim(const std::filesystem::path& path) {
  const std::string where = path.string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (where.size() >= sizeof address.sun_path) {
    return fail(Errc::usage, "the path of a socket is longer than 107 bytes", where, "Use a shorter folder");
  }
  std::memcpy(address.sun_path, where.data(), where.size());
  UniqueFd lock(::open((where + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.valid()) return fail_errno(errno, "cannot open the lock of a socket", where + ".lock");
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return fail(Errc::busy, "another program listens on", where);
    return fail_errno(errno, "cannot lock", where + ".lock");
  }
  struct stat facts {};
  if (::lstat(where.c_str(), &facts) == 0) {
    if (!S_ISSOCK(facts.st_mode)) {
      return fail(Errc::usage, "there is a file that is no socket", where, "Move it away");
    }
    if (answers(address)) return fail(Errc::busy, "another program listens on", where);
    if (::unlink(where.c_str()) != 0 && errno != ENOENT)
      return fail_errno(errno, "cannot remove the old socket", where);
  }
  return SocketFile(path, std::move(lock));
}

std::optional<PeerProcess> peer_of(int socket) {
  ucred facts{};
  socklen_t size = sizeof facts;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &facts, &size) != 0) return std::nullopt;
  return PeerProcess{facts.uid, facts.pid};
}

}  // namespace tml::httpd::detail
