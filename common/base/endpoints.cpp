// SPDX-License-Identifier: Apache-2.0
#include "common/base/endpoints.hpp"

#include <arpa/inet.h>

#include <charconv>

namespace tml {
namespace {

constexpr int kApiPort = 4800;  // Wire reference 2.2.
constexpr int kMgmtOffset = 2;
constexpr int kIngestionOffset = 10;
constexpr std::size_t kMaxHost = 253;  // RFC 1035, section 2.3.4.

bool is_ipv4(const std::string& text) {
  in_addr address{};
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1;
}

tl::unexpected<Error> bad_host(std::string_view host, std::string what) {
  return fail(Errc::usage, std::move(what), std::string(host),
              "Give a name or an IPv4 address, as in --host 127.0.0.1");
}

}  // namespace

Result<Endpoints> endpoints_for(std::string_view host) {
  std::string name(host.empty() ? std::string_view("edgeimpulse.com") : host);
  if (name.size() > kMaxHost) return bad_host(host, "host name is too long");
  int port = 0;
  if (const std::size_t colon = name.find(':'); colon != std::string::npos && name.find("://") == std::string::npos) {
    const std::string digits = name.substr(colon + 1);
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (code != std::errc{} || end != digits.data() + digits.size() || port < 1 || port > 65535 - kIngestionOffset) {
      return bad_host(host, "port is not in 1..65525 in host");
    }
    name.resize(colon);
  }
  for (const char c : name) {
    const bool legal =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    if (!legal) return bad_host(host, "host has a character that no host name has:");
  }
  if (name.empty()) return bad_host(host, "host is empty before the port:");
  if (port != 0 || is_ipv4(name) || name == "localhost" || name == "host.docker.internal") {
    const int base = port == 0 ? kApiPort : port;
    const auto at = [&name, base](const char* scheme, int offset) {
      return scheme + name + ":" + std::to_string(base + offset);
    };
    Endpoints result{at("http://", 0), at("ws://", kMgmtOffset), at("http://", kIngestionOffset), {}, {}};
    result.device_mgmt = result.remote_mgmt;
    result.device_ingestion = result.ingestion;
    return result;
  }
  return Endpoints{"https://studio." + name, "wss://remote-mgmt." + name, "https://ingestion." + name,
                   "ws://remote-mgmt." + name, "http://ingestion." + name};
}

}  // namespace tml
