// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Any answer to AT+SCANWIFI: nothing is invented, nothing unprintable is shown, and what is shown of a network reads
// back as the same network where its name can be shown at all.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/serial/wifi_scan.hpp"

namespace {

bool is_clean(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x20 && c < 0x7F; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::serial;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const WifiScan scan = parse_wifi_scan(text);
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  if (scan.networks.size() + scan.skipped_lines > lines) std::abort();
  if (scan.skipped.size() != std::min(scan.skipped_lines, WifiScan::kSkippedKept)) std::abort();
  for (const auto& line : scan.skipped) {
    if (!is_clean(line) || line.size() > WifiScan::kSkippedSize) std::abort();
  }
  for (const WifiNetwork& network : scan.networks) {
    if (network.ssid.empty() || text.find(network.ssid) == std::string_view::npos) std::abort();
    const std::string shown = network.shown();
    if (!is_clean(shown)) std::abort();
    if (!is_clean(network.ssid) || !is_clean(network.security_name)) continue;
    const WifiScan again = parse_wifi_scan(shown);
    if (again.networks.size() != 1 || again.networks[0] != network) std::abort();
  }
  return 0;
}
