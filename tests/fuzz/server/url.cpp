// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <cstdint>
#include <cstdlib>

#include "common/httpd/router.hpp"
#include "common/httpd/url.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (tml::httpd::parse_query(text).size() > tml::httpd::kMaxQueryParameters) std::abort();
  tml::httpd::RouteTable table;
  table.add("GET", "/v1/api/{projectId}", 1);
  table.add("GET", "/v1/api/projects", 2);
  const auto found = table.find("GET", text);
  if (found.match && found.match->target == 1 && found.match->parameters.size() != 1) std::abort();
  return 0;
}
