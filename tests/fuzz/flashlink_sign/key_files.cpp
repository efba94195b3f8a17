// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The first byte chooses: a public key, a secret key (never with a passphrase: Argon2id is slow on purpose), a key set.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/flashlink/key_file.hpp"
#include "common/flashlink/key_set_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::flashlink;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] % 3 == 0) {
    const auto key = parse_public_key(text, "input");
    if (key && !parse_public_key(public_key_text(*key), "again")) std::abort();
  } else if (data[0] % 3 == 1) {
    const auto key = parse_secret_key(text, {}, "input");
    if (key && !parse_secret_key(*secret_key_text(*key, {}), {}, "again")) std::abort();
  } else {
    const auto set = parse_key_set_file(text, "/nonexistent", "input");
    if (set && set->keys.count == 0) std::abort();
  }
  return 0;
}
