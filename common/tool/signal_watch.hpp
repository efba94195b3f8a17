// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// SIGINT and SIGTERM as a call on the loop; a second one ends the process at once with 130. While it lives. One per
// process; constructed and destroyed on the loop's thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>

namespace tml::tool {

class SignalWatch {
 public:
  SignalWatch(boost::asio::io_context& io, std::function<void(int)> on_signal);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tml::tool
