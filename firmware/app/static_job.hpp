// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// AT+RUNIMPULSESTATIC: the impulse of the first slot that has one, on a window that the host sends (wire
// reference 1.13).
#pragma once

#include <cstdint>

#include "firmware/app/block_input.hpp"
#include "firmware/app/impulse_text.hpp"
#include "firmware/app/job.hpp"
#include "firmware/app/model_slot.hpp"
#include "firmware/app/picture.hpp"
#include "firmware/app/services.hpp"

namespace tml::fw::app {

/// Sensors and smoothing history are left alone: each window stands for itself, and nothing counts as drift.
class StaticJob final : public Job {
 public:
  StaticJob(Services& services, ModelSlots& slots) : services_(services), slots_(slots), input_(services) {}

  /// `count`: how many values the host will send.
  void begin(bool debug, std::uint32_t count);
  Step step() override;
  void stop() override {}
  [[nodiscard]] bool listens() const override { return state_ == State::receive && input_.listens(); }
  void receive(std::uint8_t byte) override { input_.receive(byte); }

 private:
  enum class State : std::uint8_t { check, receive, run, features, result };
  /// `RESULT <code>`
  static constexpr unsigned kDone = 0;
  static constexpr unsigned kFailed = 1;

  [[nodiscard]] bool prepare();
  void start();
  Step finish(unsigned code);

  Services& services_;
  ModelSlots& slots_;
  ModelSlots::Use use_;
  BlockInput input_;
  Stage stage_;
  std::span<float> values_;
  dsp::FloatSignal window_{std::span<const float>()};
  PackedSignal pixels_;
  dsp::FloatSignal features_{std::span<const float>()};
  ValuesPrinter printer_;
  ResultPrinter result_;
  bool debug_ = false;
  std::uint32_t count_ = 0;
  State state_ = State::check;
};

}  // namespace tml::fw::app
