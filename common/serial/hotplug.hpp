// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Ports that come and go, as events on the loop.
//
// Two sources that back each other up: the libudev monitor (complete information, needs udevd), and inotify on /dev and
// on the folder of every watched path (containers without udevd; pseudo-terminal links of virtual boards, which udev
// knows nothing of). Both are only hints to look again: an event is reported when the observed state of a path changed,
// so a path flaps at most once per change, however many hints came. A folder that does not exist yet is awaited through
// its nearest existing parent.
//
// What exists when Hotplug is created, or when a path is watched, counts as known and is not reported: list_ports()
// first sees it. To miss nothing, create Hotplug before listing.
//
// Memory is bounded by the number of ports: events of one path are merged until next() fetches them. Not thread-safe;
// one next() at a time, on the executor given. close() (or the destructor after it) ends next() with Errc::interrupted.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/serial/byte_stream.hpp"

namespace tml::serial {

struct HotplugEvent {
  enum class Kind : std::uint8_t {
    arrived,   ///< The path exists and leads to a character device.
    left,      ///< It no longer does.
    replaced,  ///< It leads to another device than before (unplugged and plugged in between two looks): close and
               ///< reopen.
    changed,   ///< Same device, but its access rights changed: a port that was refused may now open.
  };
  Kind kind = Kind::arrived;
  std::string path;  ///< As watched (the link), or the node: "/dev/ttyUSB0".
};

struct HotplugOptions {
  std::vector<std::string> paths;   ///< Explicit paths to watch besides the ports of /dev.
  bool watch_dev = true;            ///< USB serial ports (ttyUSB*, ttyACM*) as they come.
  std::string dev_folder = "/dev";  ///< For tests.
};

class Hotplug {
 public:
  /// Errc::io when neither source works (inotify limits reached); the hint names the sysctl.
  [[nodiscard]] static Result<std::unique_ptr<Hotplug>> create(boost::asio::any_io_executor executor,
                                                               const HotplugOptions& options = {});
  ~Hotplug();
  Hotplug(const Hotplug&) = delete;
  Hotplug& operator=(const Hotplug&) = delete;

  /// The next change. Errc::interrupted after close() or when the awaiting coroutine is cancelled.
  [[nodiscard]] Awaitable<Result<HotplugEvent>> next();

  /// Adds a path while running. Watching a path twice is no error.
  [[nodiscard]] Result<void> watch(const std::string& path);
  void unwatch(const std::string& path);
  void close();

  /// False when the udev monitor could not be opened and inotify alone is at work.
  [[nodiscard]] bool has_udev() const;

 private:
  struct State;
  explicit Hotplug(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace tml::serial
