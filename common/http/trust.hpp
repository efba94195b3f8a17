// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Which CAs both clients trust, and what to tell somebody whose server they do not trust. Thread-safe as getenv() is.
#pragma once

#include <string>

namespace tml::http {

/// `chosen`, else the file that SSL_CERT_FILE names (OpenSSL's own variable, which libcurl does not read); empty: the
/// system's CAs.
[[nodiscard]] std::string ca_file_or_default(const std::string& chosen);

/// The hint beside a refused certificate. `wrong_name`: the chain is trusted, the certificate is for somebody else.
[[nodiscard]] std::string certificate_hint(bool wrong_name);

}  // namespace tml::http
