// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "forwarder/asker.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <tuple>

namespace tml::forwarder {
namespace {

/// Counts a question from the wait for its turn to its answer.
class Counted {
 public:
  explicit Counted(unsigned& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  unsigned& count_;
};

}  // namespace

Asker::Asker(boost::asio::any_io_executor executor, const cli::Prompt& prompt)
    : executor_(executor), prompt_(prompt), turn_(executor), input_(executor) {}

void Asker::stop() {
  stopped_ = true;
  boost::system::error_code ignored;
  input_.cancel(ignored);
}

Awaitable<Result<std::string>> Asker::ask(std::string question, std::string flag) {
  const Counted counted(asking_);
  auto lock = co_await turn_.lock();
  if (stopped_) co_return fail(Errc::interrupted, "stopped");
  auto posed = prompt_.pose(question, flag);
  if (!posed) co_return pass(posed.error());
  // A copy of the descriptor, which Asio closes; only waited on, so that the terminal's flags stay as they are.
  const int copy = ::dup(cli::Prompt::kFd);
  if (copy < 0) co_return fail(Errc::io, "cannot wait for an answer: " + std::string(std::strerror(errno)));
  boost::system::error_code error;
  input_.assign(copy, error);
  if (error) {
    ::close(copy);
    co_return fail(Errc::io, "cannot wait for an answer: " + error.message());
  }
  // Asio waits on what it takes for non-blocking only; the flag itself would be the terminal's, standard output
  // included.
  const int flags = ::fcntl(copy, F_GETFL);
  input_.native_non_blocking(true, error);
  if (flags >= 0) ::fcntl(copy, F_SETFL, flags);
  const auto waited = co_await input_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                                                 boost::asio::as_tuple(boost::asio::use_awaitable));
  input_.close(error);
  if (stopped_ || std::get<0>(waited)) co_return fail(Errc::interrupted, "stopped");
  co_return prompt_.take_answer();
}

}  // namespace tml::forwarder
