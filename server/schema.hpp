// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The tables, and how an older database becomes a current one. docs/server.md describes each table.
#pragma once

#include <cstdint>

#include "server/sqlite.hpp"

namespace tml::server {

inline constexpr std::int64_t kSchemaVersion = 2;

/// Brings the database to kSchemaVersion, each step in its own transaction. Errc::unsupported for one made by a newer
/// program.
[[nodiscard]] Result<void> migrate(Database& db, std::int64_t now_ms);

/// For commands that only read. Errc::unsupported for a database that has not kSchemaVersion.
[[nodiscard]] Result<void> require_current_schema(Database& db);

}  // namespace tml::server
