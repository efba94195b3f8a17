// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The one serial line as two: the AT console, and frames of the flash link between its bytes (docs/flash-link.md,
// "Background mode"). Without an update engine every byte belongs to the console.
//
//   0x00 in text opens a frame, which is heard out: a valid frame ends in text again; the 0x00 behind anything else
//   opens the next frame. 50 ms without a byte, or more bytes than a frame can have, end in text. While a session is
//   under way a byte that nobody types is what is left of a damaged frame, and opens one too.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "firmware/app/model_slot.hpp"
#include "firmware/app/services.hpp"
#include "firmware/update/link_server.hpp"

namespace tml::fw::app {

/// Application's thread only.
class Background final : public update::SlotWatcher {
 public:
  static constexpr std::uint64_t kQuietUs = 50'000;
  /// Bytes of frames that one poll takes at most.
  static constexpr std::size_t kMostPerPoll = 4096;

  Background(Services& services, ModelSlots& slots) : services_(services), slots_(slots) {}
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  /// Tells the engine what this application offers to models, and who watches.
  void start();
  /// Once per App::poll(), before everything else.
  void begin_poll();
  /// The next byte of text. False: none has come, or enough was read for this poll.
  [[nodiscard]] bool next_text(std::uint8_t& byte);
  /// Takes frames although nobody wants text just now, up to the first byte of it.
  void take_frames();
  /// One step of the link. After how many microseconds it wants the next; UINT64_MAX: only for input.
  std::uint64_t poll(bool job_runs);

  /// Text that has been read and waits.
  [[nodiscard]] bool text_waits() const { return first_ < end_ && !in_frame_; }
  /// More input may be there than this poll was allowed to take.
  [[nodiscard]] bool enough() const { return budget_ == 0; }
  /// REBOOT: the board is restarting.
  [[nodiscard]] bool finished() const;

  void slot_changes(std::uint8_t slot) override;
  void lane_changes(std::uint8_t lane) override;

 private:
  [[nodiscard]] bool fill();
  [[nodiscard]] bool opens_frame(std::uint8_t byte) const;
  void take_frame_byte(std::uint8_t byte);
  void leave_frame();

  Services& services_;
  ModelSlots& slots_;
  std::array<std::uint8_t, 256> received_{};
  std::size_t first_ = 0;
  std::size_t end_ = 0;
  std::size_t budget_ = kMostPerPoll;
  bool in_frame_ = false;
  std::size_t frame_bytes_ = 0;  ///< Since the last 0x00.
  bool quiet_ = false;           ///< Inside a frame, and nothing has come since quiet_since_us_.
  std::uint64_t quiet_since_us_ = 0;
  std::uint32_t keys_version_ = 0;  ///< Of the set that the model slots were checked with.
};

}  // namespace tml::fw::app
