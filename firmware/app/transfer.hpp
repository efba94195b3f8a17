// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What every payload over the serial line needs: base64 in pieces, and the change of rate around it (wire reference
// 1.8, 1.10). Shared by the jobs that send one; one job runs at a time, so there is one of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/wire/base64.hpp"
#include "firmware/app/job.hpp"
#include "firmware/app/services.hpp"

namespace tml::fw::app {

class Transfer {
 public:
  /// Input bytes per encoded piece: a multiple of 3, so that no piece but the last is padded (wire reference 1.10).
  static constexpr std::size_t kChunk = 513;
  /// Before and after each change of rate (wire reference 1.8).
  static constexpr std::uint64_t kPauseUs = 100'000;
  /// What follows the last piece at once: line end, OK, prompt.
  static constexpr std::size_t kClosing = 16;

  explicit Transfer(Services& services) : services_(services) {}

  /// Forgets what an earlier job left.
  void begin();

  /// Sends "OK" CR LF in one write, since a host that sees "OK" alone takes the line end for payload (wire reference
  /// 1.16). False: no room yet, try again when sent.
  [[nodiscard]] bool announce();

  /// Lets everything leave, pauses, changes the rate, pauses. Step::done says that it is over: go on, do not finish.
  [[nodiscard]] Step change_rate(std::uint32_t baud);

  /// Whether the next piece and what closes the answer behind it fit.
  [[nodiscard]] bool has_room() const { return services_.out.room() >= text_.size() + kClosing; }
  /// Memory for up to kChunk bytes of payload, to be filled and given to put().
  [[nodiscard]] std::span<std::uint8_t> chunk(std::size_t size) { return std::span(bytes_).first(size); }
  /// Encodes and queues. Only when has_room().
  void put(std::span<const std::uint8_t> bytes);
  /// Queues the padded rest and starts the next payload. Only when has_room().
  void finish();

 private:
  Services& services_;
  wire::Base64Encoder encoder_;
  bool waiting_ = false;
  bool changed_ = false;  ///< The rate was set; the second half of the pause runs.
  std::uint64_t until_us_ = 0;
  std::array<std::uint8_t, kChunk> bytes_{};
  std::array<char, wire::base64_encoded_size(kChunk) + 4> text_{};
};

}  // namespace tml::fw::app
