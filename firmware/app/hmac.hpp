// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// HMAC-SHA256 of a capture while it streams, by libsodium.
#pragma once

#include <sodium/crypto_auth_hmacsha256.h>

#include <cstddef>
#include <span>
#include <string_view>

#include "common/wire/acquisition.hpp"

namespace tml::fw::app {

/// The key is the text itself, not decoded hex (wire reference 6.2); any length. begin() makes it fresh.
class Hmac final : public wire::Mac {
 public:
  void begin(std::string_view key) {
    crypto_auth_hmacsha256_init(&state_, reinterpret_cast<const unsigned char*>(key.data()), key.size());
  }
  void update(std::span<const std::byte> bytes) override {
    crypto_auth_hmacsha256_update(&state_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  }
  void finish(std::span<std::byte, 32> out) override {
    crypto_auth_hmacsha256_final(&state_, reinterpret_cast<unsigned char*>(out.data()));
  }

 private:
  crypto_auth_hmacsha256_state state_{};
};

}  // namespace tml::fw::app
