// SPDX-License-Identifier: Apache-2.0
#include "common/flashlink/development_key.hpp"

namespace tml::flashlink {
namespace {

SecretKey from_text(std::string_view text) {
  const Hash seed = sha256(std::as_bytes(std::span(text)));
  return SecretKey::from_seed(seed);
}

struct WellKnown {
  std::string_view name;
  PublicKey key;
};

const std::array<WellKnown, 2>& all() {
  static const std::array<WellKnown, 2> keys{
      {{"development key", development_key().public_key()}, {"development root", development_root().public_key()}}};
  return keys;
}

}  // namespace

SecretKey development_key() { return from_text(kDevelopmentKeyText); }
SecretKey development_root() { return from_text(kDevelopmentRootText); }

std::string_view well_known_name(const KeyId& id) {
  for (const auto& known : all()) {
    if (key_id(known.key) == id) return known.name;
  }
  return {};
}

const PublicKey* well_known_key(const KeyId& id) {
  for (const auto& known : all()) {
    if (key_id(known.key) == id) return &known.key;
  }
  return nullptr;
}

}  // namespace tml::flashlink
