// SPDX-License-Identifier: Apache-2.0
#include "common/http/trust.hpp"

#include <cstdlib>

namespace tml::http {

std::string ca_file_or_default(const std::string& chosen) {
  if (!chosen.empty()) return chosen;
  const char* named = std::getenv("SSL_CERT_FILE");
  return named != nullptr ? named : "";
}

std::string certificate_hint(bool wrong_name) {
  if (wrong_name) return "The certificate is for another name: use a name or address that it holds";
  return "A CA of your own is trusted when SSL_CERT_FILE names its PEM file";
}

}  // namespace tml::http
