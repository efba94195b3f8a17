// SPDX-License-Identifier: Apache-2.0
#include <sys/random.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "common/base/clock.hpp"
#include "common/base/random.hpp"

namespace tml {
namespace {

class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::nanoseconds steady() const override {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch());
  }
  [[nodiscard]] std::int64_t unix_ms() const override {
    return std::chrono::duration_cast<Millis>(std::chrono::system_clock::now().time_since_epoch()).count();
  }
};

class KernelRandom final : public Random {
 public:
  void fill(std::span<std::byte> out) override {
    while (!out.empty()) {
      const ssize_t got = ::getrandom(out.data(), out.size(), 0);
      if (got > 0) {
        out = out.subspan(static_cast<std::size_t>(got));
      } else if (errno != EINTR) {
        std::abort();  // No kernel randomness means no safe key or nonce: going on would be worse.
      }
    }
  }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

Random& system_random() {
  static KernelRandom random;
  return random;
}

std::uint64_t Random::next_u64() {
  std::array<std::byte, 8> bytes{};
  fill(bytes);
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data(), bytes.size());
  return value;
}

double Random::next_unit() { return static_cast<double>(next_u64() >> 11U) * 0x1.0p-53; }

void SeededRandom::fill(std::span<std::byte> out) {
  while (!out.empty()) {
    state_ += 0x9E3779B97F4A7C15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    z ^= z >> 31U;
    const std::size_t count = out.size() < 8 ? out.size() : 8;
    std::memcpy(out.data(), &z, count);
    out = out.subspan(count);
  }
}

std::string make_uuid(Random& random) {
  std::array<std::byte, 16> b{};
  random.fill(b);
  b[6] = (b[6] & std::byte{0x0F}) | std::byte{0x40};
  b[8] = (b[8] & std::byte{0x3F}) | std::byte{0x80};
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    const auto value = std::to_integer<unsigned>(b[i]);
    text += kHex[value >> 4U];
    text += kHex[value & 15U];
  }
  return text;
}

}  // namespace tml
