// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Which inputs a run has when they are not all named, and what the boards behind them are called. Blocking: before the
// loop runs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/base/error.hpp"
#include "common/cli/prompt.hpp"
#include "common/serial/identity.hpp"
#include "forwarder/options.hpp"
#include "forwarder/source.hpp"

namespace tml::forwarder {

/// The inputs named; else, of the USB serial ports that are there, the only one, the one that --which-device says, all
/// with --all (may be none), or the one that a person chooses. Errc::not_found without a port, Errc::usage with several
/// and nobody to choose.
[[nodiscard]] Result<std::vector<std::string>> choose_inputs(const Options& options, const cli::Prompt& prompt);

/// Device ids by the identity rule (design section 4, promise 4): USB serial number, else where the port is plugged in;
/// never two live boards with one id.
class DeviceIds {
 public:
  /// `stated`: of --device-id; empty = by the rule.
  explicit DeviceIds(std::string stated) : stated_(std::move(stated)) {}
  [[nodiscard]] Result<std::string> claim(const SourceFacts& facts);
  void release(const std::string& device);

 private:
  std::string stated_;
  serial::IdentityRegistry registry_;
  std::map<std::string, std::string> keys_;  // By device id.
};

/// "A50285BI" -> "A5:02:85:BI" (wire reference 3.2).
[[nodiscard]] std::string grouped_serial(std::string_view usb_serial);

}  // namespace tml::forwarder
