// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What has to be written to a board so that it belongs to a project: the differences between what it says and what it
// should say, in the order of wire reference 2.4. plan_provisioning() is pure; provision() executes a plan.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/sync.hpp"
#include "common/serial/at_session.hpp"

namespace tml::daemon {

/// Empty members are left as the board has them.
struct DesiredSettings {
  std::string upload_host;  ///< Endpoints::device_ingestion.
  std::string mgmt_url;     ///< Endpoints::device_mgmt.
  std::string api_key;
  std::string hmac_key;  ///< Written only where the board has none of its own.
};

struct ProvisionStep {
  enum class Kind : std::uint8_t { device_id, upload_host, mgmt_url, upload_settings, sample_settings };
  Kind kind = Kind::device_id;
  std::string value;  ///< Id, URL or key.
  std::string path;   ///< upload_settings only.
};

/// Stable name for logs and --json: "device_id", "upload_host", ...
[[nodiscard]] std::string_view step_name(ProvisionStep::Kind kind);

[[nodiscard]] std::vector<ProvisionStep> plan_provisioning(const serial::DeviceInfo& info,
                                                           const std::string& usb_serial,
                                                           const DesiredSettings& desired);

/// Executes the steps and brings `info` up to date with each. Stops at the first error.
[[nodiscard]] Awaitable<Result<void>> provision(serial::AtSession& session, serial::DeviceInfo& info,
                                                std::vector<ProvisionStep> steps);

}  // namespace tml::daemon
