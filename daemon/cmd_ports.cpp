// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "common/base/json.hpp"
#include "common/cli/table.hpp"
#include "common/serial/discovery.hpp"
#include "daemon/commands.hpp"

namespace tml::daemon {
namespace {

std::string usb_id(const serial::PortInfo& port) {
  if (!port.vendor_id || !port.product_id) return "";
  char text[16];
  std::snprintf(text, sizeof text, "%04x:%04x", static_cast<unsigned>(*port.vendor_id),
                static_cast<unsigned>(*port.product_id));
  return text;
}

std::string state_of(const serial::PortInfo& port) {
  if (port.problem) return port.problem->message();
  return port.held_by.empty() ? "free" : "open in " + port.held_by;
}

Json json_of(const serial::PortInfo& port) {
  Json json = {{"path", port.path},
               {"node", port.node},
               {"by_id", port.by_id},
               {"topology", port.topology},
               {"driver", port.driver},
               {"usb_id", usb_id(port)},
               {"usb_serial", port.usb_serial},
               {"manufacturer", port.manufacturer},
               {"product", port.product},
               {"pty", port.is_pty},
               {"openable", !port.problem.has_value()},
               {"held_by", port.held_by}};
  if (port.problem) {
    json["code"] = std::string(errc_name(port.problem->code));
    json["problem"] = port.problem->message();
  }
  return json;
}

}  // namespace

ExitCode cmd_ports(Context& context) {
  serial::ListOptions list;
  for (const std::string& text : context.options.ports) {
    auto selector = serial::PortSelector::parse(text);
    if (!selector) return context.reporter.error(selector.error());
    if (selector->kind == serial::PortSelector::Kind::path) list.extra_paths.push_back(selector->value);
  }
  auto ports = serial::list_ports(list);
  if (!ports) return context.reporter.error(ports.error());
  std::vector<std::vector<std::string>> rows = {{"PORT", "DRIVER", "USB", "SERIAL", "PRODUCT", "STATE"}};
  for (const serial::PortInfo& port : *ports) {
    context.reporter.event("port", json_of(port));
    rows.push_back(
        {port.path, port.is_pty ? "pty" : port.driver, usb_id(port), port.usb_serial, port.product, state_of(port)});
  }
  if (ports->empty()) {
    context.reporter.text("No serial ports found.");
  } else {
    context.reporter.text(cli::format_table(rows));
  }
  return ExitCode::ok;
}

}  // namespace tml::daemon
