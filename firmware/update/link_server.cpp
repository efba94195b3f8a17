// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/update/link_server.hpp"

#include <algorithm>

#include "firmware/update/inflate.hpp"

namespace tml::fw::update {

using wire::flash::Frame;
using wire::flash::Hello;
using wire::flash::Kind;

LinkServer::LinkServer(Installer& installer, const Parts& parts, const Memory& memory, hal::Uart& uart,
                       const LinkOptions& options)
    : installer_(installer),
      parts_(parts),
      uart_(uart),
      options_(options),
      receiver_(installer, memory.window, options.rx_bytes) {
  if (memory.inflate.size() >= kInflateSmallBytes) caps_ |= wire::flash::kCapDeflate;
  if (memory.inflate.size() >= kInflateBytes) caps_ |= wire::flash::kCapDelta;
  if (parts.trust.allow_read) caps_ |= wire::flash::kCapRead;
  if (parts.trust.release) caps_ |= wire::flash::kCapRelease;
}

LinkServer::Heard LinkServer::receive(std::uint8_t byte) {
  switch (decoder_.push(static_cast<std::byte>(byte))) {
    case wire::CobsDecoder::Event::none:
      return Heard::nothing;
    case wire::CobsDecoder::Event::error:
      bad_frame();
      return Heard::noise;
    case wire::CobsDecoder::Event::frame:
      return take_frame(decoder_.frame());
  }
  return Heard::nothing;
}

void LinkServer::bad_frame() {
  ++bad_frames_;
  receiver_.noise();
}

LinkServer::Heard LinkServer::take_frame(Payload decoded) {
  const auto parsed = wire::flash::parse_frame(decoded, session_, true);
  if (!parsed) {
    bad_frame();
    return parsed.error() == wire::Errc::bad_checksum ? Heard::noise : Heard::frame;
  }
  const Frame& frame = parsed->frame;
  // The board's own words come back: an echo, or two boards on one line.
  if (frame.kind == Kind::reply || frame.kind == Kind::ack || frame.kind == Kind::event) return Heard::frame;
  heard_any_ = true;
  heard_us_ = parts_.clock.wire_us();
  if (rate_ == Rate::probing) rate_ = uart_.line_rate() == home_rate_ ? Rate::home : Rate::changed;
  if (frame.kind == Kind::request) {
    take_request(frame);
  } else {
    take_data(frame);
  }
  return Heard::frame;
}

void LinkServer::take_request(const Frame& frame) {
  const Request request{frame.id, static_cast<Op>(frame.op)};
  const bool again = reply_bytes_ > 0 && request == replied_;
  if (request.op == Op::hello) {
    // The host is looking for who comes behind the restart: an answer of ours would make it wait for one that has gone.
    if (reboot_wanted_) return;
    // Of a HELLO that comes twice because its reply was slow the host must not get two sessions.
    if (again && fresh_ && session_ != 0) {
      if (!reply_leaves()) reply_waits_ = true;
    } else if (!reply_leaves()) {
      request_ = request;
      greet(frame);
    }
    return;
  }
  fresh_ = false;
  if (operation_ != Operation::none && request == owed_) {
    sign_of_life_us_ = 0;  // the host grows impatient: `working` goes out now
    return;
  }
  if (again) {
    if (!reply_leaves()) reply_waits_ = true;
    return;
  }
  // There is room for one reply; the host asks again.
  if (reply_leaves() || reboot_wanted_ || rate_ == Rate::wanted) return;
  request_ = request;
  run(frame.payload);
}

void LinkServer::greet(const Frame& frame) {
  Hello hello;
  Payload in = frame.payload;
  if (!wire::flash::decode(in, hello)) return reply(Status::bad_frame);
  if (hello.version != wire::flash::kProtocolVersion) return reply(Status::unsupported);
  drop_transfer();
  if (rate_ == Rate::home) home_rate_ = uart_.line_rate();
  if (rate_ == Rate::returning) rate_ = Rate::changed;
  installer_.new_session();
  bad_frames_ = 0;
  fresh_ = true;
  selected_ = false;
  const std::uint16_t former = session_;
  while (session_ == former || session_ == 0) {
    std::array<std::uint8_t, 2> random{};
    parts_.random.fill(random);
    session_ = static_cast<std::uint16_t>(random[0] | random[1] << 8U);
    // A generator that gives the same again and again must not keep us here.
    if (session_ == former || session_ == 0)
      session_ = static_cast<std::uint16_t>(former == UINT16_MAX ? 1 : former + 1U);
  }
  answer_identity();
}

// SMP or an erase has put an end to the transfer that the window is for: nothing may be written to it any more.
void LinkServer::check_owner() {
  if (!receiver_.active() || owns_transfer()) return;
  receiver_.stop();
  storing_ = false;
  transfer_status_ = Status::not_ready;
  failure_waits_ = true;
}

void LinkServer::take_data(const Frame& frame) {
  fresh_ = false;
  check_owner();
  const bool allowed = frame.kind == Kind::data_raw ||
                       (frame.kind == Kind::data_deflate && (caps_ & wire::flash::kCapDeflate) != 0) ||
                       (frame.kind == Kind::data_delta && (caps_ & wire::flash::kCapDelta) != 0);
  if (transfer_status_ != Status::ok) {
    failure_waits_ = true;
  } else if (!allowed || !receiver_.take(frame, heard_us_)) {
    ++bad_frames_;
  }
}

// The link forgets; what is stored stays and BEGIN finds it.
void LinkServer::drop_transfer() {
  receiver_.stop();
  const std::uint8_t slot = operation_ == Operation::erase ? subject_ : transfer_slot_;
  const bool was_open = installer_.writes_to(slot);
  // Not what the installer does for SMP.
  const bool own_work = operation_ != Operation::none && !commit_waits_;
  if (own_work || owns_transfer()) installer_.abort();
  if (was_open) slot_changes(slot);
  operation_ = Operation::none;
  owed_ = {};
  commit_waits_ = false;
  storing_ = false;
  transfer_slot_ = wire::flash::kNoSlot;
  transfer_status_ = Status::ok;
  failure_waits_ = false;
}

void LinkServer::reply(Status status, Payload payload) {
  const std::uint16_t session = request_.op == Op::hello ? std::uint16_t{0} : session_;
  Frame frame;
  frame.kind = Kind::reply;
  frame.id = request_.id;
  frame.op = static_cast<std::uint8_t>(request_.op);
  frame.status = static_cast<std::uint8_t>(status);
  frame.payload = payload;
  // A shared 0x00 would spare one byte; a reader of text needs one on either side.
  reply_bytes_ = wire::flash::encode_frame(frame, session, true, reply_).value_or(0);
  reply_waits_ = reply_bytes_ > 0;
  replied_ = request_;
  sign_of_life_us_ = parts_.clock.wire_us();
}

// At most one acknowledgement is under way: it is made when the line is free, and then tells the newest.
bool LinkServer::make_note() {
  const std::uint64_t now_us = parts_.clock.wire_us();
  std::array<std::byte, 80> room{};
  Frame frame;
  if (operation_ != Operation::none && now_us - sign_of_life_us_ >= kWorkingUs) {
    room[0] = static_cast<std::byte>(owed_.op);
    room[1] = static_cast<std::byte>(percent_);
    frame.kind = Kind::event;
    frame.op = static_cast<std::uint8_t>(Op::working);
    frame.payload = Payload(room).first(2);
  } else if (failure_waits_ || receiver_.ack_due_us() <= now_us) {
    wire::flash::Ack ack = receiver_.ack(uart_.line_rate());
    if (failure_waits_) ack.flags |= wire::flash::kAckFailed;
    failure_waits_ = false;
    const auto payload = wire::flash::encode(ack, room);
    if (!payload) return false;
    frame.kind = Kind::ack;
    frame.payload = *payload;
  } else {
    return false;
  }
  sign_of_life_us_ = now_us;
  note_bytes_ = wire::flash::encode_frame(frame, session_, true, note_).value_or(0);
  if (note_bytes_ > 0 && frame.kind == Kind::ack && receiver_.paced()) {
    // A USB adapter hands a full packet on at once and keeps a shorter one for up to 16 ms: 62 bytes (FTDI) fill one.
    constexpr std::size_t kPacketBytes = 62;
    std::fill_n(note_.begin() + static_cast<std::ptrdiff_t>(note_bytes_), kPacketBytes, std::byte{0});
    note_bytes_ += kPacketBytes;
  }
  return note_bytes_ > 0;
}

std::span<const std::uint8_t> LinkServer::output() {
  if (sending_ == Sending::nothing) {
    if (reply_waits_) {
      reply_waits_ = false;
      sending_ = Sending::reply;
    } else if (!holds_line() && session_ != 0 && make_note()) {
      sending_ = Sending::note;
    } else {
      return {};
    }
    sent_ = 0;
  }
  const std::span<const std::byte> frame = sending_ == Sending::reply
                                               ? std::span<const std::byte>(reply_).first(reply_bytes_)
                                               : std::span<const std::byte>(note_).first(note_bytes_);
  const auto rest = frame.subspan(sent_);
  return {reinterpret_cast<const std::uint8_t*>(rest.data()), rest.size()};
}

void LinkServer::sent(std::size_t bytes) {
  const std::size_t size = sending_ == Sending::reply ? reply_bytes_ : note_bytes_;
  sent_ = std::min(sent_ + bytes, size);
  if (sending_ != Sending::nothing && sent_ == size) sending_ = Sending::nothing;
  if (sending_ == Sending::nothing) sent_ = 0;
}

std::uint64_t LinkServer::silence_us() const { return heard_any_ ? parts_.clock.wire_us() - heard_us_ : kNever; }

}  // namespace tml::fw::update
