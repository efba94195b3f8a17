// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Stands in for two functions of libsodium in a bootloader (cmake/TmlArm.cmake, `sodium_small`), under their names:
// what calls them is libsodium's own verification of signatures.
#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "firmware/boards/common/small/scalar.hpp"
#include "firmware/boards/common/small/sha512.hpp"

namespace {

using tml::fw::boards::kSha512BlockBytes;
using tml::fw::boards::Sha512State;

constexpr std::size_t kLengthAt = 112;

void absorb(crypto_hash_sha512_state* state) {
  Sha512State words;
  std::copy_n(state->state, words.size(), words.begin());
  tml::fw::boards::sha512_block(words, std::span<const std::uint8_t, kSha512BlockBytes>(state->buf));
  std::copy_n(words.begin(), words.size(), state->state);
}

}  // namespace

extern "C" {

// count[1]: bytes so far; a bootloader's messages are short.
int crypto_hash_sha512_init(crypto_hash_sha512_state* state) {
  const Sha512State words = tml::fw::boards::sha512_start();
  std::copy_n(words.begin(), words.size(), state->state);
  state->count[0] = state->count[1] = 0;
  return 0;
}

int crypto_hash_sha512_update(crypto_hash_sha512_state* state, const unsigned char* in, unsigned long long bytes) {
  for (unsigned long long i = 0; i < bytes; ++i) {
    state->buf[state->count[1]++ % kSha512BlockBytes] = in[i];
    if (state->count[1] % kSha512BlockBytes == 0) absorb(state);
  }
  return 0;
}

int crypto_hash_sha512_final(crypto_hash_sha512_state* state, unsigned char* out) {
  const std::uint64_t bits = state->count[1] * 8;
  std::size_t at = state->count[1] % kSha512BlockBytes;
  state->buf[at++] = 0x80;
  if (at > kLengthAt) {
    std::memset(state->buf + at, 0, kSha512BlockBytes - at);
    absorb(state);
    at = 0;
  }
  std::memset(state->buf + at, 0, kSha512BlockBytes - at);
  for (unsigned i = 0; i < 8; ++i) state->buf[kSha512BlockBytes - 1 - i] = static_cast<unsigned char>(bits >> (8 * i));
  absorb(state);
  for (unsigned i = 0; i < 64; ++i) out[i] = static_cast<unsigned char>(state->state[i / 8] >> (56 - i % 8 * 8));
  return 0;
}

void sc25519_reduce(unsigned char* number) { tml::fw::boards::reduce_scalar(std::span<std::uint8_t, 64>(number, 64)); }

}  // extern "C"
