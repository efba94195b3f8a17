// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/number.hpp"
#include "firmware/app/handlers.hpp"

namespace tml::fw::app::handlers {

Job* start_stream(Machine& machine, const wire::AtRequest& request) {
  Services& services = machine.services;
  hal::Sensor* const sensor = services.find_sensor(request.arg(0));
  if (sensor == nullptr) {
    Line text;
    text.put("Failed to find sensor '").put(request.arg(0)).put("' in the sensor list");
    print_error(services, text.view());
    return nullptr;
  }
  const auto hz = wire::parse_double(request.arg(1));
  if (!hz) {
    print_error(services, "HZ must be a number");
    return nullptr;
  }
  StreamForm form = default_stream_form(sensor->info());
  if (request.arg_count > 2) {
    const auto named = stream_form(request.arg(2));
    if (!named) {
      print_error(services, "the form must be text, frames or batch");
      return nullptr;
    }
    form = *named;
  }
  const std::string_view refused = machine.stream.begin(*sensor, *hz, form);
  if (!refused.empty()) {
    print_error(services, refused);
    return nullptr;
  }
  return &machine.stream;
}

}  // namespace tml::fw::app::handlers
