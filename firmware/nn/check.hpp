// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Checks a package once before it runs, so that no package, however malformed, makes a kernel read or write outside the
// arena and the constants. What the checker lets pass may still compute nonsense: that is what the hash (and, for a
// board, the signature) is for.
//
// Checked per record: kernel in the table, record length, every size and offset (in 64 bits), shape of the output
// against shape, stride, padding and window of the input, constants and their alignment, shifts, zero points, clamps,
// scratch, and that input, output and scratch share memory only as overlap.hpp allows.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/wire/model_package.hpp"
#include "firmware/nn/kernels.hpp"

namespace tml::fw::nn {

/// What a record touches, in bytes from its `input`, `input2`, `output` and `scratch` (copy: from the lowest address).
/// For planners. Supposes a record with sensible sizes; never reads memory but the record.
struct Extents {
  std::uint64_t input = 0;
  std::uint64_t input2 = 0;
  std::uint64_t output = 0;
  std::uint64_t scratch = 0;
  std::uint64_t weights = 0;  ///< In the constants, from `weights` (table: from `table`).
};
[[nodiscard]] Extents extents(const wire::model::Step& step);

/// How many bytes of scratch a record needs, the same for ref, fast and m4; multiple of four. The one place that says
/// so: the compiler plans with it, the checker enforces it and the kernels rely on it.
[[nodiscard]] std::uint64_t scratch_bytes(const wire::model::Step& step);

/// Bytes of the layouts in the constants section (model_steps.hpp). For compilers.
[[nodiscard]] std::uint64_t weight_bytes(const wire::model::Step& step);

/// Multiply-accumulates of one run, border included, as TensorFlow counts them; 0 for layers without weights.
[[nodiscard]] std::uint64_t macs(const wire::model::Step& step);

/// An upper bound of a step's time in elementary operations (macs(), or values visited; softmax: kSoftmaxWork each).
/// All steps of a package together may take kMaxWork: a malformed package cannot stop a board for hours.
[[nodiscard]] std::uint64_t work(const wire::model::Step& step);
inline constexpr std::uint64_t kMaxWork = std::uint64_t{1} << 32;
inline constexpr std::uint64_t kSoftmaxWork = 64;

/// Values of a softmax row: the reference's sum of exponentials, Q12.19, holds no more of them.
inline constexpr std::uint32_t kMaxSoftmaxDepth = 4095;

struct Verdict {
  wire::model::Fault fault = wire::model::Fault::none;  ///< none, arena, kernel or step.
  std::uint16_t step = 0;                               ///< Index of the offending record.
};

/// `arena_bytes`: what this board has.
[[nodiscard]] Verdict check(const wire::model::View& view, const KernelTable& table, std::size_t arena_bytes);

}  // namespace tml::fw::nn
