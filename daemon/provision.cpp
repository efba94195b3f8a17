// SPDX-License-Identifier: Apache-2.0
#include "daemon/provision.hpp"

#include "common/serial/identity.hpp"

namespace tml::daemon {
namespace {

constexpr const char* kUnsetDeviceId = "00:00:00:00:00:00";  // Wire reference 2.4, step 1.
constexpr const char* kDefaultUploadPath = "/api/training/data";
constexpr serial::AtVersion kFirstWithDeviceId{1, 4, 0};

}  // namespace

std::string_view step_name(ProvisionStep::Kind kind) {
  switch (kind) {
    case ProvisionStep::Kind::device_id:
      return "device_id";
    case ProvisionStep::Kind::upload_host:
      return "upload_host";
    case ProvisionStep::Kind::mgmt_url:
      return "mgmt_url";
    case ProvisionStep::Kind::upload_settings:
      return "upload_settings";
    case ProvisionStep::Kind::sample_settings:
      return "sample_settings";
  }
  return "";
}

std::vector<ProvisionStep> plan_provisioning(const serial::DeviceInfo& info, const std::string& usb_serial,
                                             const DesiredSettings& desired) {
  using Kind = ProvisionStep::Kind;
  std::vector<ProvisionStep> steps;
  if (info.id == kUnsetDeviceId && info.at_version >= kFirstWithDeviceId && !usb_serial.empty()) {
    steps.push_back({Kind::device_id, usb_serial, {}});
  }
  if (!desired.upload_host.empty() && info.upload_host != desired.upload_host) {
    steps.push_back({Kind::upload_host, desired.upload_host, {}});
  }
  if (!desired.mgmt_url.empty() && info.mgmt_url != desired.mgmt_url) {
    steps.push_back({Kind::mgmt_url, desired.mgmt_url, {}});
  }
  if (!desired.api_key.empty() && info.api_key != desired.api_key) {
    // "b" is what the wake-up byte leaves behind on some boards.
    const bool unset = info.upload_path.empty() || info.upload_path == "b";
    steps.push_back({Kind::upload_settings, desired.api_key, unset ? kDefaultUploadPath : info.upload_path});
  }
  if (!desired.hmac_key.empty() && !info.has_hmac_key()) {
    steps.push_back({Kind::sample_settings, desired.hmac_key, {}});
  }
  return steps;
}

Awaitable<Result<void>> provision(serial::AtSession& session, serial::DeviceInfo& info,
                                  std::vector<ProvisionStep> steps) {
  using Kind = ProvisionStep::Kind;
  for (const ProvisionStep& step : steps) {
    Result<void> written;
    switch (step.kind) {
      case Kind::device_id:
        written = co_await session.set_device_id(step.value);
        break;
      case Kind::upload_host:
        written = co_await session.set_upload_host(step.value);
        break;
      case Kind::mgmt_url:
        written = co_await session.set_mgmt_url(step.value);
        break;
      case Kind::upload_settings:
        written = co_await session.set_upload_settings(step.value, step.path);
        break;
      case Kind::sample_settings:
        written = co_await session.set_sample_settings(info.label, info.interval_ms, info.length_ms, step.value);
        break;
    }
    if (!written) {
      Error error = written.error();
      error.what = "cannot write " + std::string(step_name(step.kind)) + " to the board: " + error.what;
      co_return pass(std::move(error));
    }
    switch (step.kind) {
      case Kind::device_id:
        info.id = step.value;
        break;
      case Kind::upload_host:
        info.upload_host = step.value;
        break;
      case Kind::mgmt_url:
        info.mgmt_url = step.value;
        break;
      case Kind::upload_settings:
        info.api_key = step.value;
        info.upload_path = step.path;
        break;
      case Kind::sample_settings:
        info.hmac_key = step.value;
        break;
    }
  }
  co_return Result<void>{};
}

}  // namespace tml::daemon
