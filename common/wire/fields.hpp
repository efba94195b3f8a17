// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Fixed little-endian fields one behind the other: what the payloads of the flash link and key files are made of. Both
// classes stick at the first failure, so that a row of fields is checked once, at its end. Nothing is owned.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "common/wire/errc.hpp"

namespace tml::wire {

/// A number or an enumeration, written as its bytes, lowest first.
template <class T>
concept Field = std::unsigned_integral<T> || std::is_enum_v<T>;

class FieldWriter {
 public:
  explicit FieldWriter(std::span<std::byte> out) : out_(out) {}

  template <Field T>
  FieldWriter& put(T value) {
    auto rest = static_cast<std::uint64_t>(value);
    if (!take(sizeof(T))) return *this;
    for (std::size_t i = 0; i < sizeof(T); ++i, rest >>= 8U) out_[size_ + i] = static_cast<std::byte>(rest);
    size_ += sizeof(T);
    return *this;
  }
  template <class T, std::size_t kCount>
  FieldWriter& put(const std::array<T, kCount>& values) {
    if constexpr (sizeof(T) == 1) return bytes(std::as_bytes(std::span(values)));
    for (const T& value : values) {
      if constexpr (sizeof(T) > 1) put(value);
    }
    return *this;
  }
  FieldWriter& bytes(std::span<const std::byte> bytes) {
    if (!take(bytes.size())) return *this;
    if (!bytes.empty()) std::memcpy(out_.data() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
    return *this;
  }
  /// What was written, or Errc::overflow when it did not fit.
  [[nodiscard]] Result<std::span<const std::byte>> finish() const {
    if (!fits_) return fail(Errc::overflow);
    return std::span<const std::byte>(out_).first(size_);
  }

 private:
  bool take(std::size_t count) {
    fits_ = fits_ && out_.size() - size_ >= count;
    return fits_;
  }

  std::span<std::byte> out_;
  std::size_t size_ = 0;
  bool fits_ = true;
};

class FieldReader {
 public:
  explicit FieldReader(std::span<const std::byte> in) : rest_(in) {}

  /// 0 behind the end; finish() tells.
  template <Field T>
  FieldReader& get(T& value) {
    std::uint64_t number = 0;
    if (!take(sizeof(T))) return *this;
    for (std::size_t i = sizeof(T); i-- > 0;) number = number << 8U | static_cast<std::uint8_t>(rest_[i]);
    rest_ = rest_.subspan(sizeof(T));
    value = static_cast<T>(number);
    return *this;
  }
  template <class T, std::size_t kCount>
  FieldReader& get(std::array<T, kCount>& values) {
    if constexpr (sizeof(T) == 1) {
      if (!take(kCount)) return *this;
      std::memcpy(values.data(), rest_.data(), kCount);
      rest_ = rest_.subspan(kCount);
    } else {
      for (T& value : values) get(value);
    }
    return *this;
  }
  [[nodiscard]] bool ok() const { return enough_; }
  [[nodiscard]] std::span<const std::byte> rest() const { return rest_; }
  /// Errc::truncated when the input was too short.
  [[nodiscard]] Result<void> finish() const {
    if (!enough_) return fail(Errc::truncated);
    return {};
  }

 private:
  bool take(std::size_t count) {
    enough_ = enough_ && rest_.size() >= count;
    return enough_;
  }

  std::span<const std::byte> rest_;
  bool enough_ = true;
};

}  // namespace tml::wire
