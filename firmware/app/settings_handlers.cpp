// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <cmath>

#include "common/wire/number.hpp"
#include "firmware/app/handlers.hpp"

namespace tml::fw::app::handlers {
namespace {

/// Takes text values into a draft of the configuration and remembers what was wrong with the first bad one.
class Draft {
 public:
  explicit Draft(Services& services) : services_(services), next_(services.config.config()) {}

  Config& config() { return next_; }

  template <std::size_t N>
  Draft& text(const char* name, Text<N>& field, std::string_view value) {
    if (value.size() > N) {
      if (error_.view().empty()) error_.put(name).put(" is longer than ").number(N).put(" characters");
    } else if (value.find("> ") != std::string_view::npos || (!value.empty() && value.back() == '>')) {
      // Printed by AT+CONFIG? it would look like the prompt (wire reference 1.3).
      if (error_.view().empty()) error_.put(name).put(" must not contain '>' before a blank or at its end");
    } else {
      (void)field.assign(value);
    }
    return *this;
  }
  Draft& number(const char* name, std::uint32_t& field, std::string_view value, std::uint32_t smallest) {
    const auto parsed = wire::parse_u32(value);
    if (parsed && *parsed >= smallest) {
      field = *parsed;
    } else if (error_.view().empty()) {
      error_.put(name).put(" must be a whole number from ").number(smallest).put(" to ").number(UINT32_MAX);
    }
    return *this;
  }
  Draft& interval(float& field, std::string_view value) {
    constexpr double kLongestMs = 86'400'000;
    constexpr double kShortestMs = 0.001;
    const auto parsed = wire::parse_double(value);
    if (parsed && *parsed >= kShortestMs && *parsed <= kLongestMs) {
      field = static_cast<float>(*parsed);
    } else if (error_.view().empty()) {
      error_.put("the interval must be a number of milliseconds from 0.001 to 86400000");
    }
    return *this;
  }
  /// Persists the draft and answers OK or ERR. `failure`: the ecosystem's text for a failed write (wire reference 1.7).
  Job* save(const char* failure) {
    if (!error_.view().empty()) {
      print_error(services_, error_.view());
    } else if (services_.config.update(next_)) {
      services_.out.text("OK\n");
    } else {
      print_error(services_, failure);
    }
    return nullptr;
  }

 private:
  Services& services_;
  Config next_;
  Line error_;
};

Job* report(Machine& machine, Report::Write write) {
  machine.report.begin(write);
  return &machine.report;
}

}  // namespace

Job* read_device_id(Machine& machine, const wire::AtRequest&) {
  machine.services.out.text(machine.services.device_id());
  machine.services.out.text("\n");
  return nullptr;
}

Job* write_device_id(Machine& machine, const wire::AtRequest& request) {
  Draft draft(machine.services);
  if (request.arg(0).empty()) {
    print_error(machine.services, "the device id must not be empty");
    return nullptr;
  }
  return draft.text("the device id", draft.config().device_id, request.arg(0)).save("Failed to persist Device ID");
}

Job* read_wifi(Machine& machine, const wire::AtRequest&) { return report(machine, wire::write_wifi); }

Job* write_wifi(Machine& machine, const wire::AtRequest& request) {
  Draft draft(machine.services);
  Config& config = draft.config();
  draft.text("the SSID", config.wifi_ssid, request.arg(0))
      .text("the WiFi password", config.wifi_password, request.arg(1))
      .number("the security", config.wifi_security, request.arg(2), 0);
  machine.services.out.text("This board has no WiFi: the settings are only kept.\n");
  return draft.save("Failed to persist WiFi config");
}

Job* read_sampling(Machine& machine, const wire::AtRequest&) { return report(machine, wire::write_sampling); }

Job* write_sampling(Machine& machine, const wire::AtRequest& request) {
  Draft draft(machine.services);
  Config& config = draft.config();
  draft.text("the label", config.label, request.arg(0))
      .interval(config.interval_ms, request.arg(1))
      .number("the length", config.length_ms, request.arg(2), 1);
  if (request.arg_count > 3) draft.text("the HMAC key", config.hmac_key, request.arg(3));
  return draft.save("Failed to persist sampling settings");
}

Job* read_cycle(Machine& machine, const wire::AtRequest&) { return report(machine, wire::write_ingestion); }

Job* write_cycle(Machine& machine, const wire::AtRequest& request) {
  Draft draft(machine.services);
  Config& config = draft.config();
  draft.text("the sensor label", config.cycle_sensor, request.arg(0))
      .number("the total time", config.cycle_length_ms, request.arg(1), 1)
      .number("the interval", config.cycle_interval_ms, request.arg(2), 1);
  return draft.save("Failed to persist ingestion cycle settings");
}

Job* read_upload(Machine& machine, const wire::AtRequest&) { return report(machine, wire::write_upload); }

Job* write_upload(Machine& machine, const wire::AtRequest& request) {
  Draft draft(machine.services);
  Config& config = draft.config();
  draft.text("the API key", config.api_key, request.arg(0)).text("the path", config.upload_path, request.arg(1));
  return draft.save("Failed to persist upload settings");
}

Job* read_upload_host(Machine& machine, const wire::AtRequest&) {
  machine.services.out.text(machine.services.config.config().upload_host.view());
  machine.services.out.text("\n");
  return nullptr;
}

Job* write_upload_host(Machine& machine, const wire::AtRequest& request) {
  Draft draft(machine.services);
  return draft.text("the host", draft.config().upload_host, request.arg(0)).save("Failed to persist upload settings");
}

Job* read_management(Machine& machine, const wire::AtRequest&) {
  return report(machine, wire::write_remote_management);
}

Job* write_management(Machine& machine, const wire::AtRequest& request) {
  Draft draft(machine.services);
  return draft.text("the address", draft.config().mgmt_url, request.arg(0))
      .save("Failed to persist management settings");
}

Job* clear_config(Machine& machine, const wire::AtRequest&) {
  machine.services.out.text("Clearing config...\n");
  if (machine.services.config.reset()) {
    machine.services.out.text("OK\n");
  } else {
    print_error(machine.services, "Failed to clear the config, the flash does not answer");
  }
  return nullptr;
}

}  // namespace tml::fw::app::handlers
