// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Signatures of what arrives, checked with the HMAC keys of one project. Keeps a keyed context for each key, so one
// checker serves all files of a request. Not thread-safe; borrows the project.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "common/sample/signature.hpp"
#include "server/keyring.hpp"

namespace tml::server {

struct Checked {
  sample::Verification state = sample::Verification::not_signed;
  std::optional<std::int64_t> key_id;  ///< The key that fits; set when verified.
};

class SignatureChecker {
 public:
  explicit SignatureChecker(const Project& project) : project_(project) {}

  /// The signature inside an acquisition document (wire reference 6.2).
  [[nodiscard]] Checked document(std::string_view bytes, const sample::Document& document);
  /// HMAC-SHA256 over all the bytes, as 64 lower-case hex characters that came beside them. Constant-time comparison.
  [[nodiscard]] Checked upload(std::string_view bytes, std::string_view signature_hex);

 private:
  std::vector<sample::Signer>& signers();

  const Project& project_;
  std::vector<sample::Signer> signers_;  // In the order of project_.hmac_keys; made when first needed.
};

}  // namespace tml::server
