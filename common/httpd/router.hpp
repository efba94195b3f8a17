// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Finds the handler for a method and path. Patterns are literal segments and parameters: "/v1/api/{projectId}/devices".
// A literal wins over a parameter in the same place, so "/v1/api/projects" and "/v1/api/{projectId}" live together.
// Build it before the server runs; find() is const and thread-safe.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tml::httpd {

using Parameters = std::map<std::string, std::string, std::less<>>;

/// Matches patterns to small integers that the caller gives a meaning.
class RouteTable {
 public:
  void add(std::string_view method, std::string_view pattern, std::size_t target);

  struct Match {
    std::size_t target = 0;
    Parameters parameters;
  };
  struct Found {
    std::optional<Match> match;
    bool other_method = false;  ///< The path exists, for another method: 405 instead of 404.
  };
  [[nodiscard]] Found find(std::string_view method, std::string_view path) const;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> segments;
    std::size_t target = 0;
    std::size_t literals = 0;
  };
  std::vector<Route> routes_;
};

}  // namespace tml::httpd
