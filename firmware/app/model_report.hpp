// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What the board tells about its models: AT+MODELINFO?, AT+DRIFT? and AT+CASCADE? (grammar in docs/firmware.md). One or
// a few lines per step.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "firmware/app/drift.hpp"
#include "firmware/app/job.hpp"
#include "firmware/app/model_slot.hpp"
#include "firmware/app/services.hpp"

namespace tml::fw::app {

/// AT+INFO: firmware, the model that runs, capabilities (wire reference 1.7).
class InfoReport final : public Job {
 public:
  InfoReport(Services& services, ModelSlots& slots) : services_(services), slots_(slots) {}
  Step step() override;
  void stop() override {}

 private:
  Services& services_;
  ModelSlots& slots_;
};

class ModelInfo final : public Job {
 public:
  ModelInfo(Services& services, ModelSlots& slots) : services_(services), slots_(slots) {}
  void begin();
  Step step() override;
  void stop() override { stopping_ = true; }

 private:
  void bank();
  void contract();
  void tensor(std::string_view title, const wire::model::TensorFacts& facts);
  void kernels();
  void impulse();
  void runs_here();
  [[nodiscard]] bool label();
  [[nodiscard]] const ModelBank& at() const { return slots_.bank(bank_); }

  Services& services_;
  ModelSlots& slots_;
  std::size_t bank_ = 0;
  unsigned part_ = 0;
  std::size_t label_ = 0;
  bool stopping_ = false;
};

class DriftReport final : public Job {
 public:
  DriftReport(Services& services, ModelSlots& slots, const std::array<Drift, kModelSlots>& drift)
      : services_(services), slots_(slots), drift_(drift) {}
  void begin();
  Step step() override;
  void stop() override { stopping_ = true; }

 private:
  void head(const Drift& drift);
  void features(const Drift& drift);
  void histogram(const Drift& drift);

  Services& services_;
  ModelSlots& slots_;
  const std::array<Drift, kModelSlots>& drift_;
  std::size_t slot_ = 0;
  unsigned part_ = 0;
  std::size_t line_ = 0;
  bool stopping_ = false;
};

class CascadeReport final : public Job {
 public:
  CascadeReport(Services& services, ModelSlots& slots, const std::array<Drift, kModelSlots>& drift)
      : services_(services), slots_(slots), drift_(drift) {}
  Step step() override;
  void stop() override {}

 private:
  Services& services_;
  ModelSlots& slots_;
  const std::array<Drift, kModelSlots>& drift_;
};

}  // namespace tml::fw::app
