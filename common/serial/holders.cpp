// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "common/serial/port.hpp"

namespace tml::serial {
namespace {

using DirPtr = std::unique_ptr<DIR, int (*)(DIR*)>;

DirPtr open_dir(const std::string& path) { return {opendir(path.c_str()), closedir}; }

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

/// What identifies an open device node, whatever name it was opened by.
struct Target {
  dev_t device = 0;              // st_rdev
  std::string canonical;         // the name that /proc shows
  std::string lock_id;           // "00:1a:4" as in /proc/locks
  std::optional<int> pty_index;  // N of /dev/pts/N
};

std::optional<Target> target_of(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return std::nullopt;
  Target target;
  target.device = info.st_rdev;
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr), &std::free);
  target.canonical = real ? real.get() : path;
  std::array<char, 64> id{};
  std::snprintf(id.data(), id.size(), "%02x:%02x:%lu", major(info.st_dev), minor(info.st_dev),
                static_cast<unsigned long>(info.st_ino));
  target.lock_id = id.data();
  constexpr std::string_view kPts = "/dev/pts/";
  if (target.canonical.starts_with(kPts))
    target.pty_index = number(std::string_view(target.canonical).substr(kPts.size()));
  return target;
}

/// Pids that hold a flock on the node. World-readable, so it also shows owners whose descriptors may not be read.
std::vector<pid_t> lock_owners(const Target& target) {
  std::vector<pid_t> owners;
  std::ifstream in("/proc/locks");
  std::string line;
  // "1: FLOCK  ADVISORY  WRITE 4711 00:1a:4 0 EOF" (proc(5)); a waiter has "->" behind the number and owns nothing.
  while (std::getline(in, line)) {
    if (line.find("FLOCK") == std::string::npos || line.find("->") != std::string::npos) continue;
    const std::size_t id = line.find(" " + target.lock_id + " ");
    if (id == std::string::npos) continue;
    const std::size_t start = line.rfind(' ', id - 1);
    if (start == std::string::npos) continue;
    if (const auto pid = number(std::string_view(line).substr(start + 1, id - start - 1)); pid && *pid > 0)
      owners.push_back(*pid);
  }
  return owners;
}

/// The process that provides a pseudo-terminal (it has the master) often keeps its slave open too; it does not occupy
/// the port.
bool is_master_of(const std::string& process, const std::string& fd, int pty_index) {
  std::ifstream in(process + "/fdinfo/" + fd);
  std::string line;
  while (std::getline(in, line)) {
    if (!line.starts_with("tty-index:")) continue;
    const std::size_t at = line.find_first_of("0123456789");
    return at != std::string::npos && number(std::string_view(line).substr(at)) == pty_index;
  }
  return false;
}

enum class Look : std::uint8_t { absent, has_it, hidden };

Look look_into(const std::string& process, const Target& target) {
  const DirPtr folder = open_dir(process + "/fd");
  if (!folder) return errno == EACCES || errno == EPERM ? Look::hidden : Look::absent;
  Look result = Look::absent;
  while (const dirent* entry = readdir(folder.get())) {
    if (entry->d_name[0] == '.') continue;
    std::array<char, PATH_MAX> link{};
    const ssize_t size = readlinkat(dirfd(folder.get()), entry->d_name, link.data(), link.size() - 1);
    if (size <= 0) continue;
    const std::string_view name(link.data(), static_cast<std::size_t>(size));
    if (!name.starts_with("/dev/")) continue;
    if (target.pty_index && name.ends_with("ptmx") && is_master_of(process, entry->d_name, *target.pty_index))
      return Look::absent;
    if (name == target.canonical) {
      result = Look::has_it;
      continue;
    }
    struct stat info {};
    if (fstatat(dirfd(folder.get()), entry->d_name, &info, 0) == 0 && S_ISCHR(info.st_mode) &&
        info.st_rdev == target.device) {
      result = Look::has_it;
    }
  }
  return result;
}

}  // namespace

Holders find_holders(const std::string& path, bool include_self) {
  Holders holders;
  const auto target = target_of(path);
  if (!target) return holders;
  const std::vector<pid_t> owners = lock_owners(*target);
  const DirPtr proc = open_dir("/proc");
  if (!proc) {
    holders.complete = false;
    return holders;
  }
  while (const dirent* entry = readdir(proc.get())) {
    const auto pid = number(entry->d_name);
    if (!pid || (!include_self && *pid == getpid())) continue;
    const std::string process = std::string("/proc/") + entry->d_name;
    const bool owns_lock = std::find(owners.begin(), owners.end(), *pid) != owners.end();
    const Look look = look_into(process, *target);
    if (look == Look::hidden) holders.complete = false;
    if (look != Look::has_it && !owns_lock) continue;
    holders.seen.push_back(Holder{*pid, first_line(process + "/comm"), owns_lock});
  }
  std::stable_sort(holders.seen.begin(), holders.seen.end(),
                   [](const Holder& a, const Holder& b) { return a.has_lock && !b.has_lock; });
  return holders;
}

std::string Holders::describe() const {
  if (seen.empty()) {
    return complete ? std::string() : std::string("held by a process of another user, which only root may see");
  }
  std::string text = "held by ";
  // More than three names help nobody to find the one to close.
  constexpr std::size_t kNamed = 3;
  for (std::size_t i = 0; i < seen.size() && i < kNamed; ++i) {
    if (i > 0) text += ", ";
    text += seen[i].name.empty() ? std::string("a process") : seen[i].name;
    text += " (pid " + std::to_string(seen[i].pid) + ")";
  }
  if (seen.size() > kNamed) text += " and " + std::to_string(seen.size() - kNamed) + " more";
  return text;
}

}  // namespace tml::serial
