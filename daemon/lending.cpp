// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "daemon/lending.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>

#include "common/base/file.hpp"
#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "common/base/spawn.hpp"

namespace tml::daemon {

struct Lending::Lease {
  explicit Lease(const boost::asio::any_io_executor& executor) : pause(executor), owner(executor) {}
  std::string id;
  std::shared_ptr<BoardActor> actor;
  std::uint32_t seconds = 0;
  std::chrono::nanoseconds deadline{0};
  bool live = true;
  Pause pause;
  boost::asio::posix::stream_descriptor owner;  // A pidfd.
};

namespace {

Result<void> check(const BorrowOrder& order) {
  if (order.seconds < kMinLeaseSeconds || order.seconds > kMaxLeaseSeconds) {
    return fail(Errc::usage, "seconds must be 1 to 3600", "seconds");
  }
  const bool printable = std::ranges::all_of(order.owner, [](char c) { return c >= ' ' && c <= '~'; });
  if (order.owner.empty() || order.owner.size() > kMaxOwnerBytes || !printable) {
    return fail(Errc::usage, "owner must be 1 to 64 printable ASCII characters", "owner");
  }
  if (order.pid < 0) return fail(Errc::usage, "pid must be a process id", "pid");
  return {};
}

/// A descriptor that becomes readable when the process has ended; none on a kernel without them (before 5.3).
Result<UniqueFd> open_owner(std::int32_t pid) {
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (fd.valid() || errno == ENOSYS) return fd;
  if (errno == ESRCH || errno == EINVAL) {
    return fail(Errc::usage, "there is no process " + std::to_string(pid), "pid");
  }
  return fail_errno(errno, "cannot watch process " + std::to_string(pid), "pid");
}

std::string new_lease_id(Random& random) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string id;
  std::uint64_t number = random.next_u64();
  for (int i = 0; i < 16; ++i, number >>= 4U) id.push_back(kDigits[number & 15U]);
  return id;
}

}  // namespace

std::vector<BoardFacts> Lending::boards() const {
  std::vector<BoardFacts> all;
  for (const auto& actor : fleet_.actors()) all.push_back(actor->facts());
  return all;
}

std::shared_ptr<BoardActor> Lending::find(const std::string& board) const {
  const auto actors = fleet_.actors();
  for (const auto& actor : actors) {
    const BoardFacts facts = actor->facts();
    if (facts.port == board || facts.id == board || facts.key == board) return actor;
  }
  return nullptr;
}

std::optional<Loan> Lending::loan_of(const std::string& board) const {
  const auto actor = find(board);
  if (!actor || actor->loan() == nullptr) return std::nullopt;
  return *actor->loan();
}

void Lending::prolong(Lease& lease) {
  lease.deadline = context_.clock.steady() + std::chrono::seconds(lease.seconds);
  if (Loan* loan = lease.actor->loan()) {
    loan->expires_at_ms = context_.clock.unix_ms() + std::int64_t{lease.seconds} * 1000;
  }
}

Awaitable<Result<Borrowed>> Lending::borrow(BorrowOrder order) {
  auto checked = check(order);
  if (!checked) co_return pass(checked.error());
  const auto actor = find(order.board);
  if (!actor) {
    co_return fail(Errc::not_found, "no board of this id or port", order.board, "GET /v1/boards lists the boards");
  }
  UniqueFd owner;
  if (order.pid != 0) {
    auto opened = open_owner(order.pid);
    if (!opened) co_return pass(opened.error());
    owner = *std::move(opened);
  }
  auto lease = std::make_shared<Lease>(context_.io.get_executor());
  lease->id = new_lease_id(context_.random);
  lease->actor = actor;
  lease->seconds = order.seconds;
  Loan loan{lease->id, order.owner, order.pid, context_.clock.unix_ms() + std::int64_t{order.seconds} * 1000};
  auto lent = co_await actor->lend(std::move(loan), order.force);
  if (!lent) co_return pass(lent.error());
  leases_.emplace(lease->id, lease);
  prolong(*lease);
  if (owner.valid()) {
    boost::system::error_code error;
    lease->owner.assign(owner.get(), error);
    if (!error) {
      (void)owner.release();
      spawn_logged(context_.io.get_executor(), watch_owner(lease), "lease");
    }
  }
  spawn_logged(context_.io.get_executor(), watch_time(lease), "lease");
  co_return Borrowed{*actor->loan(), actor->path()};
}

Awaitable<void> Lending::watch_time(std::shared_ptr<Lease> lease) {
  while (lease->live) {
    const auto left = lease->deadline - context_.clock.steady();
    if (left <= std::chrono::nanoseconds(0)) {
      end(lease, "the lease was not renewed in time");
      co_return;
    }
    const Millis wait = std::chrono::duration_cast<Millis>(left) + Millis{1};
    co_await lease->pause.wait_for(wait);
  }
}

Awaitable<void> Lending::watch_owner(std::shared_ptr<Lease> lease) {
  const auto [error] = co_await lease->owner.async_wait(boost::asio::posix::descriptor_base::wait_read,
                                                        boost::asio::as_tuple(boost::asio::use_awaitable));
  if (!error && lease->live) end(lease, "the owner's process has ended");
}

void Lending::end(const std::shared_ptr<Lease>& lease, const std::string& why) {
  lease->live = false;
  lease->pause.wake();
  boost::system::error_code ignored;
  if (lease->owner.is_open()) lease->owner.close(ignored);
  leases_.erase(lease->id);
  const BoardFacts facts = lease->actor->facts();
  context_.reporter.event("board_returned",
                          Json{{"board", facts.key},
                               {"port", facts.port},
                               {"device_id", facts.id},
                               {"owner", facts.loan ? facts.loan->owner : std::string()},
                               {"reason", why}},
                          facts.port + ": taken back: " + why);
  lease->actor->take_back();
}

Result<Borrowed> Lending::renew(const std::string& lease, std::optional<std::uint32_t> seconds) {
  const auto found = leases_.find(lease);
  if (found == leases_.end()) return fail(Errc::not_found, "no such lease, or it is over", lease, "Borrow the board");
  Lease& live = *found->second;
  if (seconds && (*seconds < kMinLeaseSeconds || *seconds > kMaxLeaseSeconds)) {
    return fail(Errc::usage, "seconds must be 1 to 3600", "seconds");
  }
  live.seconds = seconds.value_or(live.seconds);
  prolong(live);
  live.pause.wake();
  return Borrowed{*live.actor->loan(), live.actor->path()};
}

Result<void> Lending::give_back(const std::string& lease) {
  const auto found = leases_.find(lease);
  if (found == leases_.end()) return fail(Errc::not_found, "no such lease, or it is over", lease);
  const auto live = found->second;
  end(live, "given back");
  return {};
}

void Lending::stop() {
  for (const auto& [id, lease] : leases_) {
    lease->live = false;
    lease->pause.wake();
    boost::system::error_code ignored;
    if (lease->owner.is_open()) lease->owner.close(ignored);
  }
  leases_.clear();
}

}  // namespace tml::daemon
