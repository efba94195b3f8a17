// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/serial/discovery.hpp"

#include <dirent.h>
#include <libudev.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <tuple>

#include "common/serial/port.hpp"

namespace tml::serial {
namespace {

template <auto kRelease>
struct Releaser {
  template <class T>
  void operator()(T* object) const {
    kRelease(object);
  }
};
using Udev = std::unique_ptr<udev, Releaser<udev_unref>>;
using UdevDevice = std::unique_ptr<udev_device, Releaser<udev_device_unref>>;
using UdevEnumerate = std::unique_ptr<udev_enumerate, Releaser<udev_enumerate_unref>>;

std::string text_or_empty(const char* text) { return text != nullptr ? text : ""; }

std::string canonical(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr), &std::free);
  return real ? real.get() : path;
}

std::optional<std::uint16_t> hex_id(const char* text) {
  if (text == nullptr) return std::nullopt;
  const std::string_view digits(text);
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

/// USB descriptors are free text chosen by whoever made the board; they end up on terminals.
std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  return text;
}

/// The stable link, from udev's database, else (no udevd) by looking where it would be.
std::string by_id_link(udev_device* device, const std::string& node) {
  constexpr std::string_view kFolder = "/dev/serial/by-id/";
  for (udev_list_entry* link = udev_device_get_devlinks_list_entry(device); link != nullptr;
       link = udev_list_entry_get_next(link)) {
    const std::string name = text_or_empty(udev_list_entry_get_name(link));
    if (name.starts_with(kFolder)) return name;
  }
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/dev/serial/by-id"), closedir);
  if (!folder) return {};
  while (const dirent* entry = readdir(folder.get())) {
    if (entry->d_name[0] == '.') continue;
    std::string link = std::string(kFolder) + entry->d_name;
    if (canonical(link) == node) return link;
  }
  return {};
}

void fill_from_udev(udev_device* device, PortInfo& info) {
  // The parents belong to `device`; they need no release.
  if (udev_device* interface = udev_device_get_parent_with_subsystem_devtype(device, "usb", "usb_interface")) {
    info.topology = text_or_empty(udev_device_get_sysname(interface));
    info.driver = text_or_empty(udev_device_get_driver(interface));
  } else if (udev_device* parent = udev_device_get_parent(device)) {
    info.topology = text_or_empty(udev_device_get_sysname(parent));
    info.driver = text_or_empty(udev_device_get_driver(parent));
  }
  if (udev_device* usb = udev_device_get_parent_with_subsystem_devtype(device, "usb", "usb_device")) {
    info.vendor_id = hex_id(udev_device_get_sysattr_value(usb, "idVendor"));
    info.product_id = hex_id(udev_device_get_sysattr_value(usb, "idProduct"));
    info.usb_serial = printable(text_or_empty(udev_device_get_sysattr_value(usb, "serial")));
    info.manufacturer = printable(text_or_empty(udev_device_get_sysattr_value(usb, "manufacturer")));
    info.product = printable(text_or_empty(udev_device_get_sysattr_value(usb, "product")));
  }
  info.by_id = by_id_link(device, info.node);
}

void check(PortInfo& info) {
  const Holders holders = find_holders(info.path);
  if (!holders.seen.empty()) {
    const Holder& first = holders.seen.front();
    info.held_by =
        (first.name.empty() ? std::string("a process") : first.name) + " (pid " + std::to_string(first.pid) + ")";
  }
  if (auto usable = check_port(info.path); !usable) info.problem = std::move(usable.error());
}

/// An on-board UART that is really there: the 8250 driver registers ports that no hardware stands behind (type 0,
/// PORT_UNKNOWN).
bool is_real_platform_port(udev_device* device) {
  if (udev_device_get_parent(device) == nullptr) return false;
  const char* type = udev_device_get_sysattr_value(device, "type");
  return type == nullptr || std::string_view(type) != "0";
}

PortInfo describe(const Udev& udev, const std::string& path, const struct stat& info) {
  PortInfo port;
  port.path = path;
  port.node = canonical(path);
  // 136 to 143: UNIX98 pseudo-terminal slaves (Linux Documentation/admin-guide/devices.txt).
  port.is_pty = S_ISCHR(info.st_mode) && major(info.st_rdev) >= 136 && major(info.st_rdev) <= 143;
  if (port.is_pty) {
    if (port.path != port.node) port.topology = port.path;
  } else if (udev && S_ISCHR(info.st_mode)) {
    if (const UdevDevice device(udev_device_new_from_devnum(udev.get(), 'c', info.st_rdev)); device)
      fill_from_udev(device.get(), port);
  }
  return port;
}

}  // namespace

Result<PortInfo> describe_port(const std::string& path, bool with_check) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    auto reason = check_port(path);
    if (!reason) return fail_errno(ENOENT, "no such port", path);
    return pass(std::move(reason.error()));
  }
  const Udev udev(udev_new());
  PortInfo port = describe(udev, path, info);
  if (with_check) check(port);
  return port;
}

Result<std::vector<PortInfo>> list_ports(const ListOptions& options) {
  const Udev udev(udev_new());
  if (!udev) return fail(Errc::failed, "cannot ask udev for ports", "libudev");
  std::vector<PortInfo> ports;
  const UdevEnumerate enumerate(udev_enumerate_new(udev.get()));
  if (enumerate && udev_enumerate_add_match_subsystem(enumerate.get(), "tty") >= 0 &&
      udev_enumerate_scan_devices(enumerate.get()) >= 0) {
    for (udev_list_entry* entry = udev_enumerate_get_list_entry(enumerate.get()); entry != nullptr;
         entry = udev_list_entry_get_next(entry)) {
      const UdevDevice device(udev_device_new_from_syspath(udev.get(), udev_list_entry_get_name(entry)));
      if (!device) continue;
      const char* node = udev_device_get_devnode(device.get());
      if (node == nullptr) continue;
      const bool usb = udev_device_get_parent_with_subsystem_devtype(device.get(), "usb", "usb_interface") != nullptr;
      if (!usb && !(options.include_platform && is_real_platform_port(device.get()))) continue;
      PortInfo port;
      port.path = node;
      port.node = node;
      fill_from_udev(device.get(), port);
      ports.push_back(std::move(port));
    }
  }
  for (const std::string& path : options.extra_paths) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) continue;
    PortInfo port = describe(udev, path, info);
    const auto same =
        std::find_if(ports.begin(), ports.end(), [&port](const PortInfo& other) { return other.node == port.node; });
    if (same == ports.end()) {
      ports.push_back(std::move(port));
    } else {
      same->path = path;
    }
  }
  if (options.check) {
    for (PortInfo& port : ports) check(port);
  }
  std::sort(ports.begin(), ports.end(), [](const PortInfo& a, const PortInfo& b) {
    return std::tie(a.topology, a.path) < std::tie(b.topology, b.path);
  });
  return ports;
}

}  // namespace tml::serial
