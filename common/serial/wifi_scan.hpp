// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The answer to AT+SCANWIFI as values (wire reference 1.12; form of a line: 1.7). No I/O.
//
// Names of networks come from the air: anybody in reach chooses them. A name may hold the words that separate the
// fields, and control characters; the first do not mislead the parser, the second stay in `ssid` and are replaced in
// everything that is meant to be shown. What is not a network's line is skipped and reported, never an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tml::serial {

struct WifiNetwork {
  std::string ssid;           ///< Never empty; as it came.
  std::string security_name;  ///< "WPA2"; may be empty.
  std::uint8_t security = 0;  ///< What AT+WIFI= takes: 0 open, 1 WEP, 2 WPA, 3 WPA2, ... 255 unknown (1.7).
  std::optional<int> rssi_dbm;

  /// One printable line, in the board's own form.
  [[nodiscard]] std::string shown() const;
  friend bool operator==(const WifiNetwork&, const WifiNetwork&) = default;
};

struct WifiScan {
  static constexpr std::size_t kSkippedKept = 8;
  static constexpr std::size_t kSkippedSize = 120;

  std::vector<WifiNetwork> networks;  ///< In the board's order.
  std::vector<std::string> skipped;   ///< The first kSkippedKept other lines, printable, cut to kSkippedSize.
  std::size_t skipped_lines = 0;      ///< All of them. Blank lines and a lone `OK` do not count.
};

/// `text`: the answer without echo and prompt, lines ended by LF or CR LF. Memory stays proportional to its size.
[[nodiscard]] WifiScan parse_wifi_scan(std::string_view text);

/// `text` with everything outside printable ASCII as '?'.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace tml::serial
