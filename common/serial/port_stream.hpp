// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// ByteStream over an open Port, on an Asio executor.
//
// Owns the port. Every operation is cancelled by cancel(), by close() and by cancellation of the coroutine that awaits
// it; all of them end with Errc::interrupted (close(): Errc::unplugged). Nothing throws. Destroy it only when no
// operation is under way; close() first and let the operations end.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>

#include "common/serial/byte_stream.hpp"
#include "common/serial/port.hpp"

namespace tml::serial {

class PortStream final : public ByteStream {
 public:
  PortStream(boost::asio::any_io_executor executor, Port port);
  ~PortStream() override;
  PortStream(const PortStream&) = delete;
  PortStream& operator=(const PortStream&) = delete;

  /// open() and wrap in one go.
  [[nodiscard]] static Result<std::unique_ptr<PortStream>> open(boost::asio::any_io_executor executor,
                                                                const std::string& path,
                                                                const PortOptions& options = {});

  [[nodiscard]] Awaitable<Result<std::size_t>> read_some(std::span<std::byte> out,
                                                         std::chrono::nanoseconds deadline) override;
  [[nodiscard]] Awaitable<Result<void>> write_all(std::span<const std::byte> bytes,
                                                  std::chrono::nanoseconds deadline) override;
  [[nodiscard]] Awaitable<Result<void>> set_baud(std::uint32_t bits_per_second) override;
  [[nodiscard]] std::uint32_t baud() const override;
  [[nodiscard]] const Clock& clock() const override;
  void cancel() override;
  [[nodiscard]] const std::string& name() const override;

  /// Releases port and lock at once.
  void close();
  [[nodiscard]] bool is_open() const;
  /// For DTR/RTS and the report. Invalid after close().
  [[nodiscard]] Port& port();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tml::serial
