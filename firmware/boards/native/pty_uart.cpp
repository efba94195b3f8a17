// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/pty_uart.hpp"

#include <poll.h>

#include <algorithm>
#include <utility>

namespace tml::fw::native {
namespace {

using std::chrono::nanoseconds;

// Wake-ups while bytes are under way: often enough that the host sees a line and not bursts, rarely enough to cost
// little.
constexpr nanoseconds kTick = std::chrono::milliseconds(1);

// The queue in front of the modelled wire is filled again when it is half empty: one byte at a time would be a wake-up
// and a read(2) per byte while the host is ahead.
constexpr std::size_t kRefillBytes = PtyUart::kRxFifoBytes / 2;

constexpr nanoseconds kRecheck = std::chrono::milliseconds(50);

constexpr std::uint64_t kTxSalt = 0x7478;
constexpr std::uint64_t kRxSalt = 0x7278;
constexpr std::uint64_t kNoiseSalt = 0x6E6F697365;

}  // namespace

PtyUart::PtyUart(std::uint32_t rate, const FaultPlan& faults, std::uint64_t seed, const Clock& clock, OpenWatch& watch)
    : start_rate_(rate),
      clock_(clock),
      watch_(watch),
      tx_timer_(rate),
      rx_timer_(rate),
      tx_faults_(faults.tx, seed ^ kTxSalt),
      rx_faults_(faults.rx, seed ^ kRxSalt),
      garbage_(seed ^ kNoiseSalt) {}

PtyUart::~PtyUart() { unplug(); }

void PtyUart::plug(Pty pty, bool taken_over) {
  unplug();
  pty_ = std::move(pty);
  // Taken over: nothing is thrown away before the first service() has found out whether one is there.
  watch_id_ = watch_.add(pty_->slave_path(), taken_over);
  if (taken_over) recheck_at_ = nanoseconds(0);
}

void PtyUart::unplug() {
  if (!pty_) return;
  watch_.remove(std::exchange(watch_id_, -1));
  pty_.reset();
  bridge_.clear();
  out_.clear();
  line_in_.clear();
}

void PtyUart::reset() {
  tx_.clear();
  held_.clear();
  held_until_ = nanoseconds(0);
  rx_.clear();
  tx_timer_.set_rate(start_rate_);
  rx_timer_.set_rate(start_rate_);
}

void PtyUart::restart_line() {
  reset();
  bridge_.clear();
  out_.clear();
  if (pty_) pty_->flush();
}

bool PtyUart::rates_differ() const {
  if (!modelled() || !pty_) return false;
  const double host = pty_->host_rate();
  const double board = tx_timer_.rate();
  return host < board * (1 - kRateTolerance) || host > board * (1 + kRateTolerance);
}

std::uint8_t PtyUart::noise() {
  ++counters_.garbled;
  return static_cast<std::uint8_t>(garbage_.next_u64());
}

bool PtyUart::collect_from_host() {
  if (!pty_ || line_in_.size() > kRefillBytes) return false;
  std::array<std::uint8_t, kRxFifoBytes> buffer;  // NOLINT: filled by read
  const std::size_t got = pty_->read(std::span(buffer).first(kRxFifoBytes - line_in_.size()));
  if (got == 0) return false;
  watch_.mark_open(watch_id_);
  // The host's rate counts at the moment it writes: it may change it while its bytes are still on the modelled wire.
  const bool garbled = rates_differ();
  for (std::size_t i = 0; i < got; ++i) line_in_.push_back({buffer[i], garbled});
  return true;
}

bool PtyUart::deliver_to_app(nanoseconds now) {
  std::size_t due = rx_timer_.take(now, line_in_.size());
  if (!modelled()) due = std::min(due, kRxFifoBytes - std::min(kRxFifoBytes, rx_.size()));
  bool moved = false;
  for (; due > 0; --due) {
    const Incoming incoming = line_in_.front();
    line_in_.pop_front();
    moved = true;
    const ByteFaultInjector::Outcome outcome = rx_faults_.apply(incoming.garbled ? noise() : incoming.byte);
    for (std::size_t i = 0; i < outcome.count; ++i) {
      if (rx_.size() >= kRxFifoBytes && modelled()) {
        ++counters_.rx_overrun;
      } else {
        rx_.push_back(outcome.bytes[i]);
        ++counters_.rx_bytes;
      }
    }
    if (outcome.delayed) {
      rx_timer_.stall(now + rx_faults_.delay_for());
      break;
    }
  }
  return moved;
}

bool PtyUart::flush_out() {
  if (out_.empty()) return false;
  const bool nobody = !pty_ || !watch_.open(watch_id_);
  if (nobody) {
    counters_.tx_unheard += out_.size();
    out_.clear();
    return true;
  }
  if (!modelled()) {
    const std::size_t put = pty_->write(out_);
    out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(put));
    return put > 0;
  }
  const std::size_t unread = pty_->unread();
  const std::size_t room = Pty::kHostBufferBytes - std::min(unread, Pty::kHostBufferBytes);
  const std::size_t fits = std::min(room, out_.size());
  const std::size_t put = fits == 0 ? 0 : pty_->write(std::span(out_).first(fits));
  counters_.tx_overrun += out_.size() - put;
  out_.clear();
  return true;
}

bool PtyUart::take_held(nanoseconds now) {
  if (held_.empty() || now < held_until_) return false;
  tx_.insert(tx_.end(), held_.begin(), held_.end());
  held_.clear();
  return true;
}

