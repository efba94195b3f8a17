// SPDX-License-Identifier: Apache-2.0
#include "forwarder/inputs.hpp"

#include "common/base/log.hpp"
#include "common/serial/discovery.hpp"

namespace tml::forwarder {
namespace {

constexpr const char* kPlugHint = "Plug a board in, or name an input with --port.";

std::string describe(const serial::PortInfo& port) {
  std::string text = port.path;
  const std::string& what = port.product.empty() ? port.driver : port.product;
  if (!what.empty()) text += " (" + what + (port.usb_serial.empty() ? "" : ", " + port.usb_serial) + ")";
  return text;
}

}  // namespace

Result<std::vector<std::string>> choose_inputs(const Options& options, const cli::Prompt& prompt) {
  if (!options.replay_file.empty()) return std::vector<std::string>{options.replay_file};
  if (!options.inputs.empty()) return options.inputs;
  serial::ListOptions list;
  list.check = false;
  auto ports = serial::list_ports(list);
  if (!ports) return pass(ports.error());
  std::vector<std::string> paths;
  std::vector<std::string> choices;
  for (const serial::PortInfo& port : *ports) {
    paths.push_back(port.path);
    choices.push_back(describe(port));
  }
  if (options.all_ports) return paths;
  if (paths.empty()) return fail(Errc::not_found, "no USB serial port is there", {}, kPlugHint);
  if (options.which_device >= 0) {
    const auto index = static_cast<std::size_t>(options.which_device);
    if (index < paths.size()) return std::vector<std::string>{paths[index]};
    return fail(Errc::usage, "there are only " + std::to_string(paths.size()) + " ports", "--which-device");
  }
  if (paths.size() > 1 && !prompt.interactive()) {
    std::string all;
    for (const std::string& choice : choices) all += (all.empty() ? "" : ", ") + choice;
    return fail(Errc::usage, "there are several ports: " + all, "--port", "Name one, several, or give --all.");
  }
  auto index = prompt.choose("Which port do you want to read?", "--port", choices);
  if (!index) return pass(index.error());
  return std::vector<std::string>{paths[*index]};
}

std::string grouped_serial(std::string_view usb_serial) {
  std::string id;
  for (std::size_t i = 0; i < usb_serial.size(); i += 2) {
    if (!id.empty()) id += ':';
    id += usb_serial.substr(i, 2);
  }
  return id;
}

Result<std::string> DeviceIds::claim(const SourceFacts& facts) {
  auto identity = registry_.claim(facts.identity);
  if (!identity) return pass(identity.error());
  if (!identity->note.empty()) log_warning(facts.where + ": " + identity->note);
  std::string device = stated_.empty() ? facts.device_id : stated_;
  if (device.empty()) {
    const std::string_view rest = std::string_view(identity->key).substr(identity->key.find(':') + 1);
    device = identity->source == serial::IdentitySource::usb_serial ? grouped_serial(rest) : std::string(rest);
  }
  keys_[device] = identity->key;
  return device;
}

void DeviceIds::release(const std::string& device) {
  const auto found = keys_.find(device);
  if (found == keys_.end()) return;
  registry_.release(found->second);
  keys_.erase(found);
}

}  // namespace tml::forwarder
