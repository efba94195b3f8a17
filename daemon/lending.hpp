// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Leases of boards to other processes: who has which board until when. A lease ends when it is given back, when it was
// not renewed in time, and when its owner's process ends (pidfd), whatever comes first; the board's actor then takes
// the port back. One executor. Outlives its coroutines: stop() before the loop ends.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/fleet.hpp"

namespace tml::daemon {

inline constexpr std::uint32_t kMinLeaseSeconds = 1;
inline constexpr std::uint32_t kMaxLeaseSeconds = 3600;
inline constexpr std::uint32_t kDefaultLeaseSeconds = 60;
inline constexpr std::size_t kMaxOwnerBytes = 64;

struct BorrowOrder {
  std::string board;  ///< Its id, identity key or port.
  std::string owner;  ///< 1 to 64 printable characters.
  std::uint32_t seconds = kDefaultLeaseSeconds;
  std::int32_t pid = 0;  ///< Watched; 0: none.
  bool force = false;
};

struct Borrowed {
  Loan loan;
  std::string port;
};

class Lending {
 public:
  Lending(Context& context, Fleet& fleet) : context_(context), fleet_(fleet) {}

  [[nodiscard]] std::vector<BoardFacts> boards() const;
  /// The port is closed when this returns. Errors: not_found (no such board), busy (lent already, sampling), usage (a
  /// value out of its range, a process that does not exist), interrupted.
  [[nodiscard]] Awaitable<Result<Borrowed>> borrow(BorrowOrder order);
  /// From now on for `seconds` (as before without). Errc::not_found: no such lease, or over.
  [[nodiscard]] Result<Borrowed> renew(const std::string& lease, std::optional<std::uint32_t> seconds);
  [[nodiscard]] Result<void> give_back(const std::string& lease);
  /// Forgets every lease; the fleet is about to end.
  void stop();
  /// The board's loan for a refusal, if there is one.
  [[nodiscard]] std::optional<Loan> loan_of(const std::string& board) const;

 private:
  struct Lease;
  [[nodiscard]] std::shared_ptr<BoardActor> find(const std::string& board) const;
  [[nodiscard]] Awaitable<void> watch_time(std::shared_ptr<Lease> lease);
  [[nodiscard]] Awaitable<void> watch_owner(std::shared_ptr<Lease> lease);
  void end(const std::shared_ptr<Lease>& lease, const std::string& why);
  void prolong(Lease& lease);

  Context& context_;
  Fleet& fleet_;
  std::map<std::string, std::shared_ptr<Lease>> leases_;
};

}  // namespace tml::daemon
