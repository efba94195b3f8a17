// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>

#include "common/base/json.hpp"
#include "common/http/client.hpp"

namespace tml::http {

namespace {

constexpr std::size_t kShownBody = 200;

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

Errc code_for(int status) {
  switch (status) {
    case 401:
    case 403:
      return Errc::auth;
    case 404:
      return Errc::not_found;
    case 408:
    case 504:
      return Errc::timeout;
    case 409:
      return Errc::duplicate;
    case 413:
      return Errc::limit;
    case 429:
      return Errc::server_error;
    default:
      return status >= 500 ? Errc::server_error : Errc::refused;
  }
}

std::string reason_in(const Response& response) {
  if (!response.body.empty() && response.body.front() == '{') {
    JsonLimits limits;
    limits.max_bytes = std::size_t{1} << 20U;
    if (const auto json = parse_json(response.body, "answer", limits)) {
      if (auto error = json_string(*json, "error"); error && !error->empty()) return error->substr(0, kShownBody);
    }
  }
  std::string text;
  for (const char c : std::string_view(response.body).substr(0, kShownBody)) {
    const auto byte = static_cast<unsigned char>(c);
    text += byte < 0x20 || byte == 0x7F ? ' ' : c;
  }
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace

std::string_view Response::header(std::string_view name) const {
  for (const Header& header : headers) {
    if (equal_ignoring_case(header.name, name)) return header.value;
  }
  return {};
}

Error error_for_status(const Response& response, std::string_view url) {
  const std::string reason = reason_in(response);
  std::string what =
      "server answered " + std::to_string(response.status) + (reason.empty() ? "" : " (" + reason + ")") + " to";
  Error error{code_for(response.status), std::move(what), printable_url(url), {}, {}};
  if (error.code == Errc::auth) error.hint = "Check the API key";
  return error;
}

std::string printable_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url);
  const std::string_view rest = url.substr(scheme + 3);
  const std::string_view authority = rest.substr(0, rest.find('/'));
  const std::size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return std::string(url);
  return std::string(url.substr(0, scheme + 3)) + std::string(rest.substr(at + 1));
}

bool is_secret_header(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const std::string_view part : {"key", "token", "secret", "authorization", "cookie", "password"}) {
    if (lower.find(part) != std::string::npos) return true;
  }
  return false;
}

}  // namespace tml::http
