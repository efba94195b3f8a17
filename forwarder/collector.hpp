// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// From a window to a committed spool entry: document, signature, spool; and what happens when the spool is full. One
// collector serves all stations.
//
// Document and signature are made on a worker thread, the commit on the spool's own. store() returns after the commit.
// One executor. Every sample that is not stored is counted and reported.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/base/error.hpp"
#include "common/base/json.hpp"
#include "common/base/sync.hpp"
#include "common/base/worker.hpp"
#include "common/sample/names.hpp"
#include "common/spool/async_spool.hpp"
#include "common/stream/accounting.hpp"
#include "common/stream/window.hpp"
#include "common/tool/context.hpp"
#include "forwarder/options.hpp"

namespace tml::forwarder {

/// A window and all that its sample needs.
struct Cut {
  stream::Window window;
  stream::Account account;  ///< Its `policy` decides about gaps.
  std::string device;       ///< Device id: payload.device_name, and the spool's order.
  std::vector<std::string> axes;
  double rate_hz = 0;
  std::string label;
  sample::Category category = sample::Category::training;
  std::string path;      ///< "/api/training/data"; empty = of the category.
  std::string hmac_key;  ///< Empty = not signed (alg none).
};

struct Stored {
  std::string envelope;
  std::string file_name;
  std::uint64_t size_bytes = 0;
  std::uint64_t readings = 0;
  std::uint64_t missing = 0;
  double rate_hz = 0;
  bool is_signed = false;
  bool cut_short = false;
};

struct CollectorSettings {
  bool cbor = false;
  std::uint64_t limit_bytes = 0;  ///< Of the whole spool; 0 = none.
  WhenFull when_full = WhenFull::block;
};

struct CollectorCounters {
  std::uint64_t stored = 0;
  std::uint64_t rejected = 0;        ///< --on-gap reject.
  std::uint64_t dropped_newest = 0;  ///< New samples that found the spool full.
  std::uint64_t dropped_oldest = 0;  ///< Stored samples that made room.
  std::uint64_t failed = 0;          ///< Any other error.
};

/// For `stored` events.
[[nodiscard]] Json stored_json(const std::string& input, const std::string& device, const std::string& label,
                               const Stored& stored);

class Collector {
 public:
  /// `on_stored`: after each commit (Deliveries::kick).
  Collector(tool::Context& context, spool::AsyncSpool& spool, CollectorSettings settings,
            std::function<void()> on_stored);

  /// Committed when it returns. Errc::refused: a gap under `reject`. Errc::limit: the spool is full and the policy
  /// drops new samples, or `wait_for_room` is false under `block`. Under `block` it waits for room else, until stop():
  /// Errc::interrupted.
  [[nodiscard]] Awaitable<Result<Stored>> store(Cut cut, bool wait_for_room);
  /// Under `block`: someone waits for room, so that no new window should begin.
  [[nodiscard]] bool full() const { return waiting_for_room_ > 0; }
  /// Until full() is false.
  [[nodiscard]] Awaitable<void> room() { return room_.wait(); }
  /// Ends waits for room.
  void stop();
  /// Whose samples were stored here, and the spool's sequence of the first of each.
  [[nodiscard]] const std::map<std::string, std::int64_t>& stored_from() const { return stored_from_; }
  [[nodiscard]] const CollectorCounters& counters() const { return counters_; }
  [[nodiscard]] const CollectorSettings& settings() const { return settings_; }

 private:
  struct Attempt;
  class WaitsForRoom;
  [[nodiscard]] Awaitable<Result<spool::NewEntry>> make_entry(std::shared_ptr<const Cut> cut);
  [[nodiscard]] Awaitable<Result<Attempt>> try_put(std::shared_ptr<spool::NewEntry> entry);
  void tell_full(const spool::NewEntry& entry, const Attempt& attempt);
  [[nodiscard]] Awaitable<void> wait_a_moment();

  tool::Context& context_;
  spool::AsyncSpool& spool_;
  CollectorSettings settings_;
  std::function<void()> on_stored_;
  Worker worker_;
  std::set<boost::asio::steady_timer*> timers_;  // Of those who wait for room.
  std::set<std::string> devices_;                // Of this run: only their samples make room.
  std::map<std::string, std::int64_t> stored_from_;
  CollectorCounters counters_;
  unsigned waiting_for_room_ = 0;
  Event room_;  // Set: nobody waits for room.
  bool stopping_ = false;
};

}  // namespace tml::forwarder
