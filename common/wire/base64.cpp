// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/base64.hpp"

#include <string_view>

namespace tml::wire {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kBad = 0xFF;

constexpr std::array<std::uint8_t, 256> kReverse = [] {
  std::array<std::uint8_t, 256> table{};
  table.fill(kBad);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    table[static_cast<std::uint8_t>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return table;
}();

std::uint32_t u(std::byte byte) { return static_cast<std::uint32_t>(byte); }
std::uint8_t value_of(char c) { return kReverse[static_cast<std::uint8_t>(c)]; }

void encode_group(std::uint32_t bits, char* out) {
  out[0] = kAlphabet[bits >> 18U];
  out[1] = kAlphabet[(bits >> 12U) & 63U];
  out[2] = kAlphabet[(bits >> 6U) & 63U];
  out[3] = kAlphabet[bits & 63U];
}

}  // namespace

Result<std::size_t> Base64Encoder::update(std::span<const std::byte> in, std::span<char> out) {
  if ((held_size_ + in.size()) / 3 * 4 > out.size()) return fail(Errc::overflow);
  std::size_t size = 0;
  std::size_t i = 0;
  if (held_size_ > 0) {
    while (held_size_ < 3 && i < in.size()) held_[held_size_++] = in[i++];
    if (held_size_ < 3) return size;
    encode_group((u(held_[0]) << 16U) | (u(held_[1]) << 8U) | u(held_[2]), out.data());
    size = 4;
    held_size_ = 0;
  }
  for (; in.size() - i >= 3; i += 3, size += 4) {
    encode_group((u(in[i]) << 16U) | (u(in[i + 1]) << 8U) | u(in[i + 2]), out.data() + size);
  }
  while (i < in.size()) held_[held_size_++] = in[i++];
  return size;
}

Result<std::size_t> Base64Encoder::finish(std::span<char> out) {
  if (held_size_ == 0) return std::size_t{0};
  if (out.size() < 4) return fail(Errc::overflow);
  const std::uint32_t second = held_size_ == 2 ? u(held_[1]) : 0;
  encode_group((u(held_[0]) << 16U) | (second << 8U), out.data());
  out[3] = '=';
  if (held_size_ == 1) out[2] = '=';
  held_size_ = 0;
  return std::size_t{4};
}

Result<std::size_t> base64_encode(std::span<const std::byte> in, std::span<char> out) {
  Base64Encoder encoder;
  const auto body = encoder.update(in, out);
  if (!body) return body;
  const auto rest = encoder.finish(out.subspan(*body));
  if (!rest) return rest;
  return *body + *rest;
}

Result<void> Base64Decoder::push(char c, std::span<std::byte> out, std::size_t& size) {
  if (newlines_ == Newlines::skip && (c == '\r' || c == '\n')) return {};
  if (c == '=') {
    if (held_size_ < 2 || held_size_ + padding_ >= 4) return fail(Errc::bad_padding);
    if (padding_ == 0) {
      // The bits that the bytes do not use must be zero, or two texts would stand for the same bytes.
      const std::uint32_t surplus = held_size_ == 2 ? held_ & 0x0FU : held_ & 0x03U;
      if (surplus != 0) return fail(Errc::bad_padding);
    }
    if (held_size_ + padding_ == 3) {
      const std::size_t count = held_size_ - 1U;
      if (out.size() - size < count) return fail(Errc::overflow);
      const std::uint32_t bits = held_ << (6U * (4U - held_size_));
      out[size++] = static_cast<std::byte>(bits >> 16U);
      if (count == 2) out[size++] = static_cast<std::byte>((bits >> 8U) & 0xFFU);
    }
    ++padding_;
    return {};
  }
  const std::uint8_t value = value_of(c);
  if (value == kBad) return fail(Errc::bad_character);
  if (padding_ > 0) return fail(Errc::bad_padding);
  if (held_size_ == 3) {
    if (out.size() - size < 3) return fail(Errc::overflow);
    const std::uint32_t bits = (held_ << 6U) | value;
    out[size++] = static_cast<std::byte>(bits >> 16U);
    out[size++] = static_cast<std::byte>((bits >> 8U) & 0xFFU);
    out[size++] = static_cast<std::byte>(bits & 0xFFU);
    held_ = 0;
    held_size_ = 0;
    return {};
  }
  held_ = (held_ << 6U) | value;
  ++held_size_;
  return {};
}

Result<std::size_t> Base64Decoder::update(std::string_view in, std::span<std::byte> out) {
  if (failed_) return fail(error_);
  std::size_t size = 0;
  std::size_t i = 0;
  while (i < in.size()) {
    if (held_size_ == 0 && padding_ == 0) {
      const std::size_t start = i;
      while (in.size() - i >= 4 && out.size() - size >= 3) {
        const std::uint32_t a = value_of(in[i]);
        const std::uint32_t b = value_of(in[i + 1]);
        const std::uint32_t c = value_of(in[i + 2]);
        const std::uint32_t d = value_of(in[i + 3]);
        if (((a | b | c | d) & 0x80U) != 0) break;
        const std::uint32_t bits = (a << 18U) | (b << 12U) | (c << 6U) | d;
        out[size] = static_cast<std::byte>(bits >> 16U);
        out[size + 1] = static_cast<std::byte>((bits >> 8U) & 0xFFU);
        out[size + 2] = static_cast<std::byte>(bits & 0xFFU);
        size += 3;
        i += 4;
      }
      position_ += i - start;
      if (i == in.size()) break;
    }
    if (const auto pushed = push(in[i], out, size); !pushed) {
      failed_ = true;
      error_ = pushed.error();
      decoded_ += size;
      return fail(error_);
    }
    ++i;
    ++position_;
  }
  decoded_ += size;
  return size;
}

Result<void> Base64Decoder::finish() const {
  if (failed_) return fail(error_);
  if (held_size_ == 0 || held_size_ + padding_ == 4) return {};
  return fail(Errc::truncated);
}

Result<std::size_t> base64_decode(std::string_view in, std::span<std::byte> out) {
  Base64Decoder decoder;
  const auto size = decoder.update(in, out);
  if (!size) return size;
  if (const auto finished = decoder.finish(); !finished) return fail(finished.error());
  return size;
}

}  // namespace tml::wire
