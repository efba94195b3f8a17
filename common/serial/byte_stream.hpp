// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The world as an AT session sees it: bytes, a line rate and time, behind one interface, so that a session runs
// unchanged over a port (port_stream.hpp) and over a scripted device in virtual time (tests).
//
// Deadlines are absolute values of clock().steady(). One read and one write may be under way at a time. Not
// thread-safe: all calls on the stream's executor, except none. The stream outlives every operation on it.
//
// Errors: Errc::timeout (the deadline passed, the link is still there), Errc::unplugged (end of file, hang-up, ENXIO,
// EIO on a vanished terminal), Errc::interrupted (cancel(), or cancellation of the coroutine), Errc::io (anything else,
// with the cause).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "common/base/clock.hpp"
#include "common/base/error.hpp"

namespace tml::serial {

template <class T>
using Awaitable = boost::asio::awaitable<T>;

class ByteStream {
 public:
  virtual ~ByteStream() = default;

  /// At least one byte, at most out.size(), or an error. A deadline that has passed already makes it a poll: what is
  /// there is returned, else Errc::timeout at once.
  [[nodiscard]] virtual Awaitable<Result<std::size_t>> read_some(std::span<std::byte> out,
                                                                 std::chrono::nanoseconds deadline) = 0;

  /// All of it into the driver's buffer, or an error. Does not wait for the last bit on the wire.
  [[nodiscard]] virtual Awaitable<Result<void>> write_all(std::span<const std::byte> bytes,
                                                          std::chrono::nanoseconds deadline) = 0;

  /// Waits until everything written has left, then changes the line rate. Input that is already there stays.
  [[nodiscard]] virtual Awaitable<Result<void>> set_baud(std::uint32_t bits_per_second) = 0;
  [[nodiscard]] virtual std::uint32_t baud() const = 0;

  /// The time that deadlines refer to.
  [[nodiscard]] virtual const Clock& clock() const = 0;

  /// Ends the read under way (if any) with Errc::interrupted. The stream stays usable.
  virtual void cancel() = 0;

  /// For messages: "/dev/ttyUSB0".
  [[nodiscard]] virtual const std::string& name() const = 0;
};

}  // namespace tml::serial
