// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The generator as files: a small folder of labelled recordings for replay and for tests where no real ones are at
// hand.
#pragma once

#include <cstdint>
#include <filesystem>

#include "common/base/error.hpp"

namespace tml::fw::native {

/// Writes accelerometer/LABEL.N.csv (10 s at 100 Hz), microphone/LABEL_N.wav (1 s at 16 kHz) and
/// environmental/LABEL.N.csv (60 s at 1 Hz), three of each label, and returns how many files. The same seed gives the
/// same bytes.
[[nodiscard]] Result<int> synthesise(const std::filesystem::path& folder, std::uint64_t seed);

}  // namespace tml::fw::native
