// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What every command of the daemon works with: the flags, and what every tool has. Made once in main().
#pragma once

#include "common/base/sync.hpp"
#include "common/remote/link.hpp"
#include "common/tool/context.hpp"
#include "common/tool/deliveries.hpp"
#include "common/tool/signal_watch.hpp"
#include "daemon/options.hpp"

namespace tml::daemon {

using remote::ApiClient;
using remote::Credentials;
using remote::Project;
using tool::Deliveries;
using tool::Outcome;
using tool::ProjectFacts;
using tool::SignalWatch;

class Context : public tool::Context {
 public:
  Context(boost::asio::io_context& loop, Options the_options, tool::Configuration configuration,
          cli::Reporter& the_reporter)
      : tool::Context(loop, the_options.project, std::move(configuration), the_reporter),
        options(std::move(the_options)) {}

  const Options options;
};

}  // namespace tml::daemon
