// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/signatures.hpp"

#include <array>

namespace tml::server {

using sample::Verification;

std::vector<sample::Signer>& SignatureChecker::signers() {
  if (signers_.empty()) {
    signers_.reserve(project_.hmac_keys.size());
    for (const HmacKey& key : project_.hmac_keys) signers_.emplace_back(key.key);
  }
  return signers_;
}

Checked SignatureChecker::document(std::string_view bytes, const sample::Document& document) {
  // Without a key a signer tells apart what needs none: unsigned, and signed in a way that is not ours.
  Checked result{sample::Signer({}).verify(sample::as_bytes(bytes), document), {}};
  if (result.state != Verification::unknown_key) return result;
  for (std::size_t i = 0; i < signers().size(); ++i) {
    const Verification state = signers_[i].verify(sample::as_bytes(bytes), document);
    if (state == Verification::verified) return {state, project_.hmac_keys[i].id};
    if (state == Verification::failed) result.state = state;
  }
  return result;
}

Checked SignatureChecker::upload(std::string_view bytes, std::string_view signature_hex) {
  if (project_.hmac_keys.empty()) return {Verification::unknown_key, {}};
  const std::array<sample::Bytes, 1> pieces = {sample::as_bytes(bytes)};
  for (std::size_t i = 0; i < signers().size(); ++i) {
    if (sample::equal_constant_time(sample::hex(signers_[i].mac(pieces)), signature_hex))
      return {Verification::verified, project_.hmac_keys[i].id};
  }
  return {Verification::failed, {}};
}

}  // namespace tml::server
