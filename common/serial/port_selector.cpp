// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <memory>

#include "common/serial/discovery.hpp"

namespace tml::serial {
namespace {

bool same_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](unsigned char x, unsigned char y) {
           return std::tolower(x) == std::tolower(y);
         });
}

std::string canonical(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr), &std::free);
  return real ? real.get() : std::string();
}

}  // namespace

Result<PortSelector> PortSelector::parse(std::string_view text) {
  constexpr std::string_view kHint = "Use --port PATH, --port serial=USB_SERIAL or --port id=BOARD_ID";
  if (text.empty()) return fail(Errc::usage, "port must not be empty", "--port", std::string(kHint));
  if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    return fail(Errc::usage, "port contains a control character", "--port", std::string(kHint));
  }
  PortSelector selector;
  constexpr std::string_view kSerial = "serial=";
  constexpr std::string_view kId = "id=";
  if (text.starts_with(kSerial)) {
    selector.kind = Kind::usb_serial;
    text.remove_prefix(kSerial.size());
  } else if (text.starts_with(kId)) {
    selector.kind = Kind::firmware_id;
    text.remove_prefix(kId.size());
  } else {
    const std::size_t equals = text.find('=');
    const std::size_t slash = text.find('/');
    // "usb=1234" is a typing mistake rather than a file of that name, unless the file is there.
    if (equals != std::string_view::npos && equals < slash && access(std::string(text).c_str(), F_OK) != 0) {
      return fail(Errc::usage, "unknown kind of port: " + std::string(text.substr(0, equals)), "--port",
                  std::string(kHint));
    }
  }
  if (text.empty()) return fail(Errc::usage, "port's value must not be empty", "--port", std::string(kHint));
  selector.value = std::string(text);
  return selector;
}

bool PortSelector::matches(const PortInfo& port, std::optional<std::string_view> firmware_id) const {
  switch (kind) {
    case Kind::usb_serial:
      return !port.usb_serial.empty() && same_text(value, port.usb_serial);
    case Kind::firmware_id:
      return !firmware_id || same_text(value, *firmware_id);
    case Kind::path:
      break;
  }
  if (value == port.path || value == port.node || (!port.by_id.empty() && value == port.by_id)) return true;
  const std::string node = canonical(value);
  return !node.empty() && node == port.node;
}

}  // namespace tml::serial
