// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/access_log.hpp"

#include "common/base/log.hpp"

namespace tml::server {

std::function<void(const httpd::Access&)> access_logger(Metrics& metrics, std::string listener) {
  return [&metrics, listener = std::move(listener)](const httpd::Access& access) {
    metrics.request(listener, access.status, access.duration, access.request_bytes, access.response_bytes);
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(access.duration).count();
    const std::string line = listener + " " + access.request->id + " " + access.request->remote + " " +
                             access.request->method + " " + access.request->path + " " + std::to_string(access.status) +
                             " " + std::to_string(access.request_bytes) + " B " + std::to_string(micros) + " us";
    if (access.status >= 500) {
      log_error(line);
    } else {
      log_debug(line);
    }
  };
}

}  // namespace tml::server
