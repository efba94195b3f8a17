// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The interface of all kernels. A kernel is one function that carries out one step record (model_steps.hpp). There are
// up to three of each, bit for bit the same: `ref` (readable, everywhere), `fast` (hosts) and `m4` (Cortex-M4F with DSP
// instructions). Each lies in a file of its own, so that the linker takes only those that the program's table names.
//
// A kernel trusts its record: check() (check.hpp) has seen it. A kernel reads its input and the constants that the
// record names, writes its output and `scratch_bytes()` of scratch, and nothing else. Input and output may share memory
// exactly as overlap.hpp allows.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "common/wire/model_steps.hpp"

namespace tml::fw::nn {

static_assert(std::endian::native == std::endian::little, "records and constants are read where they lie");

/// `record`: the step, 4-byte aligned. `constants`: start of the constants section, 16-byte aligned. `arena`: 16-byte
/// aligned, at least Header::arena_bytes long.
using KernelFunction = void (*)(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);

/// Index: the number of wire::model::Kernel. A null pointer: this program was linked without that kernel.
struct KernelTable {
  std::array<KernelFunction, wire::model::kKernelCount> run{};

  [[nodiscard]] constexpr KernelFunction of(wire::model::Kernel kernel) const {
    const auto n = static_cast<std::size_t>(kernel);
    return n < run.size() ? run[n] : nullptr;
  }
  /// In the form of wire::model::Header::kernels.
  [[nodiscard]] constexpr std::uint64_t mask() const {
    std::uint64_t bits = 0;
    for (std::size_t n = 0; n < run.size(); ++n)
      if (run[n] != nullptr) bits |= std::uint64_t{1} << n;
    return bits;
  }
};

/// The record seen as one of the structures of model_steps.hpp.
template <typename Record>
[[nodiscard]] const Record& as(const std::uint8_t* record) {
  return *reinterpret_cast<const Record*>(record);
}
[[nodiscard]] inline const wire::model::Step& step_of(const std::uint8_t* record) {
  return as<wire::model::Step>(record);
}

// One line per kernel of each set. Records: conv_1x1, conv, conv_any ConvStep; depthwise, depthwise_multi
// DepthwiseStep; add, mul BinaryStep; average_pool, max_pool PoolStep; the others their own.
#define TML_NN_KERNELS                                                                                      \
  void conv_1x1(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);            \
  void conv(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);                \
  void depthwise(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);           \
  void depthwise_multi(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);     \
  void fully_connected(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);     \
  void average_pool(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);        \
  void max_pool(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);            \
  void add(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);                 \
  void mul(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);                 \
  void mean(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);                \
  void softmax(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);             \
  void table(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);               \
  void copy(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);                \
  void fill(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);                \
  void quantize(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);            \
  void dequantize(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);          \
  void conv_any(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);            \
  void fully_connected_any(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena); \
  void depthwise_3x3(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena)

namespace ref {
TML_NN_KERNELS;
extern const KernelTable kTable;  ///< All kernels; ref/table_of_all.cpp. NOLINT: a constant
}  // namespace ref
// Only these have host versions of their own; kTable takes the others from the reference.
namespace fast {
void conv_1x1(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);
void conv(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);
void depthwise(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);
void fully_connected(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena);
extern const KernelTable kTable;  ///< All kernels; fast/table_of_all.cpp. Hosts only. NOLINT: a constant
}  // namespace fast
namespace m4 {
TML_NN_KERNELS;
extern const KernelTable kTable;  ///< All kernels; m4/table_of_all.cpp. Cortex-M4F only. NOLINT: a constant
}  // namespace m4

#undef TML_NN_KERNELS

}  // namespace tml::fw::nn
