// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One debug line and a few counters per request. Headers are never logged: they hold keys.
#pragma once

#include <functional>
#include <string>

#include "common/httpd/server.hpp"
#include "server/metrics.hpp"

namespace tml::server {

[[nodiscard]] std::function<void(const httpd::Access&)> access_logger(Metrics& metrics, std::string listener);

}  // namespace tml::server
