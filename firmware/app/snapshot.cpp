// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/snapshot.hpp"

#include <algorithm>

namespace tml::fw::app {

void Snapshot::begin(hal::CameraResolution resolution, bool stream, bool fast) {
  resolution_ = resolution;
  stream_ = stream;
  fast_ = fast;
  stopping_ = false;
  at_ = 0;
  transfer_.begin();
  state_ = fast ? State::announce : State::head;
}

Step Snapshot::step() {
  const hal::SystemInfo& info = services_.board.system.info();
  switch (state_) {
    case State::announce:
      if (!transfer_.announce()) return Step::when_sent();
      state_ = State::settle_before;
      return Step::again();
    case State::settle_before:
      return settle(info.transfer_baud, State::head);
    case State::head:
      if (stream_) services_.out.text("Starting snapshot stream...\n");
      state_ = State::start;
      return Step::again();
    case State::start:
      return start_picture();
    case State::wait:
      return wait_for_picture();
    case State::payload:
      return payload();
    case State::settle_after:
      return settle(info.default_baud, State::tail);
    case State::tail:
      services_.out.text("\n");
      return Step::finished();
  }
  return Step::finished();
}

Step Snapshot::settle(std::uint32_t baud, State next) {
  const Step step = transfer_.change_rate(baud);
  if (!step.done) return step;
  state_ = next;
  return Step::again();
}

Step Snapshot::start_picture() {
  if (!transfer_.has_room()) return Step::when_sent();
  if (stopping_) return end(false);
  at_ = 0;
  if (!services_.board.camera->start(resolution_)) return fail();
  state_ = State::wait;
  return Step::again();
}

Step Snapshot::wait_for_picture() {
  if (stopping_) return end(false);
  hal::Camera& camera = *services_.board.camera;
  const auto state = camera.state();
  if (state == hal::Camera::State::busy) {
    const hal::Clock& clock = services_.board.clock;
    const std::uint64_t ready_us = camera.ready_us();
    const std::uint64_t now_us = clock.device_us();
    // A driver that cannot tell is asked each millisecond.
    return Step::after(clock.wire_delay_us(ready_us > now_us ? ready_us - now_us : 1000));
  }
  if (state != hal::Camera::State::ready || camera.frame_bytes() == 0) return fail();
  state_ = State::payload;
  return Step::again();
}

Step Snapshot::payload() {
  if (!transfer_.has_room()) return Step::when_sent();
  if (stopping_) return end(true);
  hal::Camera& camera = *services_.board.camera;
  const std::uint32_t left = camera.frame_bytes() - at_;
  const auto bytes = transfer_.chunk(std::min<std::size_t>(Transfer::kChunk, left));
  if (!camera.read(at_, bytes)) {
    services_.out.text("\n");
    return fail();
  }
  transfer_.put(bytes);
  at_ += static_cast<std::uint32_t>(bytes.size());
  if (bytes.size() < left) return {false, 0, true};
  transfer_.finish();
  camera.stop();
  services_.out.text("\n");
  if (!stream_) return end(false);
  state_ = State::start;
  return {false, 0, true};
}

Step Snapshot::fail() {
  services_.out.text(stream_ ? "ERR: Snapshot Stream failed\n" : "ERR: Snapshot failed\n");
  stopping_ = false;
  return end(false);
}

Step Snapshot::end(bool line_open) {
  services_.board.camera->stop();
  transfer_.begin();
  if (line_open) services_.out.text("\n");
  if (stopping_) services_.out.text(stream_ ? "Snapshot streaming stopped by user\n" : "ERR: Snapshot stopped\n");
  services_.out.text("OK\n");
  if (!fast_) return Step::finished();
  state_ = State::settle_after;
  return Step::again();
}

}  // namespace tml::fw::app
