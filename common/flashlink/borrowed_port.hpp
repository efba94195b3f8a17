// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A port that a running tml-daemon serves: borrowed for the length of a job and given back. One executor; `daemon`
// outlives it.
#pragma once

#include <optional>
#include <string>

#include "common/flashlink/daemon_client.hpp"
#include "common/flashlink/port_access.hpp"

namespace tml::flashlink {

class BorrowedPort final : public PortAccess {
 public:
  /// `board`: its id or path, as the daemon knows it. `path`: of its port, for messages.
  BorrowedPort(boost::asio::any_io_executor executor, DaemonClient& daemon, std::string board, std::string path)
      : executor_(std::move(executor)), daemon_(daemon), board_(std::move(board)), path_(std::move(path)) {}

  /// Borrows at the first call, and when the lease was lost. DaemonClient::borrow()'s errors and the port's.
  [[nodiscard]] serial::Awaitable<Result<std::unique_ptr<serial::ByteStream>>> open(std::uint32_t baud) override;
  [[nodiscard]] const std::string& name() const override { return path_; }
  /// When the stream is gone; the daemon takes the port back at once. Harmless when nothing was borrowed.
  [[nodiscard]] serial::Awaitable<void> give_back() override;

 private:
  boost::asio::any_io_executor executor_;
  DaemonClient& daemon_;
  std::string board_;
  std::string path_;
  std::optional<Lease> lease_;
};

}  // namespace tml::flashlink
