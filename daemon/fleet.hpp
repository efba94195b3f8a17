// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// All boards of this process: finds ports, gives each an actor, passes hotplug events on, and decides when there is
// nothing left to serve. One executor.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/serial/hotplug.hpp"
#include "daemon/board_actor.hpp"

namespace tml::daemon {

class Fleet {
 public:
  /// `selectors` empty: every USB serial port, now and later.
  Fleet(Context& context, spool::AsyncSpool& spool, Deliveries& deliveries,
        std::vector<serial::PortSelector> selectors);

  /// Serves until stop(), or until no board can be served any more (then its error).
  [[nodiscard]] Awaitable<Result<void>> run();
  void stop();

  /// In the order of their ports.
  [[nodiscard]] std::vector<std::shared_ptr<BoardActor>> actors() const;

 private:
  [[nodiscard]] Result<void> find_ports();
  void add_port(const std::string& path, const serial::PortSelector& selector);
  [[nodiscard]] std::optional<serial::PortSelector> selector_for(const serial::PortInfo& port) const;
  [[nodiscard]] Awaitable<void> follow_hotplug();
  [[nodiscard]] Awaitable<void> watch_lines();
  void on_hotplug(const serial::HotplugEvent& event);
  void keep_identities();
  void hopeless(const std::string& path, const Error& error);

  struct Seat {
    std::shared_ptr<BoardActor> actor;
    std::optional<Error> hopeless;
  };

  Context& context_;
  spool::AsyncSpool& spool_;
  std::vector<serial::PortSelector> selectors_;
  const std::filesystem::path identity_file_;
  serial::IdentityRegistry identities_;
  std::vector<serial::IdentityRegistry::Entry> kept_identities_;
  Worker images_;
  Bench bench_;
  std::unique_ptr<serial::Hotplug> hotplug_;
  std::map<std::string, Seat> seats_;
  Event stopped_;
  Event empty_;
  Pause watch_pause_;
  unsigned running_ = 0;
  bool stopping_ = false;
  std::optional<Error> fatal_;
};

/// The registry's memory as a file (0600, JSON).
[[nodiscard]] std::vector<serial::IdentityRegistry::Entry> load_identities(const std::filesystem::path& file);
[[nodiscard]] Result<void> save_identities(const std::filesystem::path& file,
                                           const std::vector<serial::IdentityRegistry::Entry>& entries);

}  // namespace tml::daemon
