// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What of a board's snapshot stream goes to the server: at most five pictures per second (wire reference 1.11), one at
// a time. A picture that comes while another is being encoded, while the connection has not taken the last one, or too
// soon, is dropped and counted; nothing is ever queued, so a slow server or machine costs pictures, not memory.
//
// One executor. Held by shared_ptr: a picture being encoded keeps it alive.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/error.hpp"
#include "common/base/sync.hpp"
#include "common/serial/at_types.hpp"

namespace tml::daemon {

class SnapshotPump : public std::enable_shared_from_this<SnapshotPump> {
 public:
  /// From one picture sent to the next.
  static constexpr std::chrono::nanoseconds kInterval = std::chrono::milliseconds(200);

  using Jpeg = std::vector<std::byte>;
  struct World {
    /// Off the loop.
    std::function<Awaitable<Result<Jpeg>>(serial::SnapshotImage)> encode;
    /// The connection would send a picture at once.
    std::function<bool()> ready;
    std::function<void(const Jpeg&)> send;
    std::function<void(Awaitable<void>)> spawn;
  };
  struct Counts {
    std::uint64_t offered = 0;
    std::uint64_t sent = 0;
    std::uint64_t dropped = 0;
    std::uint64_t damaged = 0;  ///< Could not be made a JPEG.
  };

  SnapshotPump(Clock& clock, World world) : clock_(clock), world_(std::move(world)) {}

  void offer(serial::SnapshotImage image);
  /// Nothing more is sent, not even what is being encoded.
  void close() { closed_ = true; }
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  /// `self` keeps the pump alive from before the task begins.
  [[nodiscard]] Awaitable<void> pass_on(std::shared_ptr<SnapshotPump> self, serial::SnapshotImage image);

  Clock& clock_;
  World world_;
  Counts counts_;
  bool busy_ = false;
  bool closed_ = false;
  bool sent_before_ = false;
  std::chrono::nanoseconds last_sent_{0};
};

}  // namespace tml::daemon
