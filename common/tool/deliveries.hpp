// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A tool's end of the spool: delivers in the background, tells the user, and lets a capture wait for its receipt.
// When another process delivers from the same spool this one stands by, sees receipts through the spool, and takes
// over when the other ends. One executor; run() must have returned before destruction.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "common/base/sync.hpp"
#include "common/cli/reporter.hpp"
#include "common/spool/delivery.hpp"
#include "common/tool/context.hpp"

namespace tml::tool {

/// What became of an entry as far as anyone waited.
struct Outcome {
  enum class Kind : std::uint8_t {
    delivered,
    refused,  ///< The server said no for good, or refuses the key: kept, shown by `spool list`.
    waiting,  ///< Not now; delivered later.
  };
  Kind kind = Kind::waiting;
  std::string server_name;  ///< When delivered.
  std::optional<Error> error;
};

/// For the server that asked for the sample: what sample_failed says when it is not delivered.
[[nodiscard]] std::string not_delivered_text(const Outcome& outcome);

class Deliveries {
 public:
  Deliveries(Context& context, spool::AsyncSpool& spool);

  /// Until stop().
  [[nodiscard]] Awaitable<void> run();
  void stop();
  /// One pass over everything, now. Errc::busy when another process delivers.
  [[nodiscard]] Awaitable<Result<spool::DrainSummary>> drain() { return delivery_.drain(); }
  /// Something was put.
  void kick() { delivery_.kick(); }

  /// The board's own key, for boards that belong to no project known here.
  void set_board_key(const std::string& board, std::string api_key) { board_keys_[board] = std::move(api_key); }

  /// Why the device's newest attempt failed that this process made; none once one succeeds.
  [[nodiscard]] std::optional<Error> last_failure(const std::string& device) const;

  /// Waits for the receipt of a committed entry. Gives up once nothing has moved for `patience` (an upload under way
  /// counts as movement).
  [[nodiscard]] Awaitable<Outcome> outcome(std::string envelope, Millis patience);

 private:
  [[nodiscard]] std::optional<spool::Target> target(const spool::EntryInfo& entry) const;
  [[nodiscard]] spool::DeliveryEvents events();
  [[nodiscard]] Awaitable<Outcome> look_into_spool(std::string envelope);

  struct Waiting {
    std::chrono::nanoseconds moved{0};
    std::optional<Outcome> outcome;
    std::optional<Error> last_error;
    Event* news = nullptr;
  };

  Context& context_;
  spool::AsyncSpool& spool_;
  std::map<std::string, std::string> board_keys_;
  std::map<std::string, Waiting*> waiting_;
  std::map<std::string, Error> last_failure_;  ///< Per device; told when it changes, so that a long outage is one line.
  spool::Delivery delivery_;
  Pause pause_;
  bool stopping_ = false;
};

}  // namespace tml::tool
