// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The C library's functions of these names in little code: newlib's are unrolled, 1.2 KB. Compiled without the
// recognition of loops, which would turn each into a call of itself, and without link-time optimisation, which does not
// see the calls that the code generator makes.
#include <cstddef>
#include <cstdint>

namespace {

bool aligned(const void* a, const void* b) {
  return ((reinterpret_cast<std::uintptr_t>(a) | reinterpret_cast<std::uintptr_t>(b)) & 3U) == 0;
}

using Word [[gnu::may_alias]] = std::uint32_t;

}  // namespace

extern "C" {

void* memcpy(void* to, const void* from, std::size_t bytes) {
  auto* out = static_cast<unsigned char*>(to);
  const auto* in = static_cast<const unsigned char*>(from);
  if (aligned(out, in)) {
    for (; bytes >= sizeof(Word); bytes -= sizeof(Word), out += sizeof(Word), in += sizeof(Word))
      *reinterpret_cast<Word*>(out) = *reinterpret_cast<const Word*>(in);
  }
  for (; bytes > 0; --bytes) *out++ = *in++;
  return to;
}

void* memmove(void* to, const void* from, std::size_t bytes) {
  auto* out = static_cast<unsigned char*>(to);
  const auto* in = static_cast<const unsigned char*>(from);
  if (out <= in) return memcpy(to, from, bytes);
  while (bytes-- > 0) out[bytes] = in[bytes];
  return to;
}

void* memset(void* to, int value, std::size_t bytes) {
  auto* out = static_cast<unsigned char*>(to);
  const auto byte = static_cast<unsigned char>(value);
  if (aligned(out, nullptr)) {
    const Word word = byte * 0x01010101U;
    for (; bytes >= sizeof(Word); bytes -= sizeof(Word), out += sizeof(Word)) *reinterpret_cast<Word*>(out) = word;
  }
  for (; bytes > 0; --bytes) *out++ = byte;
  return to;
}

int memcmp(const void* a, const void* b, std::size_t bytes) {
  const auto* left = static_cast<const unsigned char*>(a);
  const auto* right = static_cast<const unsigned char*>(b);
  for (; bytes > 0; --bytes, ++left, ++right) {
    if (*left != *right) return *left - *right;
  }
  return 0;
}

std::size_t strlen(const char* text) {
  std::size_t bytes = 0;
  while (text[bytes] != '\0') ++bytes;
  return bytes;
}

}  // extern "C"
