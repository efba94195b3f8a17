// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Which ports there are, what hangs on them, and whether they can be opened.
//
// From libudev (which reads sysfs) where a tty has a USB or platform parent, and from explicit paths that udev does not
// know (the pseudo-terminal links of virtual boards). Nothing is opened: opening a port pulls DTR, which resets many
// boards. Blocking, some milliseconds (tens with `check`): call it from a worker thread, or at start-up. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"

namespace tml::serial {

struct PortInfo {
  std::string path;      ///< What to open: "/dev/ttyACM0", or the link that was asked for.
  std::string node;      ///< The device node behind it; equal to path unless that is a link.
  std::string by_id;     ///< "/dev/serial/by-id/usb-..."; empty if udev made none.
  std::string topology;  ///< USB path "1-2.3:1.0"; for a pseudo-terminal the link path; empty for a bare /dev/pts/N.
  std::string driver;    ///< "cdc_acm", "ftdi_sio"; empty for a pseudo-terminal.
  std::optional<std::uint16_t> vendor_id;
  std::optional<std::uint16_t> product_id;
  std::string usb_serial;
  std::string manufacturer;
  std::string product;
  bool is_pty = false;
  /// Set when the port cannot be opened, with the checked cause; none when it can, or when not checked.
  std::optional<Error> problem;
  /// "minicom (pid 4711)" when a process has it open, locked or not; empty when nobody is seen.
  std::string held_by;
};

struct ListOptions {
  std::vector<std::string> extra_paths;  ///< Explicit paths; listed when they exist, whatever they are.
  bool include_platform = false;         ///< Also on-board UARTs (ttyS*, ttyAMA*) that have a driver.
  bool check = true;                     ///< Fill problem and held_by.
};

/// Sorted by topology then path. An empty list is no error.
[[nodiscard]] Result<std::vector<PortInfo>> list_ports(const ListOptions& options = {});

/// One path, whether udev knows it or not. Errc::not_found when it does not exist.
[[nodiscard]] Result<PortInfo> describe_port(const std::string& path, bool check = true);

/// The value of --port (design section 3): PATH, `serial=X` (USB serial number) or `id=X` (the firmware's id, which
/// only an opened board tells).
struct PortSelector {
  enum class Kind : std::uint8_t { path, usb_serial, firmware_id };
  Kind kind = Kind::path;
  std::string value;

  /// Errc::usage for an empty value, a path with a control character, or an unknown KEY= in front of no existing path.
  [[nodiscard]] static Result<PortSelector> parse(std::string_view text);

  /// Whether this port may be the one. A firmware id can only be judged with `firmware_id`; without it every port may
  /// be. Paths match literally, by the node behind links, and by the by-id link. USB serials match without regard to
  /// case.
  [[nodiscard]] bool matches(const PortInfo& port, std::optional<std::string_view> firmware_id = std::nullopt) const;
};

}  // namespace tml::serial
