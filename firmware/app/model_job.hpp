// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// AT+RUNMODEL=SLOT,BYTES: the model of one bank on the very bytes of its input tensor, with a checksum of each layer,
// so that a board and a host can be compared bit for bit (docs/firmware.md).
#pragma once

#include <cstdint>
#include <optional>

#include "common/wire/crc.hpp"
#include "firmware/app/block_input.hpp"
#include "firmware/app/job.hpp"
#include "firmware/app/model_slot.hpp"
#include "firmware/app/services.hpp"
#include "firmware/nn/player.hpp"

namespace tml::fw::app {

class ModelJob final : public Job {
 public:
  ModelJob(Services& services, ModelSlots& slots) : services_(services), slots_(slots), input_(services) {}

  /// `slot`: a bank by name ("0A"), or a slot ("0") for its active bank.
  void begin(std::string_view slot, std::uint32_t bytes);
  Step step() override;
  void stop() override {}
  [[nodiscard]] bool listens() const override { return state_ == State::receive && input_.listens(); }
  void receive(std::uint8_t byte) override { input_.receive(byte); }

 private:
  enum class State : std::uint8_t { check, receive, run, crc, output, work };
  /// Bytes whose checksum is computed, or which are printed, per step.
  static constexpr std::size_t kCrcPiece = 16384;
  static constexpr std::size_t kHexPiece = 128;

  [[nodiscard]] bool prepare();
  Step refuse(std::string_view why);
  Step run();
  Step checksum();
  Step output();

  Services& services_;
  ModelSlots& slots_;
  ModelSlots::Use use_;
  BlockInput input_;
  std::size_t bank_ = kModelBanks;
  std::size_t slot_ = kModelSlots;  ///< When a slot was named.
  std::uint32_t bytes_ = 0;
  wire::model::View view_;
  std::optional<nn::Steps> steps_;
  std::uint32_t work_ = 0;
  // The output of the operator at hand: the union of what its steps have written.
  bool layer_open_ = false;
  std::uint16_t layer_ = 0;
  std::uint32_t layer_from_ = 0;
  std::uint32_t layer_to_ = 0;
  wire::Crc32 crc_;
  std::uint32_t at_ = 0;
  State state_ = State::check;
};

}  // namespace tml::fw::app
