// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Runs one awaitable to its end on a given loop, failing loudly when the loop runs dry before.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>

namespace tml::test {

template <class T>
T run_on(boost::asio::io_context& io, boost::asio::awaitable<T> operation) {
  std::optional<T> result;
  boost::asio::co_spawn(io, std::move(operation), [&io, &result](const std::exception_ptr& error, T value) {
    if (error) std::rethrow_exception(error);
    result.emplace(std::move(value));
    io.stop();
  });
  io.run();
  io.restart();
  if (!result) throw std::runtime_error("the loop ran dry before the operation ended");
  return std::move(*result);
}

}  // namespace tml::test
