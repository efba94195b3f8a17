// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// How a job comes by its port: opened here, or borrowed from a running tml-daemon (daemon_client.hpp). A job opens,
// closes when the cable went, and opens again. One executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "common/serial/byte_stream.hpp"

namespace tml::flashlink {

class PortAccess {
 public:
  virtual ~PortAccess() = default;
  /// The open port at the given rate, or why not (serial::Port::open()'s errors). One at a time: the one before is
  /// destroyed first.
  [[nodiscard]] virtual serial::Awaitable<Result<std::unique_ptr<serial::ByteStream>>> open(std::uint32_t baud) = 0;
  /// At the end, when the stream is gone: to whom it was borrowed from. Nothing where it was not.
  [[nodiscard]] virtual serial::Awaitable<void> give_back() { co_return; }
  /// Path of the port, for messages and for watching it come back.
  [[nodiscard]] virtual const std::string& name() const = 0;
};

/// Opens the path itself.
class OwnPort final : public PortAccess {
 public:
  OwnPort(boost::asio::any_io_executor executor, std::string path)
      : executor_(std::move(executor)), path_(std::move(path)) {}
  [[nodiscard]] serial::Awaitable<Result<std::unique_ptr<serial::ByteStream>>> open(std::uint32_t baud) override;
  [[nodiscard]] const std::string& name() const override { return path_; }

 private:
  boost::asio::any_io_executor executor_;
  std::string path_;
};

}  // namespace tml::flashlink
