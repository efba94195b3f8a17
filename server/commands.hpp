// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The commands of tml-server. Each runs to its end and says how it went through the Reporter.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/exit_code.hpp"
#include "common/cli/reporter.hpp"

namespace tml::server {

struct ServeOptions {
  std::string data;
  std::vector<std::string> listen = {"127.0.0.1"};
  std::uint16_t api_port = 4800;
  std::uint16_t ws_port = 4802;
  std::uint16_t ingestion_port = 4810;
  std::string tls_certificate;
  std::string tls_key;
  bool allow_plain = false;  ///< Unencrypted listeners beyond loopback.
  bool strict = false;
};
/// Serves until SIGINT or SIGTERM.
[[nodiscard]] ExitCode run_serve(const ServeOptions& options, cli::Reporter& reporter);

struct KeyOptions {
  std::string data;
  std::optional<std::int64_t> project;
  std::string role = "ingestion_deployment";
  std::string name = "tml-server key create";
  bool hmac = false;  ///< HMAC keys in place of API keys.
  std::int64_t id = 0;
};
[[nodiscard]] ExitCode run_key_create(const KeyOptions& options, cli::Reporter& reporter);
[[nodiscard]] ExitCode run_key_list(const KeyOptions& options, cli::Reporter& reporter);
[[nodiscard]] ExitCode run_key_revoke(const KeyOptions& options, cli::Reporter& reporter);

struct ExportOptions {
  std::string data;
  std::string out;
  std::optional<std::int64_t> project;
  bool ndjson = false;  ///< info.labels with one line per sample (wire reference 4.5).
};
[[nodiscard]] ExitCode run_export(const ExportOptions& options, cli::Reporter& reporter);

struct VerifyOptions {
  std::string data;
};
[[nodiscard]] ExitCode run_verify(const VerifyOptions& options, cli::Reporter& reporter);

}  // namespace tml::server
