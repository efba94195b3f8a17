// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Takes due entries from the spool and POSTs them to the ingestion service (wire reference 2.7, 3.3, 5) until the
// server has each.
//
// Order: at most one request in flight per device, entries of a device in order of arrival; several devices in
// parallel. Every request carries x-tml-envelope. Our server marks each answer with the header x-tml-server (any value)
// and treats a known envelope as delivered; a server that has never sent that mark gets x-disallow-duplicates: 1 on a
// retry, and its "duplicate" answer then counts as delivered. An entry may ask for that header itself; then every
// answer of "duplicate" counts. An entry whose path ends in /files is sent as a form (form_body.hpp). Outcomes: 200 =
// delivered; 401, 403 = held (wrong key); other 4xx but 408 and 429 = refused (quarantined); all else is tried again,
// jittered exponential back-off, for ever.
//
// Everything here runs on one executor (that of run()). Callbacks run there too and must not block.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/clock.hpp"
#include "common/base/random.hpp"
#include "common/http/backoff.hpp"
#include "common/http/client.hpp"
#include "common/spool/async_spool.hpp"

namespace tml::spool {

inline constexpr const char* kEnvelopeHeader = "x-tml-envelope";
inline constexpr const char* kServerMarkHeader = "x-tml-server";

/// Where an entry goes, and with which key. Keys are never stored in the spool.
struct Target {
  std::string base_url;  ///< "http://127.0.0.1:4810": the entry's path is appended.
  std::string api_key;
};
/// Called before each attempt; none = not known yet (no key for this device): the entry waits as if the server were
/// away.
using TargetProvider = std::function<std::optional<Target>(const EntryInfo&)>;

struct Receipt {
  EntryInfo entry;
  std::string server_name;     ///< Body of the answer: the stored file name (wire reference 5). At most 256 characters.
  bool was_duplicate = false;  ///< A retry that the server already had.
};

struct DeliveryEvents {
  std::function<void(const Receipt&)> on_delivered;
  std::function<void(const EntryInfo&, const Error&, Millis retry_in)>
      on_retry;  ///< Also for held entries (Errc::auth).
  std::function<void(const EntryInfo&, const Error&)> on_refused;
  std::function<void(const EntryInfo&, http::Progress)> on_progress;
};

struct DeliveryOptions {
  unsigned parallel = 8;  ///< Requests in flight over all devices.
  http::BackoffOptions backoff{};
  Millis idle_timeout{60'000};
  Millis poll_every{5'000};                  ///< How soon a change by another process (spool flush) is noticed.
  std::string upload_source = "TML_DAEMON";  ///< Where the entry's own headers name none.
};

struct DrainSummary {
  std::uint64_t delivered = 0;
  std::uint64_t refused = 0;
  std::uint64_t failed = 0;  ///< Devices whose head entry could not be delivered now.
  std::optional<Error> last_error;
};

class Delivery {
 public:
  /// All references must outlive it, and run()/drain() must have returned before it is destroyed.
  Delivery(AsyncSpool& spool, http::Client& client, Clock& clock, Random& random, TargetProvider target,
           DeliveryEvents events, DeliveryOptions options = {});
  ~Delivery();
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  /// Delivers until stop(). Errc::busy when another process delivers from this spool.
  [[nodiscard]] boost::asio::awaitable<Result<void>> run();
  /// One pass: makes everything due, delivers device by device until each is empty or its head fails, then returns. For
  /// `spool flush`. Errc::busy when another process delivers (ask that one: make_due() is enough, it notices).
  [[nodiscard]] boost::asio::awaitable<Result<DrainSummary>> drain();

  /// Something was put, a key arrived or a network came back: look now. From the executor of run().
  void kick();
  /// Ends run() after the requests in flight were cancelled; the entries stay. From the executor of run().
  void stop();

  /// Waits until the entry has left the spool. Errc::timeout: it is still there and will be delivered later;
  /// Errc::refused, Errc::auth: what the server said. Call it on the executor of run(), with run() going.
  [[nodiscard]] boost::asio::awaitable<Result<Receipt>> wait(std::string envelope, Millis timeout);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace tml::spool
