// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What the control socket answers: requests to calls of Lending, results and errors to JSON. On the context's loop.
#pragma once

#include <string>

#include "common/httpd/types.hpp"
#include "daemon/lending.hpp"

namespace tml::daemon {

/// A request's part that matters here.
struct ControlRequest {
  std::string method;
  std::string path;  ///< Not percent-decoded.
  std::string body;
};

/// Every request gets an answer; errors are {"error":{"code","message","hint"}} with a fitting status, and for a board
/// that is lent already "lent" beside it.
[[nodiscard]] Awaitable<httpd::Response> answer_control(Lending& lending, ControlRequest request);

/// {"error":{...}} for an error of a request that never got that far.
[[nodiscard]] httpd::Response control_error(const Error& error);

}  // namespace tml::daemon
