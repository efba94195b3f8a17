// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A window becomes an acquisition document (wire reference 3.3) through common/sample's writer, and its account the
// strings that travel as `x-metadata`. Pure functions. Signing is the caller's (common/sample/signature.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/stream/accounting.hpp"
#include "common/stream/window.hpp"

namespace tml::stream {

/// Units of an axis by its name (wire reference 3.3): acc... = "m/s2", audio = "wav", else "N/A".
[[nodiscard]] std::string_view units_for(std::string_view axis);

struct DocumentSettings {
  bool cbor = false;
  bool hs256 = true;  ///< Leaves room for a signature.
  std::optional<std::int64_t> issued_at_s;
  std::string nonce;
  std::string device_name;
  std::string device_type = "DATA_FORWARDER";
  std::vector<std::string> axes;  ///< One name per axis.
  double rate_hz = 0;             ///< Stated or fitted; interval_ms = 1000 / rate_hz.
};

struct SampleDocument {
  std::string bytes;
  std::map<std::string, std::string> metadata;  ///< Of the account, see metadata().
};

/// Errc::usage when the names do not fit the axes or there is no rate; Errc::refused as apply_policy() says (the policy
/// is the account's).
[[nodiscard]] Result<SampleDocument> make_document(Window window, const Account& account,
                                                   const DocumentSettings& settings);

}  // namespace tml::stream
