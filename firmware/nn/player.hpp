// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Runs a checked package: walks the step records in order and calls the kernel of each. No interpreter state, no
// allocation; the arena is the only memory.
//
//   if (check(view, table, arena.size()).fault != Fault::none) ...;   // once, when the package is opened
//   std::memcpy(arena.data() + view.header().input.arena_offset, input, view.header().input.bytes);
//   run(view, table, arena);
//   // the output: view.header().output.bytes at arena.data() + view.header().output.arena_offset
//
// The arena holds nothing between runs; input and output may share memory, so write the input before each run.
// Threads: several runs of one package at once are fine, each with an arena of its own. No errors: check() found them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/wire/model_package.hpp"
#include "firmware/nn/kernels.hpp"

namespace tml::fw::nn {

/// Walks the records of a checked package one by one.
///
///   Steps steps(view);
///   while (const std::uint8_t* record = steps.next()) run_step(record, view, table, arena);
class Steps {
 public:
  explicit Steps(const wire::model::View& view) : Steps(view.header()) {}
  /// `package`: the beginning of a package.
  explicit Steps(const wire::model::Header& package)
      : at_(reinterpret_cast<const std::uint8_t*>(&package) + package.steps.offset), left_(package.step_count) {}
  /// The next record, or a null pointer after the last.
  [[nodiscard]] const std::uint8_t* next() {
    if (left_ == 0) return nullptr;
    --left_;
    const std::uint8_t* record = at_;
    at_ += step_of(record).bytes;
    return record;
  }

 private:
  const std::uint8_t* at_;
  std::uint32_t left_;
};

/// One step: for traces, and for counting instructions per layer. `arena` as in run().
void run_step(const std::uint8_t* record, const wire::model::View& view, const KernelTable& table,
              std::span<std::uint8_t> arena);

/// All steps. `arena`: 16-byte aligned, at least Header::arena_bytes.
void run(const wire::model::View& view, const KernelTable& table, std::span<std::uint8_t> arena);

/// The same for a package that is linked into the program and was checked when the program was built: no need of
/// open().
void run(const wire::model::Header& package, const KernelTable& table, std::span<std::uint8_t> arena);

}  // namespace tml::fw::nn
