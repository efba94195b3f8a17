// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Randomness as a parameter: the kernel's in production, a seeded one in tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tml {

class Random {
 public:
  virtual ~Random() = default;
  /// Fills `out` completely.
  virtual void fill(std::span<std::byte> out) = 0;
  [[nodiscard]] std::uint64_t next_u64();
  /// Uniform in [0, 1).
  [[nodiscard]] double next_unit();
};

/// getrandom(2); thread-safe, fit for keys. Ends the process if the kernel has no randomness to give.
[[nodiscard]] Random& system_random();

/// SplitMix64: the same seed gives the same sequence on every machine. Not for keys, not thread-safe.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::byte> out) override;

 private:
  std::uint64_t state_;
};

/// RFC 4122 version 4 (random) UUID, lower case, 36 characters.
[[nodiscard]] std::string make_uuid(Random& random);

}  // namespace tml
