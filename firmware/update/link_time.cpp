// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What the link does without being asked: stores chunks, erases ahead, carries on with operations, changes the line's
// rate, ends a session that has gone quiet.
#include <algorithm>

#include "firmware/update/link_server.hpp"

namespace tml::fw::update {

namespace {

constexpr std::uint64_t kTimeoutUs = std::uint64_t{wire::flash::kSessionTimeoutMs} * 1000;
constexpr std::uint64_t kProbeUs = std::uint64_t{wire::flash::kBaudProbeMs} * 1000;
constexpr std::uint64_t kDrainUs = 500;  // no event tells that the last bit has left

}  // namespace

std::uint64_t LinkServer::poll() {
  if (finished_) return kNever;
  follow_rate(parts_.clock.wire_us());
  if (reboot_wanted_) {
    if (reply_leaves() || sending_ != Sending::nothing || !uart_.drained()) return kDrainUs;
    finished_ = true;
    parts_.port.reset(selected_ ? wire::flash::BootReason::update : wire::flash::BootReason::request);
    return kNever;
  }
  // What a sender waits for goes out before the flash makes the processor stand still.
  const bool ack_due = session_ != 0 && receiver_.ack_due_us() <= parts_.clock.wire_us();
  gave_way_ = !gave_way_ && ack_due && sending_ == Sending::nothing && !holds_line();
  if (gave_way_) return 0;
  const bool more = work();
  const std::uint64_t now_us = parts_.clock.wire_us();
  if (session_ != 0 && operation_ == Operation::none && now_us - heard_us_ >= kTimeoutUs) end_session();
  if (more) return 0;
  const std::uint64_t due_us = next_due_us();
  if (due_us == kNever) return kNever;
  return due_us > now_us ? due_us - now_us : 0;
}

// One step of the one thing that is most urgent. True: there is more to do at once.
bool LinkServer::work() {
  // The reply of what is done needs the room of the one that is still leaving.
  if (operation_ != Operation::none && reply_leaves()) return false;
  check_owner();
  if (installer_.working()) {
    const Progress progress = installer_.step();
    percent_ = progress.percent;
    if (!progress.done) return true;
    if (storing_) {
      store_finished(progress);
    } else if (operation_ != Operation::none) {
      operation_finished(progress.status);
    }
    return true;
  }
  if (operation_ != Operation::none && !commit_waits_) {
    operation_finished(Status::internal);
    return true;
  }
  if (const auto ready = receiver_.next_ready()) {
    storing_ = true;
    storing_chunk_ = ready->chunk;
    const Progress progress = installer_.store(ready->chunk, ready->encoding, ready->sent);
    if (progress.done) store_finished(progress);
    return true;
  }
  if (commit_waits_) {
    commit_waits_ = false;
    const Progress progress =
        transfer_status_ == Status::ok ? installer_.commit(subject_) : Progress{true, transfer_status_, 0};
    if (progress.done) operation_finished(progress.status);
    return true;
  }
  return receiver_.active() && installer_.erase_ahead();
}

void LinkServer::store_finished(const Progress& progress) {
  storing_ = false;
  if (progress.status == Status::ok) {
    receiver_.stored(storing_chunk_);
  } else if (progress.status == Status::verify_failed) {
    receiver_.rejected(storing_chunk_);
  } else {
    receiver_.stop();
    transfer_status_ = progress.status;
    failure_waits_ = true;
    slot_changes(transfer_slot_);
  }
}

void LinkServer::end_session() {
  drop_transfer();
  session_ = 0;
  reply_bytes_ = reply_leaves() ? reply_bytes_ : 0;
  replied_ = {};
  if (rate_ != Rate::home) rate_ = Rate::returning;
}

void LinkServer::set_rate(std::uint32_t rate) {
  uart_.set_baud(rate);
  decoder_.reset();
  rate_ = rate == home_rate_ ? Rate::home : Rate::changed;
}

void LinkServer::follow_rate(std::uint64_t now_us) {
  const bool quiet = !reply_leaves() && sending_ == Sending::nothing && uart_.drained();
  switch (rate_) {
    case Rate::wanted:
      if (!quiet) return;
      set_rate(wanted_rate_);
      rate_ = Rate::probing;
      probe_until_us_ = now_us + kProbeUs;
      return;
    case Rate::probing:
      if (now_us >= probe_until_us_) rate_ = Rate::falling_back;
      return;
    case Rate::falling_back:
      if (quiet) set_rate(former_rate_);
      return;
    case Rate::returning:
      if (quiet) set_rate(home_rate_);
      return;
    case Rate::home:
    case Rate::changed:
      return;
  }
}

std::uint64_t LinkServer::next_due_us() const {
  std::uint64_t due_us = kNever;
  const auto at = [&due_us](std::uint64_t time_us) { due_us = std::min(due_us, time_us); };
  if (session_ != 0) {
    at(receiver_.ack_due_us());
    if (operation_ != Operation::none) {
      at(sign_of_life_us_ + kWorkingUs);
    } else {
      at(heard_us_ + kTimeoutUs);
    }
  }
  if (rate_ == Rate::probing) at(probe_until_us_);
  if (holds_line()) at(parts_.clock.wire_us() + kDrainUs);
  return due_us;
}

}  // namespace tml::fw::update
