// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A pseudo terminal as the plug of a virtual board: the board holds the master, hosts open the slave by a symbolic
// link.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "common/base/error.hpp"
#include "common/base/file.hpp"

namespace tml::fw::native {

/// Raw, with a non-blocking master. Keeps a slave descriptor of its own, so that hosts come and go without a hang-up.
/// Destroying it is pulling the cable: hosts get EIO.
class Pty {
 public:
  [[nodiscard]] static Result<Pty> open();

  /// The one whose descriptors the process before this one handed over.
  [[nodiscard]] static Result<Pty> adopt(UniqueFd master, UniqueFd slave);

  [[nodiscard]] int master() const { return master_.get(); }
  [[nodiscard]] int slave() const { return slave_.get(); }
  [[nodiscard]] const std::string& slave_path() const { return slave_path_; }

  /// Bytes taken or given; 0 = would block.
  [[nodiscard]] std::size_t read(std::span<std::uint8_t> into);
  [[nodiscard]] std::size_t write(std::span<const std::uint8_t> bytes);

  /// Bytes that were written to the host and not read by it. The line discipline holds at most kHostBufferBytes.
  [[nodiscard]] std::size_t unread() const;
  static constexpr std::size_t kHostBufferBytes = 4095;  ///< N_TTY_BUF_SIZE - 1, Linux drivers/tty/n_tty.c.

  /// The rate that the host has set, standard or not; 0 when it cannot be told. A pty's master sees the slave's
  /// settings.
  [[nodiscard]] std::uint32_t host_rate() const;

  /// Whether a host has the slave open, found out by letting go of the own descriptor for a moment (the master then
  /// sees a hang-up if there is none). Bytes under way stay. Each call is an open and a close for an OpenWatch: take
  /// the watch off around it.
  [[nodiscard]] bool probe_hosts();

  /// Forgets what the host has not read, an exclusive lock that it left, and puts the slave back to raw mode: what the
  /// last close does to a real port.
  void reset_slave();
  /// Forgets what either end has not read.
  void flush();

 private:
  UniqueFd master_;
  UniqueFd slave_;
  std::string slave_path_;
};

/// A symbolic link to a pty, replaced atomically, removed on destruction if it still leads there.
class PtyLink {
 public:
  /// Errc::usage when something that is no symbolic link is in the way.
  [[nodiscard]] static Result<PtyLink> create(const std::filesystem::path& path, const std::string& target);
  /// One that is there already and is ours from now on.
  [[nodiscard]] static PtyLink adopt(const std::filesystem::path& path, const std::string& target);
  PtyLink(PtyLink&& other) noexcept;
  PtyLink& operator=(PtyLink&& other) noexcept;
  PtyLink(const PtyLink&) = delete;
  PtyLink& operator=(const PtyLink&) = delete;
  ~PtyLink() { remove(); }
  void remove();

 private:
  PtyLink() = default;
  std::filesystem::path path_;
  std::string target_;
};

/// Notices hosts opening and closing watched slaves (inotify). One per process: the kernel allows 128 per user. The
/// kernel merges equal events, so opens and closes cannot be counted: a close only means that somebody has to probe.
class OpenWatch {
 public:
  using Id = int;
  /// Without inotify the watch works on and answers "open", which loses nothing but the discarding of unheard bytes.
  OpenWatch();
  [[nodiscard]] int fd() const { return inotify_.get(); }
  /// `open`: what is known at this moment. -1 when there is no inotify.
  [[nodiscard]] Id add(const std::string& slave_path, bool open);
  void remove(Id id);
  /// Reads what has happened since the last call. Never blocks.
  void update();
  [[nodiscard]] bool open(Id id) const;
  /// A byte came from a host: one has it open, whatever was seen.
  void mark_open(Id id);
  /// True once after each close: probe.
  [[nodiscard]] bool take_close(Id id);

 private:
  struct State {
    bool open = false;
    bool closed = false;
  };
  UniqueFd inotify_;
  std::map<Id, State> states_;
};

}  // namespace tml::fw::native
