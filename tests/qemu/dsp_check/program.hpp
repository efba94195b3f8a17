// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Runs the golden cases of the DSP blocks and windows of true size, on whatever it is compiled for.
#pragma once

#include <cstddef>
#include <span>

namespace tml::test {

/// Where results go; `begin` and `end` stand round what is measured.
class DspProgramIo {
 public:
  virtual void name(const char* text) = 0;
  virtual void begin() = 0;
  virtual void end() = 0;
  virtual void result(std::span<const float> features) = 0;

 protected:
  ~DspProgramIo() = default;
};

/// `golden`: tests/golden/dsp/blocks.bin, aligned to 4. Returns the number of cases that missed their tolerance or did
/// not run.
[[nodiscard]] int run_dsp_program(std::span<const std::byte> golden, DspProgramIo& io);

}  // namespace tml::test
