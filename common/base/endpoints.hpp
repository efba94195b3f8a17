// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// From a host name to the three addresses of a service (wire reference 2.2), ours or the public cloud's.
#pragma once

#include <string>
#include <string_view>

#include "common/base/error.hpp"

namespace tml {

struct Endpoints {
  std::string api;          ///< "http://127.0.0.1:4800" or "https://studio.HOST"; calls go to api + "/v1/...".
  std::string remote_mgmt;  ///< "ws://127.0.0.1:4802" or "wss://remote-mgmt.HOST"
  std::string ingestion;    ///< "http://127.0.0.1:4810" or "https://ingestion.HOST"
  std::string device_mgmt;  ///< What is written to a device: never TLS.
  std::string device_ingestion;
};

/// Empty = edgeimpulse.com. An IPv4 literal or localhost means the ports 4800, 4802 and 4810 without TLS. `HOST:PORT` =
/// an API port other than 4800, with remote management at PORT+2 and ingestion at PORT+10 (ours; for several servers on
/// one machine). Errc::usage for anything with a scheme, a path or an illegal character.
[[nodiscard]] Result<Endpoints> endpoints_for(std::string_view host);

}  // namespace tml
