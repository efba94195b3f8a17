// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Pictures over the serial line: AT+SNAPSHOT and AT+SNAPSHOTSTREAM (wire reference 1.8, 1.11).
#pragma once

#include <cstdint>

#include "firmware/app/job.hpp"
#include "firmware/app/services.hpp"
#include "firmware/app/transfer.hpp"

namespace tml::fw::app {

/// One picture, or one after the other until `b`, each as one line of base64. With `fast` everything from the first
/// picture's line to the closing OK goes at the transfer rate.
///
/// The picture is taken behind the change of rate: a host waits for the OK that announces it one second only, and reads
/// what goes wrong afterwards (`ERR: Snapshot failed`, at the start of a line) at the rate it has then.
///
/// `b` cuts a picture short: a large one takes many seconds, and hosts wait five for the answer to `b`.
class Snapshot final : public Job {
 public:
  Snapshot(Services& services, Transfer& transfer) : services_(services), transfer_(transfer) {}

  /// The caller checked that there is a camera and that it has the resolution.
  void begin(hal::CameraResolution resolution, bool stream, bool fast);
  Step step() override;
  void stop() override { stopping_ = true; }

 private:
  enum class State : std::uint8_t { announce, settle_before, head, start, wait, payload, settle_after, tail };

  Step settle(std::uint32_t baud, State next);
  Step start_picture();
  Step wait_for_picture();
  Step payload();
  Step fail();
  Step end(bool line_open);

  Services& services_;
  Transfer& transfer_;
  hal::CameraResolution resolution_;
  bool stream_ = false;
  bool fast_ = false;
  bool stopping_ = false;
  std::uint32_t at_ = 0;  ///< Bytes of the picture that were sent.
  State state_ = State::head;
};

}  // namespace tml::fw::app
