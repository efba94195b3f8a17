// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/httpd/router.hpp"

#include <algorithm>

#include "common/httpd/url.hpp"

namespace tml::httpd {
namespace {

bool is_parameter(const std::string& segment) { return segment.size() > 2 && segment.front() == '{'; }

}  // namespace

void RouteTable::add(std::string_view method, std::string_view pattern, std::size_t target) {
  Route route{std::string(method), {}, target, 0};
  if (auto segments = split_path(pattern)) route.segments = std::move(*segments);
  route.literals = static_cast<std::size_t>(
      std::count_if(route.segments.begin(), route.segments.end(), [](const auto& s) { return !is_parameter(s); }));
  routes_.push_back(std::move(route));
  std::stable_sort(routes_.begin(), routes_.end(),
                   [](const Route& a, const Route& b) { return a.literals > b.literals; });
}

RouteTable::Found RouteTable::find(std::string_view method, std::string_view path) const {
  Found found;
  const auto segments = split_path(path);
  if (!segments) return found;
  for (const Route& route : routes_) {
    if (route.segments.size() != segments->size()) continue;
    Parameters parameters;
    bool fits = true;
    for (std::size_t i = 0; fits && i < segments->size(); ++i) {
      const std::string& pattern = route.segments[i];
      if (is_parameter(pattern)) {
        fits = !(*segments)[i].empty();
        parameters[pattern.substr(1, pattern.size() - 2)] = (*segments)[i];
      } else {
        fits = pattern == (*segments)[i];
      }
    }
    if (!fits) continue;
    if (route.method != method) {
      found.other_method = true;
      continue;
    }
    found.match = Match{route.target, std::move(parameters)};
    return found;
  }
  return found;
}

}  // namespace tml::httpd
