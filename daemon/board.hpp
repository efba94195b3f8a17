// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One open, identified board: port, AT session and what the board said about itself. Made by open_board(), destroyed
// when the board goes; a new connection is a new object. One executor; the session and stream die with it, so every
// coroutine that uses it holds the shared_ptr.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/sync.hpp"
#include "common/serial/at_session.hpp"
#include "common/serial/discovery.hpp"
#include "common/serial/identity.hpp"
#include "common/serial/port_stream.hpp"
#include "daemon/options.hpp"

namespace tml::daemon {

struct Board {
  serial::PortInfo port;
  std::unique_ptr<serial::PortStream> stream;
  std::unique_ptr<serial::AtSession> session;  // After the stream that it borrows.
  serial::DeviceInfo info;
  serial::InfoReply about;
  serial::BoardIdentity identity;  ///< Empty key until identify() was called.

  /// The board keeps captures as files until they are deleted, and lists them (`TML caps: files`).
  [[nodiscard]] bool stores_files() const { return about.has("files"); }
  /// What servers know the board by: its own id, or where that cannot tell boards apart the identity's.
  [[nodiscard]] std::string device_id() const;
  [[nodiscard]] const std::string& key() const { return identity.key; }
};

/// How the flags want a line treated.
[[nodiscard]] serial::AtOptions at_options(const Options& options);

/// Opens the port, wakes the board, reads its configuration and capabilities (wire reference 1.4). Errors as
/// Port::open and AtSession; `where` is the port.
/// Its port is closed when it should not go on: `opened` (may be empty) is called once the port is open.
[[nodiscard]] Awaitable<Result<std::shared_ptr<Board>>> open_board(
    boost::asio::any_io_executor executor, serial::PortInfo port, serial::AtOptions options,
    std::function<void(const std::shared_ptr<Board>&)> opened = {});

/// Claims the board's identity. Errc::busy when another live board has every fact of it.
[[nodiscard]] Result<void> identify(Board& board, serial::IdentityRegistry& registry);

/// What AT+INFO says of our firmware's version, "0.1.0"; empty for boards that do not tell.
[[nodiscard]] std::string firmware_version(const serial::InfoReply& about);

/// The sensor of that name, or for an empty name the first. Null when there is none.
[[nodiscard]] const serial::SensorInfo* find_sensor(const serial::DeviceInfo& info, std::string_view name);

/// "Built-in accelerometer, Environmental", for messages.
[[nodiscard]] std::string sensor_names(const serial::DeviceInfo& info);

}  // namespace tml::daemon
