// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A certificate authority of a test's own, made with the `openssl` command (3.0 or later) in a folder of its own.
#pragma once

#include <filesystem>
#include <string>

namespace tml::test {

class TlsFiles {
 public:
  /// Makes a CA named `ca_name`, and a server certificate for `names` ("DNS:server.example,IP:127.0.0.1") signed by it.
  /// False with the command's own words in `problem` when that does not work.
  [[nodiscard]] static bool make(const std::filesystem::path& folder, const std::string& ca_name,
                                 const std::string& names, TlsFiles& out, std::string& problem);

  std::string ca;           ///< PEM files.
  std::string certificate;  ///< Of the server.
  std::string key;          ///< Of the server.
};

}  // namespace tml::test
