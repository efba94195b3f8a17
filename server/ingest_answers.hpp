// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What ingestion answers (wire reference 5; docs/server.md). Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "common/httpd/types.hpp"
#include "server/ingest.hpp"
#include "server/samples.hpp"

namespace tml::server {

/// `{"success":false,"error":reason}` or the reason as text; 429 says when to come back.
[[nodiscard]] httpd::Response refusal_answer(bool as_json, unsigned status, std::string_view reason);

/// Of /data. `stored` is set unless the file was refused.
[[nodiscard]] httpd::Response data_answer(const Intake& file, const std::optional<Stored>& stored);

/// Of /files: 200 with one entry per file, also where single files were refused. A fault of the server (a full disk)
/// makes the whole answer one, so that clients send again.
[[nodiscard]] httpd::Response files_answer(std::int64_t project, const std::vector<Intake>& files,
                                           const std::vector<std::optional<Stored>>& stored);

}  // namespace tml::server
