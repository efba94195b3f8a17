// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Starting coroutines, and running one to its end from plain code.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "common/base/log.hpp"
#include "common/base/sync.hpp"

namespace tml {

/// What an exception says, for the log. Our own code throws none; libraries may (std::bad_alloc).
[[nodiscard]] inline std::string exception_text(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "unknown exception";
  }
}

/// Runs beside the caller; an exception that ends it is logged under `name`. Nobody waits for it.
inline void spawn_logged(const boost::asio::any_io_executor& executor, Awaitable<void> task, std::string name) {
  boost::asio::co_spawn(executor, std::move(task), [name = std::move(name)](const std::exception_ptr& exception) {
    if (exception) log_error(name + ": " + exception_text(exception));
  });
}

/// Runs the loop until `task` is done. None when an exception ended it, which is logged.
template <class T>
[[nodiscard]] std::optional<T> run_to_end(boost::asio::io_context& io, Awaitable<T> task) {
  std::optional<T> result;
  boost::asio::co_spawn(io, std::move(task), [&io, &result](const std::exception_ptr& exception, T value) {
    if (exception) {
      log_error(exception_text(exception));
    } else {
      result.emplace(std::move(value));
    }
    io.stop();
  });
  io.run();
  io.restart();
  return result;
}

}  // namespace tml
