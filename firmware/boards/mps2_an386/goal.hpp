// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Plays the host for a FaultPlan: what tml-flash would ask over the line is asked of the Installer directly, one visit
// after each reset, until the goal is reached.
#pragma once

#include "firmware/boards/mps2_an386/fault_plan.hpp"
#include "firmware/update/installer.hpp"

namespace tml::fw::mps2 {

class Pursuit {
 public:
  /// `installer` is mounted.
  Pursuit(update::Installer& installer, hal::Flash& flash, FaultPlan& plan)
      : installer_(installer), flash_(flash), plan_(plan) {}

  /// Does what is to be done next. True: the point has ended, `plan.outcome` tells how. False: reset the board, so
  /// that what was decided takes effect.
  [[nodiscard]] bool visit();

 private:
  [[nodiscard]] bool finish(Outcome outcome, wire::flash::Status status = wire::flash::Status::ok);
  [[nodiscard]] wire::flash::Status install();
  [[nodiscard]] wire::flash::Status store_missing();
  [[nodiscard]] wire::flash::Status run(update::Progress progress);

  update::Installer& installer_;
  hal::Flash& flash_;
  FaultPlan& plan_;
};

}  // namespace tml::fw::mps2
