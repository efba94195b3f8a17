// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Puts data frames together to chunks, and tells the sender what is there and what may come: the device's half of the
// flow control (docs/flash-link.md, "Flow control"). It stores nothing: link_server.hpp takes complete chunks from it
// to the Installer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/wire/flash_frame.hpp"
#include "common/wire/flash_link.hpp"
#include "firmware/update/installer.hpp"

namespace tml::fw::update {

/// One transfer after the other; one thread. Chunks in assembly lie in `window` (parts.hpp, Memory), which belongs to
/// the receiver from start() to stop(). "Stored" is what Installer::have() says.
class Receiver {
 public:
  /// From the last data frame to the acknowledgement at the latest.
  static constexpr std::uint64_t kAckDelayUs = 8000;

  /// `rx_bytes`: what the UART's driver buffers while the processor is busy with one flash operation.
  Receiver(const Installer& installer, std::span<std::uint8_t> window, std::uint32_t rx_bytes);
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  /// Begins with an empty window. The installer is receiving.
  void start();
  void stop();
  [[nodiscard]] bool active() const { return active_; }
  [[nodiscard]] std::size_t window_chunks() const { return places_count_; }

  /// Takes a data frame. False: it breaks the rules of this transfer (size, a chunk beyond the window); nothing was
  /// kept.
  bool take(const wire::flash::Frame& frame, std::uint64_t now_us);
  /// Something that was no frame came in: the sender should soon know what is missing.
  void noise();

  /// A chunk whose bytes are all there and which was not handed out yet; the lowest first. It is then `storing` until
  /// stored() or rejected().
  struct Ready {
    std::uint16_t chunk = 0;
    wire::flash::Encoding encoding = wire::flash::Encoding::raw;
    std::span<const std::uint8_t> sent;
  };
  [[nodiscard]] std::optional<Ready> next_ready();
  void stored(std::uint16_t chunk);
  /// It was not what the manifest lists: has to be sent again.
  void rejected(std::uint16_t chunk);

  /// When an acknowledgement is due, in the time of the caller's clock; kNever when the sender knows all.
  static constexpr std::uint64_t kNever = UINT64_MAX;
  [[nodiscard]] std::uint64_t ack_due_us() const { return active_ ? ack_due_us_ : kNever; }
  /// What to acknowledge now: the newest acknowledgement is the whole truth, a bit may go back to 0. `line_rate`: bits
  /// per second, 0 = none. Where the line brings more during the longest flash operation of late than the driver
  /// buffers, no more granules are missing below the limit than fit there.
  [[nodiscard]] wire::flash::Ack ack(std::uint32_t line_rate);
  /// The last acknowledgement had such a limit: the sender pauses until the next one is there.
  [[nodiscard]] bool paced() const { return credit_ > 0; }

 private:
  enum class State : std::uint8_t { free, assembling, complete, storing, rejected };
  struct Place {
    State state = State::free;
    wire::flash::Encoding encoding = wire::flash::Encoding::raw;
    std::uint16_t chunk = 0;
    std::uint16_t bytes = 0;  ///< Of the chunk as it is sent.
    std::uint64_t got = 0;    ///< Bit per granule.
  };

  [[nodiscard]] std::uint16_t base() const;
  /// First chunk behind the window.
  [[nodiscard]] std::uint16_t window_end(std::uint16_t base) const;
  [[nodiscard]] std::uint32_t skip_stored(std::uint32_t granule) const;
  [[nodiscard]] Place* find(std::uint16_t chunk);
  [[nodiscard]] Place* place_for(std::uint16_t chunk);
  [[nodiscard]] std::span<std::uint8_t> bytes_of(const Place& place) const;
  [[nodiscard]] bool fits(const wire::flash::Frame& frame, std::uint16_t chunk) const;
  [[nodiscard]] std::uint64_t missing(std::uint16_t chunk);
  [[nodiscard]] std::uint32_t limit_for(std::uint32_t credit, std::uint16_t base, std::uint16_t end);
  [[nodiscard]] std::uint32_t credit_at(std::uint32_t line_rate, std::uint16_t flash_ms) const;
  void advance(std::uint32_t begin, std::uint32_t end, std::uint64_t now_us);
  void ack_by(std::uint64_t time_us) { ack_due_us_ = time_us < ack_due_us_ ? time_us : ack_due_us_; }

  const Installer& installer_;
  std::span<std::uint8_t> window_;
  std::uint32_t rx_bytes_;
  std::array<Place, wire::flash::kMaxWindow> places_{};
  std::size_t places_count_;
  bool active_ = false;
  std::uint32_t expected_ = 0;  ///< The granule that follows the last one that came.
  std::uint32_t credit_ = 0;    ///< Granules that the driver can buffer during a flash operation; 0 = no such limit.
  std::uint32_t fresh_ = 0;     ///< Granules that came since the last acknowledgement.
  std::uint32_t eighths_ = 0;   ///< Granules per frame of late, in eighths.
  std::uint64_t ack_due_us_ = kNever;
};

}  // namespace tml::fw::update
