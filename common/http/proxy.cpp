// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <span>

#include "common/http/websocket.hpp"
#include "common/wire/base64.hpp"

namespace tml::http {

namespace {

std::string environment(std::string_view upper) {
  std::string lower(upper);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const std::string& name : {lower, std::string(upper)}) {
    const char* value = std::getenv(name.c_str());
    if (value != nullptr && *value != '\0') return value;
  }
  return {};
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.") || host.ends_with(".localhost");
}

bool matches(std::string_view rule, std::string_view host) {
  if (rule == "*") return true;
  if (rule.starts_with('.')) rule.remove_prefix(1);
  if (rule.empty() || host.size() < rule.size()) return false;
  const std::string_view tail = host.substr(host.size() - rule.size());
  const bool equal = std::equal(tail.begin(), tail.end(), rule.begin(),
                                [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
  return equal && (tail.size() == host.size() || host[host.size() - rule.size() - 1] == '.');
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    const char* digits = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() && std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2) {
      out.push_back(static_cast<char>(value));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

}  // namespace

std::optional<std::string> proxy_for(std::string_view scheme, std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (is_loopback(host)) return std::nullopt;
  const bool secure = scheme == "https" || scheme == "wss";
  std::string proxy = environment(secure ? "HTTPS_PROXY" : "HTTP_PROXY");
  if (proxy.empty()) proxy = environment("ALL_PROXY");
  if (proxy.empty()) return std::nullopt;
  const std::string exceptions = environment("NO_PROXY");
  std::string_view rest = exceptions;
  while (!rest.empty()) {
    const std::size_t comma = rest.find_first_of(", ");
    if (matches(rest.substr(0, comma), host)) return std::nullopt;
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return proxy;
}

std::string proxy_authorization(std::string_view proxy_url) {
  if (const std::size_t scheme = proxy_url.find("://"); scheme != std::string_view::npos)
    proxy_url.remove_prefix(scheme + 3);
  proxy_url = proxy_url.substr(0, proxy_url.find_first_of("/?#"));
  const std::size_t at = proxy_url.rfind('@');
  if (at == std::string_view::npos) return {};
  const std::string user_info = percent_decoded(proxy_url.substr(0, at));
  std::string encoded(wire::base64_encoded_size(user_info.size()), '\0');
  if (!wire::base64_encode(std::as_bytes(std::span(user_info)), encoded)) return {};
  return "Basic " + encoded;
}

}  // namespace tml::http
