// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/serial/wifi_scan.hpp"

#include <algorithm>
#include <charconv>

namespace tml::serial {
namespace {

constexpr std::string_view kBlank = " \t\r";
constexpr std::string_view kSsid = "SSID:";
constexpr std::string_view kSecurity = "Security:";
constexpr std::string_view kRssi = "RSSI:";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

/// A field's value without the one comma that separates it from the next.
std::string_view field(std::string_view text) {
  text = trimmed(text);
  if (text.ends_with(',')) text.remove_suffix(1);
  return trimmed(text);
}

std::optional<int> number(std::string_view text) {
  int value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, code] = std::from_chars(text.data(), end, value);
  if (text.empty() || code != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

/// Where the label stands as a word of its own, so that "BSSID:" is none.
std::size_t find_ssid(std::string_view line) {
  for (std::size_t at = line.find(kSsid); at != std::string_view::npos; at = line.find(kSsid, at + 1)) {
    if (at == 0 || line[at - 1] == ' ') return at;
  }
  return std::string_view::npos;
}

std::optional<WifiNetwork> parse_line(std::string_view line) {
  const std::size_t ssid_at = find_ssid(line);
  if (ssid_at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = line.substr(ssid_at + kSsid.size());
  // From the back, since a name may hold these words and the fields behind it cannot.
  const std::size_t rssi_at = rest.rfind(kRssi);
  if (rssi_at == std::string_view::npos) return std::nullopt;
  const std::size_t security_at = rest.substr(0, rssi_at).rfind(kSecurity);
  if (security_at == std::string_view::npos) return std::nullopt;

  const std::string_view ssid = field(rest.substr(0, security_at));
  if (ssid.empty()) return std::nullopt;
  const std::size_t security_from = security_at + kSecurity.size();
  const std::string_view security = field(rest.substr(security_from, rssi_at - security_from));
  const std::size_t open = security.rfind('(');
  if (open == std::string_view::npos || !security.ends_with(')')) return std::nullopt;
  const auto kind = number(security.substr(open + 1, security.size() - open - 2));
  if (!kind || *kind < 0 || *kind > 255) return std::nullopt;
  std::string_view rssi = field(rest.substr(rssi_at + kRssi.size()));
  if (rssi.ends_with("dBm")) rssi = trimmed(rssi.substr(0, rssi.size() - 3));

  WifiNetwork network;
  network.ssid = ssid;
  network.security_name = trimmed(security.substr(0, open));
  network.security = static_cast<std::uint8_t>(*kind);
  network.rssi_dbm = number(rssi);
  return network;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string shown(text);
  std::replace_if(
      shown.begin(), shown.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7F; }, '?');
  return shown;
}

std::string WifiNetwork::shown() const {
  std::string text = "SSID: " + printable(ssid) + ", Security: " + printable(security_name);
  if (!security_name.empty()) text += ' ';
  text += "(" + std::to_string(security) + "), RSSI: ";
  return text + (rssi_dbm ? std::to_string(*rssi_dbm) + " dBm" : std::string("unknown"));
}

WifiScan parse_wifi_scan(std::string_view text) {
  WifiScan scan;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line == "OK") continue;
    if (auto network = parse_line(line)) {
      scan.networks.push_back(*std::move(network));
      continue;
    }
    ++scan.skipped_lines;
    if (scan.skipped.size() < WifiScan::kSkippedKept)
      scan.skipped.push_back(printable(line.substr(0, WifiScan::kSkippedSize)));
  }
  return scan;
}

}  // namespace tml::serial
