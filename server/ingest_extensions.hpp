// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What this server's ingestion offers beyond the wire reference, for clients that ask first (docs/server.md,
// "Extensions"): GET /api/extensions and POST /api/known-hashes. Answers are JSON.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/httpd/types.hpp"
#include "server/sqlite.hpp"

namespace tml::server {

inline constexpr std::size_t kMaxHashesPerRequest = 1000;
/// 1000 hashes in quotes with commas and room for white space.
inline constexpr std::size_t kMaxHashesBytes = std::size_t{256} * 1024;

[[nodiscard]] httpd::Response extensions_answer();

/// `{"sha256":[hex, ...]}` becomes `{"success":true,"known":[bool, ...]}`. Blocking (database).
[[nodiscard]] httpd::Response known_hashes_answer(Database& db, std::int64_t project, std::string_view body);

}  // namespace tml::server
