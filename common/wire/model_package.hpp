// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The model package (.tmlm): what the compiler writes and the firmware reads in place from flash.
// docs/model-package.md has the grammar, a worked example in hex and the downsides.
//
//     header 256 B | steps | constants | impulse | labels        every section starts at a multiple of 16
//
// Little endian throughout. The package itself is placed at a multiple of 16 in memory, so that records and tables of
// words can be read where they lie.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tml::wire::model {

inline constexpr std::array<std::uint8_t, 4> kMagic{'T', 'M', 'L', 'M'};
inline constexpr std::uint16_t kFormat = 1;     ///< Of the container and of the impulse section.
inline constexpr std::uint16_t kKernelAbi = 2;  ///< Of step records and weight layouts: must equal the firmware's.
inline constexpr std::size_t kHeaderBytes = 256;
inline constexpr std::size_t kAlignment = 16;
inline constexpr std::size_t kHashOffset = 224;  ///< SHA-256 of header bytes [0, 224) followed by all after the header.
inline constexpr std::size_t kHashBytes = 32;
inline constexpr std::size_t kMaxPackageBytes = 4U << 20;
inline constexpr std::size_t kMaxArenaBytes = 4U << 20;
inline constexpr std::size_t kMaxSteps = 512;
inline constexpr std::size_t kMaxRank = 4;
inline constexpr std::size_t kMaxLabels = 64;
inline constexpr std::size_t kMaxLabelLength = 63;  ///< Bytes of UTF-8.
inline constexpr std::size_t kNameBytes = 32;       ///< Of the name field, NUL padded; 31 characters at most.

enum class ElementType : std::uint8_t { none = 0, int8 = 1, float32 = 2 };

/// The model's input or output: 40 bytes in the header.
struct TensorFacts {
  ElementType type = ElementType::none;
  std::uint8_t rank = 0;                        ///< 1 to kMaxRank; 0 with type none.
  std::uint16_t reserved = 0;                   ///< 0.
  std::array<std::uint32_t, kMaxRank> shape{};  ///< NHWC as in the .tflite, unused dimensions 1.
  float scale = 0;                              ///< real = scale * (value - zero_point); 0 for float32.
  std::int32_t zero_point = 0;
  std::uint32_t arena_offset = 0;  ///< Where the caller writes the input, or finds the output.
  std::uint32_t bytes = 0;
  std::uint32_t reserved2 = 0;  ///< 0.
};
static_assert(sizeof(TensorFacts) == 40);

struct Section {
  std::uint32_t offset = 0;  ///< From the package's start, multiple of kAlignment; 0 with bytes 0.
  std::uint32_t bytes = 0;
};

/// The contract: everything that a board must know to refuse a package before it runs. Exactly the first 224 bytes.
struct Header {
  std::array<std::uint8_t, 4> magic = kMagic;
  std::uint16_t format = kFormat;
  std::uint16_t kernel_abi = kKernelAbi;
  std::uint32_t total_bytes = 0;  ///< Multiple of kAlignment.
  std::uint32_t arena_bytes = 0;  ///< Activations and scratch of the model, without the DSP's.
  std::uint64_t kernels = 0;      ///< Bit n: kernel number n (model_steps.hpp) is needed.
  Section steps;
  Section constants;             ///< Weights, per-channel tables, look-up tables.
  Section impulse;               ///< model_impulse.hpp; empty for a bare model.
  Section labels;                ///< Per label one length byte and that many bytes of UTF-8.
  std::uint16_t step_count = 0;  ///< 0: no model (an anomaly detector on DSP features alone).
  std::uint16_t label_count = 0;
  std::uint32_t macs = 0;          ///< Multiply-accumulates per run.
  std::uint32_t instructions = 0;  ///< The compiler's estimate per run on a Cortex-M4F.
  std::uint32_t version = 0;       ///< major << 24 | minor << 16 | patch.
  std::array<char, kNameBytes> name{};
  TensorFacts input;
  TensorFacts output;
  std::array<std::uint8_t, 40> reserved{};  ///< 0.
};
static_assert(sizeof(Header) == kHashOffset);

/// Why a package is refused. Stable numbers: they are printed by the firmware and sent by the flash link.
enum class Fault : std::uint8_t {
  none = 0,
  too_short = 1,      ///< Less than a header, or less than total_bytes.
  not_a_package = 2,  ///< Magic.
  format = 3,         ///< A container format of another version.
  kernel_abi = 4,     ///< Compiled for other firmware.
  section = 5,        ///< A section outside the package, misaligned or overlapping the header.
  hash = 6,           ///< The content is not what was compiled.
  arena = 7,          ///< Needs more RAM than the board has, or a tensor lies outside the arena.
  kernel = 8,         ///< Needs a kernel that this firmware was linked without.
  step = 9,           ///< A step record that is malformed or leaves arena or constants.
  tensor = 10,        ///< Input or output facts that contradict themselves.
  labels = 11,        ///< Malformed, or not as many as the output has values.
  impulse = 12,       ///< The impulse section is malformed or does not fit the model.
};

/// One sentence without a full stop: "compiled for other firmware (kernel ABI)".
[[nodiscard]] std::string_view text(Fault fault);

struct Opened;

/// A package that lies somewhere in memory; owns nothing. Made by open().
class View {
 public:
  [[nodiscard]] const Header& header() const { return *header_; }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return bytes_; }
  [[nodiscard]] std::span<const std::uint8_t> steps() const { return of(header_->steps); }
  [[nodiscard]] std::span<const std::uint8_t> constants() const { return of(header_->constants); }
  [[nodiscard]] std::span<const std::uint8_t> impulse() const { return of(header_->impulse); }
  [[nodiscard]] std::span<const std::uint8_t> hash() const { return bytes_.subspan(kHashOffset, kHashBytes); }
  [[nodiscard]] std::string_view name() const;
  /// Label n in [0, label_count); empty beyond.
  [[nodiscard]] std::string_view label(std::size_t n) const;

 private:
  friend struct Opened;
  friend Opened open(std::span<const std::uint8_t> bytes);
  [[nodiscard]] std::span<const std::uint8_t> of(const Section& s) const { return bytes_.subspan(s.offset, s.bytes); }

  const Header* header_ = nullptr;
  std::span<const std::uint8_t> bytes_;
};

struct Opened {
  Fault fault = Fault::not_a_package;
  View view;  ///< Valid when fault is none.
};

/// Checks container, sections, labels and tensor facts; not the hash (the caller has SHA-256) and not the steps
/// (firmware/nn/check.hpp). `bytes` starts at a multiple of kAlignment and may be longer than the package (a slot).
[[nodiscard]] Opened open(std::span<const std::uint8_t> bytes);

}  // namespace tml::wire::model
