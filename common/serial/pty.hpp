// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A pseudo-terminal pair: the virtual board's side and the path that a host opens.
//
// The master sees the rate that the slave's user set (line_rate()), so a virtual board can tell a host at the wrong
// rate. While no host has the slave open, reads of the master fail with EIO unless the pair keeps its own slave
// descriptor open (keep_open, the default). With keep_open the slave's settings also survive from one host to the next.
// Not thread-safe. Nothing blocks.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/error.hpp"
#include "common/base/file.hpp"

namespace tml::serial {

struct PtyOptions {
  bool keep_open = true;         ///< Hold the slave open, so that hosts may come and go.
  std::uint32_t baud = 115'200;  ///< Rate that the slave starts with.
  std::string
      link;  ///< Symbolic link to make to the slave, replaced atomically; empty for none. Removed on destruction.
};

class Pty {
 public:
  /// Raw on both sides (no echo, no line discipline processing), master non-blocking and close-on-exec.
  [[nodiscard]] static Result<Pty> create(const PtyOptions& options = {});
  Pty(Pty&& other) noexcept;
  Pty& operator=(Pty&& other) noexcept;
  ~Pty();

  [[nodiscard]] int master() const { return master_.get(); }
  /// "/dev/pts/7".
  [[nodiscard]] const std::string& path() const { return path_; }
  /// The link if one was asked for, else path().
  [[nodiscard]] const std::string& public_path() const { return link_.empty() ? path_ : link_; }

  /// Rate that the slave's user set last, bits per second.
  [[nodiscard]] Result<std::uint32_t> line_rate() const;
  /// Whether any process but this one has the slave open. Exact only with keep_open == false (POLLHUP of the master);
  /// with keep_open it is found by looking at /proc, which other users' processes may evade.
  [[nodiscard]] bool host_attached() const;
  /// Removes the link, closes both sides: what unplugging looks like to the host. The object is empty afterwards.
  void unplug();

 private:
  Pty() = default;
  UniqueFd master_;
  UniqueFd slave_;
  std::string path_;
  std::string link_;
};

}  // namespace tml::serial
