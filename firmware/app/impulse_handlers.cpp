// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/number.hpp"
#include "firmware/app/handlers.hpp"

namespace tml::fw::app::handlers {

Job* run_impulse(Machine& machine, const wire::AtRequest&) {
  machine.impulse.begin({});
  return &machine.impulse;
}

Job* run_impulse_debug(Machine& machine, const wire::AtRequest& request) {
  bool fast = false;
  if (!read_fast_flag(machine.services, request, 0, fast)) return nullptr;
  machine.impulse.begin({.debug = true, .fast = fast});
  return &machine.impulse;
}

Job* run_impulse_continuous(Machine& machine, const wire::AtRequest&) {
  machine.impulse.begin({.continuous = true});
  return &machine.impulse;
}

Job* run_impulse_static(Machine& machine, const wire::AtRequest& request) {
  const std::string_view debug = request.arg(0);
  const auto count = wire::parse_u32(request.arg(1));
  if ((debug != "y" && debug != "n") || !count) {
    print_error(machine.services, "expected AT+RUNIMPULSESTATIC=y,COUNT or =n,COUNT, COUNT a whole number");
    return nullptr;
  }
  machine.static_run.begin(debug == "y", *count);
  return &machine.static_run;
}

Job* run_model(Machine& machine, const wire::AtRequest& request) {
  const auto bytes = wire::parse_u32(request.arg(1));
  if (!bytes) {
    print_error(machine.services, "BYTES must be a whole number");
    return nullptr;
  }
  machine.model_run.begin(request.arg(0), *bytes);
  return &machine.model_run;
}

Job* model_info(Machine& machine, const wire::AtRequest&) {
  machine.model_info.begin();
  return &machine.model_info;
}

Job* drift(Machine& machine, const wire::AtRequest&) {
  machine.drift_report.begin();
  return &machine.drift_report;
}

Job* reset_drift(Machine& machine, const wire::AtRequest& request) {
  if (request.arg(0) != "RESET") {
    print_error(machine.services, "expected AT+DRIFT=RESET");
    return nullptr;
  }
  for (Drift& drift : machine.drift) drift.reset();
  machine.services.out.text("OK\n");
  return nullptr;
}

Job* cascade(Machine& machine, const wire::AtRequest&) { return &machine.cascade_report; }

}  // namespace tml::fw::app::handlers
