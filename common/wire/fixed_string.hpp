// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Text of a bounded length held in place. Not terminated; `size()` counts bytes. Trivially copyable, so it may stand in
// a structure that is stored as bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace tml::wire {

template <std::size_t kCapacity>
class FixedString {
  static_assert(kCapacity > 0 && kCapacity < 65536);

 public:
  using Size = std::conditional_t<(kCapacity < 256), std::uint8_t, std::uint16_t>;

  constexpr FixedString() = default;
  /// From anything that reads as a string_view. Cuts what does not fit; use assign() where that matters.
  template <class Text>
  requires(std::is_convertible_v<const Text&, std::string_view> && !std::is_same_v<Text, FixedString>)
      // NOLINTNEXTLINE(google-explicit-constructor): reads like a string
      constexpr FixedString(const Text& text) {
    (void)assign(text);
  }

  /// Keeps the first kCapacity bytes. False when something was cut.
  constexpr bool assign(std::string_view text) {
    size_ = 0;
    return append(text);
  }
  /// Appends what fits. False when something was cut.
  constexpr bool append(std::string_view text) {
    const std::size_t room = kCapacity - size_;
    const std::size_t count = text.size() < room ? text.size() : room;
    for (std::size_t i = 0; i < count; ++i) data_[size_ + i] = text[i];
    size_ = static_cast<Size>(size_ + count);
    return count == text.size();
  }
  constexpr bool push_back(char c) { return append({&c, 1}); }
  constexpr void clear() { size_ = 0; }

  [[nodiscard]] constexpr std::string_view view() const { return {data_.data(), size_}; }
  // NOLINTNEXTLINE(google-explicit-constructor): a string_view of itself, for as long as it lives
  constexpr operator std::string_view() const { return view(); }
  [[nodiscard]] constexpr std::size_t size() const { return size_; }
  [[nodiscard]] constexpr bool empty() const { return size_ == 0; }
  [[nodiscard]] static constexpr std::size_t capacity() { return kCapacity; }

  friend constexpr bool operator==(const FixedString& a, const FixedString& b) { return a.view() == b.view(); }
  friend constexpr bool operator==(const FixedString& a, std::string_view b) { return a.view() == b; }
  friend constexpr bool operator==(const FixedString& a, const char* b) { return a.view() == std::string_view(b); }

 private:
  std::array<char, kCapacity> data_{};
  Size size_ = 0;
};

}  // namespace tml::wire
