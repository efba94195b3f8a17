// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Checks of captured documents that share no code with the firmware: HMAC by OpenSSL, wire reference 6.2.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdint>
#include <string>
#include <vector>

#include "common/wire/base64.hpp"
#include "tests/support/fw_fakes.hpp"

namespace tml::fw::test {

inline std::string hmac_hex(const std::string& key, const std::string& message) {
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(message.data()),
       message.size(), mac, &size);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    constexpr char kDigits[] = "0123456789abcdef";
    hex += kDigits[mac[i] >> 4];
    hex += kDigits[mac[i] & 15];
  }
  return hex;
}

/// Finds the signature (text(9) "signature", text(64)), puts zeros in its place and compares.
inline bool signature_valid(std::string document, const std::string& key) {
  const std::string before = std::string("\x69") + "signature\x78\x40";
  const std::size_t at = document.find(before);
  if (at == std::string::npos) return false;
  const std::string signature = document.substr(at + before.size(), 64);
  document.replace(at + before.size(), 64, std::string(64, '0'));
  return signature == hmac_hex(key, document);
}

inline std::string decode_base64(const std::string& text) {
  std::vector<std::byte> bytes(text.size());
  const auto size = wire::base64_decode(text, bytes);
  EXPECT_TRUE(size.has_value()) << text;
  return std::string(reinterpret_cast<const char*>(bytes.data()), size.value_or(0));
}

/// The text between two marks; empty when one is missing.
inline std::string between(const std::string& text, const std::string& before, const std::string& after) {
  const std::size_t from = text.find(before);
  if (from == std::string::npos) return {};
  const std::size_t to = text.find(after, from + before.size());
  return to == std::string::npos ? std::string{} : text.substr(from + before.size(), to - from - before.size());
}

/// The newest sample as a host reads it: READBUFFER over the range that the transcript named.
inline std::string read_buffer(Rig& rig, const std::string& transcript) {
  const std::string to = between(transcript, "from=0, to=", ".");
  return decode_base64(host_result(rig.command("AT+READBUFFER=0," + to + ",n")));
}

}  // namespace tml::fw::test
