// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <bit>
#include <cstring>
#include <limits>

#include "common/wire/bytes.hpp"
#include "common/wire/cbor.hpp"

namespace tml::wire {
namespace {

// The half with exactly this value, if there is one. Layout: RFC 8949 appendix D.
std::optional<std::uint16_t> exact_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16U) & 0x8000U);
  const std::uint32_t fraction = bits & 0x7FFFFFU;
  const int exponent = static_cast<int>((bits >> 23U) & 0xFFU) - 127;
  if ((bits & 0x7FFFFFFFU) == 0) return sign;
  if (exponent == 128) return fraction == 0 ? std::optional(static_cast<std::uint16_t>(sign | 0x7C00U)) : std::nullopt;
  if (exponent >= -14 && exponent <= 15) {
    if ((fraction & 0x1FFFU) != 0) return std::nullopt;
    return static_cast<std::uint16_t>(sign | (static_cast<std::uint32_t>(exponent + 15) << 10U) | (fraction >> 13U));
  }
  if (exponent >= -24 && exponent <= -15) {
    const std::uint32_t whole = fraction | 0x800000U;
    const auto shift = static_cast<unsigned>(-1 - exponent);
    if ((whole & ((1U << shift) - 1U)) != 0) return std::nullopt;
    return static_cast<std::uint16_t>(sign | (whole >> shift));
  }
  return std::nullopt;
}

}  // namespace

bool CborWriter::reserve(std::size_t count) {
  if (!overflow_ && out_.size() - size_ >= count) return true;
  overflow_ = true;
  return false;
}

void CborWriter::put(std::uint64_t value, unsigned bytes) {
  for (unsigned i = bytes; i > 0; --i) out_[size_++] = static_cast<std::byte>((value >> (8U * (i - 1U))) & 0xFFU);
}

void CborWriter::head(unsigned major, std::uint64_t value) {
  const unsigned top = major << 5U;
  if (value < 24) {
    if (reserve(1)) put(top | value, 1);
    return;
  }
  const unsigned log2 = value <= 0xFFU ? 0 : value <= 0xFFFFU ? 1 : value <= 0xFFFFFFFFU ? 2 : 3;
  const unsigned bytes = 1U << log2;
  if (!reserve(1 + bytes)) return;
  put(top | (24U + log2), 1);
  put(value, bytes);
}

void CborWriter::unsigned_int(std::uint64_t value) { head(0, value); }

void CborWriter::integer(std::int64_t value) {
  if (value >= 0) {
    head(0, static_cast<std::uint64_t>(value));
  } else {
    head(1, ~static_cast<std::uint64_t>(value));
  }
}

void CborWriter::bytes_head(std::uint64_t size) { head(2, size); }
void CborWriter::text_head(std::uint64_t size) { head(3, size); }

void CborWriter::bytes(std::span<const std::byte> value) {
  bytes_head(value.size());
  raw(value);
}

void CborWriter::text(std::string_view value) {
  text_head(value.size());
  raw(as_bytes(value));
}

void CborWriter::array(std::uint64_t count) { head(4, count); }
void CborWriter::map(std::uint64_t pairs) { head(5, pairs); }
void CborWriter::tag(std::uint64_t number) { head(6, number); }

void CborWriter::array_indefinite() {
  if (reserve(1)) put(0x9F, 1);
}
void CborWriter::map_indefinite() {
  if (reserve(1)) put(0xBF, 1);
}
void CborWriter::end() {
  if (reserve(1)) put(0xFF, 1);
}
void CborWriter::boolean(bool value) {
  if (reserve(1)) put(value ? 0xF5 : 0xF4, 1);
}
void CborWriter::null() {
  if (reserve(1)) put(0xF6, 1);
}

void CborWriter::single(float value) {
  if (!reserve(5)) return;
  put(0xFA, 1);
  put(std::bit_cast<std::uint32_t>(value), 4);
}

void CborWriter::real(double value) {
  constexpr double kMax = std::numeric_limits<float>::max();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (value != value) {
    if (reserve(3)) put(0xF97E00, 3);
    return;
  }
  const bool fits_single = (value >= -kMax && value <= kMax) || value == kInfinity || value == -kInfinity;
  if (fits_single && static_cast<double>(static_cast<float>(value)) == value) {
    const auto single_value = static_cast<float>(value);
    const auto half = exact_half(single_value);
    if (!half) {
      single(single_value);
    } else if (reserve(3)) {
      put(0xF9, 1);
      put(*half, 2);
    }
    return;
  }
  if (!reserve(9)) return;
  put(0xFB, 1);
  put(std::bit_cast<std::uint64_t>(value), 8);
}

void CborWriter::raw(std::span<const std::byte> value) {
  if (!reserve(value.size()) || value.empty()) return;
  std::memcpy(out_.data() + size_, value.data(), value.size());
  size_ += value.size();
}

Result<std::span<const std::byte>> CborWriter::finish() const {
  if (overflow_) return fail(Errc::overflow);
  return written();
}

void CborWriter::reset() {
  size_ = 0;
  overflow_ = false;
}

}  // namespace tml::wire