bool PtyUart::pass_bridge(nanoseconds now) {
  if (bridge_.empty()) return false;
  std::size_t count = bridge_.size() / kBridgePacketBytes * kBridgePacketBytes;
  if (now >= bridge_due_) count = bridge_.size();
  if (count == 0) return false;
  const auto end = bridge_.begin() + static_cast<std::ptrdiff_t>(count);
  out_.insert(out_.end(), bridge_.begin(), end);
  bridge_.erase(bridge_.begin(), end);
  bridge_due_ = now + latency_;
  return true;
}

void PtyUart::flush_bridge() {
  out_.insert(out_.end(), bridge_.begin(), bridge_.end());
  bridge_.clear();
  flush_out();
}

bool PtyUart::send_to_host(nanoseconds now) {
  bool moved = take_held(now);
  moved = pass_bridge(now) || moved;
  moved = flush_out() || moved;
  if (!out_.empty()) return moved;
  const std::size_t due = tx_timer_.take(now, tx_.size());
  if (due == 0) return moved;
  const bool garbled = rates_differ();
  if (bridge_.empty()) bridge_due_ = now + latency_;
  for (std::size_t i = 0; i < due; ++i) {
    const std::uint8_t byte = tx_.front();
    tx_.pop_front();
    ++counters_.tx_bytes;
    const ByteFaultInjector::Outcome outcome = tx_faults_.apply(garbled ? noise() : byte);
    bridge_.insert(bridge_.end(), outcome.bytes.begin(),
                   outcome.bytes.begin() + static_cast<std::ptrdiff_t>(outcome.count));
    if (outcome.delayed) {
      tx_timer_.stall(now + tx_faults_.delay_for());
      break;
    }
  }
  pass_bridge(now);
  flush_out();
  return true;
}

void PtyUart::probe_hosts() {
  watch_.remove(watch_id_);
  const bool open = pty_->probe_hosts();
  watch_id_ = watch_.add(pty_->slave_path(), open);
  if (!open) pty_->reset_slave();
}

void PtyUart::watch_hosts(nanoseconds now) {
  const bool left = pty_ && watch_.take_close(watch_id_);
  if (left || (pty_ && now >= recheck_at_)) {
    probe_hosts();
    // One that came while this looked away has not been seen.
    recheck_at_ = left && !host_open() ? now + kRecheck : nanoseconds::max();
  }
  const bool open = host_open();
  if (open && (left || !host_was_open_)) ++host_visits_;
  host_was_open_ = open;
}

bool PtyUart::service(nanoseconds now) {
  watch_hosts(now);
  bool moved = collect_from_host();
  moved = deliver_to_app(now) || moved;
  return send_to_host(now) || moved;
}

nanoseconds PtyUart::next_due(nanoseconds now) const {
  nanoseconds next = pty_ ? recheck_at_ : nanoseconds::max();
  const auto consider = [now, &next](const LineTimer& timer, std::size_t queued) {
    if (queued == 0) return;
    // All of it if that is soon, else in ticks; never before the first byte is through. In arrears: when there is
    // credit again.
    const nanoseconds first = timer.due(1);
    next = std::min(next, first <= now ? now + kTick : std::max(first, std::min(timer.due(queued), now + kTick)));
  };
  // Without a model a queue that is full waits for its reader, not for time.
  if (modelled() || rx_.size() < kRxFifoBytes) consider(rx_timer_, line_in_.size());
  if (out_.empty()) consider(tx_timer_, tx_.size());
  if (!held_.empty()) next = std::min(next, held_until_);
  if (!bridge_.empty()) next = std::min(next, bridge_due_);
  return next;
}

short PtyUart::poll_events() const {
  short events = 0;
  if (line_in_.size() <= kRefillBytes) events |= POLLIN;
  if (!out_.empty()) events |= POLLOUT;
  return events;
}

std::size_t PtyUart::read(std::span<std::uint8_t> into) {
  const std::size_t count = std::min(into.size(), rx_.size());
  const auto end = rx_.begin() + static_cast<std::ptrdiff_t>(count);
  std::copy(rx_.begin(), end, into.begin());
  rx_.erase(rx_.begin(), end);
  return count;
}

std::size_t PtyUart::write(std::span<const std::uint8_t> bytes) {
  const std::size_t count = std::min(bytes.size(), tx_space());
  std::deque<std::uint8_t>& queue = held_.empty() && clock_.steady() >= held_until_ ? tx_ : held_;
  queue.insert(queue.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
  // Without a model one write of the application is one write to the pty: hosts that care about packets get them.
  if (!modelled()) send_to_host(clock_.steady());
  return count;
}

PtyUart::Account PtyUart::account() const {
  return {counters_, tx_faults_.counts(), rx_faults_.counts(), tx_faults_.bytes(), rx_faults_.bytes(), host_visits_};
}

void PtyUart::restore(const Account& account) {
  counters_ = account.counters;
  tx_faults_.resume(account.tx_fault_bytes, account.tx_faults);
  rx_faults_.resume(account.rx_fault_bytes, account.rx_faults);
  host_visits_ = account.host_visits;
}

void PtyUart::set_baud(std::uint32_t bits_per_second) {
  if (!modelled()) return;
  tx_timer_.set_rate(bits_per_second);
  rx_timer_.set_rate(bits_per_second);
}

}  // namespace tml::fw::native
