// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Requests that change something, as calls of the Installer.

#include "common/wire/fields.hpp"
#include "firmware/update/link_server.hpp"

namespace tml::fw::update {

using wire::FieldReader;
using wire::FieldWriter;
using wire::flash::Begun;
using wire::flash::kManifestBytes;

bool LinkServer::slot_exists(std::uint8_t slot) const {
  return slot < parts_.slots.size() && parts_.slots[slot].size_bytes > 0;
}

void LinkServer::slot_changes(std::uint8_t slot) {
  if (watcher_ != nullptr && slot_exists(slot)) watcher_->slot_changes(slot);
}

void LinkServer::run(Payload in) {
  if (request_.op == Op::abort) {
    drop_transfer();
    return reply(Status::ok);
  }
  // STATUS and PING may be asked at any time; all else waits for its turn.
  const bool any_time = request_.op == Op::ping || request_.op == Op::status;
  if (operation_ != Operation::none && !any_time) return reply(Status::busy);
  if (answer(in)) return;
  finish_store();
  // After an ABORT in the middle of something long.
  if (installer_.working()) return reply(Status::busy);
  operate(in);
}

// The installer does one thing at a time. A chunk is a matter of milliseconds: one erase at most, and a page program
// for each 256 bytes.
void LinkServer::finish_store() {
  constexpr unsigned kMostSteps = 256;
  for (unsigned n = 0; storing_ && n < kMostSteps; ++n) {
    const Progress progress = installer_.step();
    if (progress.done) store_finished(progress);
  }
}

void LinkServer::operate(Payload in) {
  std::uint8_t subject = 0;
  switch (request_.op) {
    case Op::begin:
      return run_begin(in);
    case Op::list:
      return run_list(in);
    case Op::copy:
      return run_copy(in);
    case Op::baud:
      return run_baud(in);
    case Op::reboot:
      return run_reboot(in);
    case Op::select: {
      wire::flash::Select select;
      if (!wire::flash::decode(in, select)) return reply(Status::bad_frame);
      return start(Operation::select, select.slot, installer_.select(select));
    }
    case Op::keys:
      if (in.size() < kManifestBytes) return reply(Status::bad_frame);
      return start(Operation::keys, 0, installer_.set_keys(in.first(kManifestBytes), in.subspan(kManifestBytes)));
    case Op::tag: {
      std::array<char, wire::flash::kTagBytes> tag{};
      if (!FieldReader(in).get(tag).ok()) return reply(Status::bad_frame);
      return start(Operation::tag, 0, installer_.set_tag(tag));
    }
    default:
      break;
  }
  const bool of_subject = request_.op == Op::commit || request_.op == Op::erase || request_.op == Op::verify ||
                          request_.op == Op::confirm || request_.op == Op::revert;
  if (!of_subject) return reply(Status::unsupported);
  if (!FieldReader(in).get(subject).ok()) return reply(Status::bad_frame);
  switch (request_.op) {
    case Op::commit:
      if (transfer_status_ != Status::ok) return reply(transfer_status_);
      // Chunks that are here in full but not stored yet go first: the host knows that they have arrived.
      operation_ = Operation::commit;
      commit_waits_ = true;
      subject_ = subject;
      owed_ = request_;
      percent_ = 0;
      sign_of_life_us_ = parts_.clock.wire_us();
      return;
    case Op::erase: {
      const Progress erase = installer_.erase(subject);
      if (!erase.done) slot_changes(subject);
      return start(Operation::erase, subject, erase);
    }
    case Op::verify:
      return start(Operation::verify, subject, installer_.verify(subject, info_));
    case Op::confirm:
      return start(Operation::confirm, subject, installer_.confirm(subject));
    case Op::revert:
      return start(Operation::revert, subject, installer_.revert(subject, reverted_to_));
    default:
      return reply(Status::unsupported);
  }
}

void LinkServer::start(Operation operation, std::uint8_t subject, const Progress& progress) {
  operation_ = operation;
  subject_ = subject;
  owed_ = request_;
  percent_ = progress.percent;
  sign_of_life_us_ = parts_.clock.wire_us();
  if (progress.done) operation_finished(progress.status);
}

void LinkServer::operation_finished(Status status) {
  const Operation operation = operation_;
  if (operation == Operation::copy && status == Status::ok) {
    copied_ = static_cast<std::uint16_t>(copied_ + copied_now_);
    if (copies_next_ < copies_count_) return next_copy();
  }
  operation_ = Operation::none;
  request_ = owed_;
  owed_ = {};
  // The host was waiting for this: its silence begins now.
  heard_us_ = parts_.clock.wire_us();
  std::array<std::byte, 2> room{};
  switch (operation) {
    case Operation::begin:
      if (status == Status::ok) return begun();
      break;
    case Operation::copy:
      if (status == Status::ok) return reply(status, *FieldWriter(room).put(copied_).finish());
      break;
    case Operation::commit:
      slot_changes(subject_);
      if (!installer_.receiving()) receiver_.stop();
      break;
    case Operation::erase:
      slot_changes(subject_);
      break;
    case Operation::verify:
      if (status == Status::ok) return reply_with(info_);
      break;
    case Operation::select:
      if (status != Status::ok) break;
      selected_ = true;
      if (watcher_ != nullptr) watcher_->lane_changes(wire::flash::lane_of(subject_));
      break;
    case Operation::confirm:
    case Operation::revert:
      if (status != Status::ok) break;
      if (watcher_ != nullptr) watcher_->lane_changes(subject_);
      if (operation == Operation::revert) return reply(status, *FieldWriter(room).put(reverted_to_).finish());
      break;
    default:
      break;
  }
  reply(status);
}

void LinkServer::run_begin(Payload in) {
  wire::flash::Begin begin;
  if (!wire::flash::decode(in, begin) || in.size() < kManifestBytes) return reply(Status::bad_frame);
  // A refusal leaves what is under way as it is.
  Progress progress = installer_.begin(begin, in.first(kManifestBytes));
  if (progress.done && progress.status != Status::ok) return reply(progress.status);
  receiver_.stop();
  transfer_status_ = Status::ok;
  failure_waits_ = false;
  transfer_slot_ = begin.slot;
  transfer_number_ = installer_.transfer_number();
  const bool dry_run = (begin.flags & wire::flash::kBeginDryRun) != 0;
  const Begun::State state = installer_.begun().state;
  if (!dry_run && (!progress.done || state != Begun::State::active)) slot_changes(begin.slot);
  // Without the trailer of an earlier attempt the list is wanted now; what does not fit into this frame comes by LIST.
  if (progress.done && !dry_run && state == Begun::State::receiving_list) {
    const Payload entries = in.subspan(kManifestBytes);
    progress = installer_.list(0, entries.first(entries.size() / wire::flash::kHashBytes * wire::flash::kHashBytes));
  }
  start(Operation::begin, begin.slot, progress);
}

void LinkServer::run_list(Payload in) {
  std::uint16_t first = 0;
  FieldReader reader(in);
  if (!reader.get(first).ok() || reader.rest().size() % wire::flash::kHashBytes != 0) return reply(Status::bad_frame);
  if (installer_.begun().state != Begun::State::receiving_list || transfer_slot_ == wire::flash::kNoSlot ||
      !owns_transfer())
    return reply(Status::not_ready);
  start(Operation::begin, transfer_slot_, installer_.list(first, reader.rest()));
}

void LinkServer::begun() {
  if (installer_.receiving() && installer_.begun().state != Begun::State::receiving_list && !receiver_.active())
    receiver_.start();
  reply_with(installer_.begun());
}

void LinkServer::run_copy(Payload in) {
  if (transfer_status_ != Status::ok) return reply(transfer_status_);
  if (!receiver_.active()) return reply(Status::not_ready);
  copies_count_ = 0;
  copies_next_ = 0;
  copied_ = 0;
  while (!in.empty()) {
    if (copies_count_ == kMaxCopies) return reply(Status::bad_argument);
    if (!wire::flash::decode(in, copies_[copies_count_])) return reply(Status::bad_frame);
    ++copies_count_;
  }
  operation_ = Operation::copy;
  owed_ = request_;
  sign_of_life_us_ = parts_.clock.wire_us();
  if (copies_count_ == 0) return operation_finished(Status::ok);
  next_copy();
}

// Records that are done at once follow one another here; none of them is long then.
void LinkServer::next_copy() {
  while (copies_next_ < copies_count_) {
    copied_now_ = 0;
    const Progress progress = installer_.copy(copies_[copies_next_++], copied_now_);
    percent_ = static_cast<std::uint8_t>(copies_next_ * 100 / (copies_count_ + 1));
    if (!progress.done) return;
    if (progress.status != Status::ok || copies_next_ == copies_count_) return operation_finished(progress.status);
    copied_ = static_cast<std::uint16_t>(copied_ + copied_now_);
  }
}

void LinkServer::run_baud(Payload in) {
  std::uint32_t rate = 0;
  if (!FieldReader(in).get(rate).ok()) return reply(Status::bad_frame);
  if (!line_has_rates()) return reply(Status::unsupported);
  if (!baud_allowed_) return reply(Status::busy);
  bool known = rate == home_rate_;
  for (const std::uint32_t listed : options_.bauds) known = known || rate == listed;
  if (!known) return reply(Status::bad_argument);
  reply(Status::ok);
  if (rate == uart_.line_rate()) return;
  former_rate_ = uart_.line_rate();
  wanted_rate_ = rate;
  rate_ = Rate::wanted;
}

void LinkServer::run_reboot(Payload in) {
  wire::flash::Reboot where{};
  if (!FieldReader(in).get(where).ok()) return reply(Status::bad_frame);
  if (where != wire::flash::Reboot::application && where != wire::flash::Reboot::bootloader)
    return reply(Status::bad_argument);
  drop_transfer();
  if (where == wire::flash::Reboot::bootloader) parts_.port.ask_to_stay();
  reply(Status::ok);
  reboot_wanted_ = true;
}

}  // namespace tml::fw::update
