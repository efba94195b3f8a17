// SPDX-License-Identifier: Apache-2.0
#include "common/tool/signal_watch.hpp"

#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <csignal>

#include "common/base/exit_code.hpp"
#include "common/cli/screen.hpp"

namespace tml::tool {

struct SignalWatch::State : std::enable_shared_from_this<SignalWatch::State> {
  State(boost::asio::io_context& io, std::function<void(int)> handler)
      : signals(io, SIGINT, SIGTERM), on_signal(std::move(handler)) {}

  void wait() {
    signals.async_wait([self = shared_from_this()](const boost::system::error_code& error, int number) {
      if (error) return;
      if (std::exchange(self->seen, true)) {
        cli::leave_screen_now();
        ::_exit(static_cast<int>(ExitCode::interrupted));
      }
      self->wait();
      self->on_signal(number);
    });
  }

  boost::asio::signal_set signals;
  std::function<void(int)> on_signal;
  bool seen = false;
};

SignalWatch::SignalWatch(boost::asio::io_context& io, std::function<void(int)> on_signal)
    : state_(std::make_shared<State>(io, std::move(on_signal))) {
  state_->wait();
}

SignalWatch::~SignalWatch() {
  boost::system::error_code ignored;
  state_->signals.clear(ignored);
  state_->signals.cancel(ignored);
}

}  // namespace tml::tool
