// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Questions to a person while streams are being read: the loop goes on, one question stands at a time, stop() ends the
// wait for an answer. One executor; idle before destruction.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <string>

#include "common/base/sync.hpp"
#include "common/cli/prompt.hpp"

namespace tml::forwarder {

class Asker {
 public:
  /// `prompt` outlives it.
  Asker(boost::asio::any_io_executor executor, const cli::Prompt& prompt);

  [[nodiscard]] bool interactive() const { return prompt_.interactive(); }
  /// A question stands, or is about to: the terminal belongs to it.
  [[nodiscard]] bool asking() const { return asking_ > 0; }
  /// One line. Errc::usage naming `flag` without a terminal; Errc::interrupted at end of input or after stop().
  [[nodiscard]] Awaitable<Result<std::string>> ask(std::string question, std::string flag);
  void stop();

 private:
  boost::asio::any_io_executor executor_;
  const cli::Prompt& prompt_;
  Mutex turn_;
  boost::asio::posix::stream_descriptor input_;
  unsigned asking_ = 0;
  bool stopped_ = false;
};

}  // namespace tml::forwarder
