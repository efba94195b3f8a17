// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boot/smp_server.hpp"

#include <algorithm>
#include <utility>

#include "common/wire/manifest.hpp"

namespace tml::fw::boot {
namespace {

namespace smp = wire::smp;
using wire::CborWriter;
using wire::flash::Status;

constexpr std::uint64_t kPauseUs = 100'000;  // a frame that stopped this long ago is not going to end
constexpr std::uint8_t kFirstKind = static_cast<std::uint8_t>(wire::flash::Kind::request);
constexpr std::uint8_t kLastKind = static_cast<std::uint8_t>(wire::flash::Kind::event);
constexpr std::uint8_t kBuffers = 3;  // two requests and a reply, as clients count them

}  // namespace

SmpServer::SmpServer(update::Installer& installer, const update::Parts& parts, std::span<std::uint8_t> window)
    : installer_(installer), parts_(parts), window_(window), assembler_(packets_[0].bytes) {}

bool SmpServer::receive(std::uint8_t byte) {
  const std::uint64_t now = parts_.clock.wire_us();
  if (now - last_byte_us_ > kPauseUs && !inside_) {
    frame_bytes_ = kNoFrame;
    assembler_.at_line_start();
  }
  last_byte_us_ = now;
  if (!inside_) {
    if (byte == 0) {
      frame_bytes_ = 0;
      assembler_.at_line_start();
      return false;
    }
    if (frame_bytes_ == 2) return false;
    if (frame_bytes_ != kNoFrame && ++frame_bytes_ == 2) {
      // The second byte of a frame is its kind: COBS leaves it in place, since no kind is 0.
      if (byte >= kFirstKind && byte <= kLastKind) return false;
      frame_bytes_ = kNoFrame;
    }
  }
  switch (assembler_.push(byte)) {
    case smp::Assembler::Event::outside:
      inside_ = false;
      if (byte == 0) frame_bytes_ = 0;
      return false;
    case smp::Assembler::Event::packet:
      packet_arrived();
      inside_ = false;
      return true;
    case smp::Assembler::Event::rejected:
      inside_ = false;
      return true;
    case smp::Assembler::Event::inside:
      break;
  }
  inside_ = byte != '\n' && byte != '\r';
  return true;
}

void SmpServer::packet_arrived() {
  packets_[filling_].size = assembler_.packet().size();
  filling_ ^= 1U;
  // With both in use there is no memory: what comes meanwhile is dropped, and its client sends it again.
  assembler_.use(packets_[filling_].size == 0 ? std::span<std::byte>(packets_[filling_].bytes)
                                              : std::span<std::byte>());
}

void SmpServer::end_request() {
  data_ = {};
  packets_[serving_].size = 0;
  if (serving_ == filling_) assembler_.use(packets_[filling_].bytes);
  serving_ ^= 1U;
}

bool SmpServer::poll() {
  if (doing_ == Doing::nothing) {
    if (!output().empty() || packets_[serving_].size == 0) return false;
    serve();
  } else if (doing_ == Doing::upload ? !owns_transfer() : !installer_.working()) {
    fail_upload(smp::Rc::bad_state, "the link has taken over");
  } else if (installer_.working()) {
    act(installer_.step());
  }
  if (doing_ == Doing::upload && !installer_.working()) go_on();
  if (doing_ == Doing::nothing) end_request();
  return doing_ != Doing::nothing;
}

void SmpServer::serve() {
  const std::span<const std::byte> packet = std::span(packets_[serving_].bytes).first(packets_[serving_].size);
  const wire::Result<smp::Header> header = smp::parse_header(packet);
  if (!header || (header->op != smp::Op::read && header->op != smp::Op::write)) return;
  used_ = true;
  request_ = *header;
  smp::Request request;
  if (!smp::parse_request(packet.subspan(smp::kHeaderBytes), request)) {
    reply_rc(smp::Rc::invalid, "the body is no map of the expected types");
  } else if (request_.group == static_cast<std::uint16_t>(smp::Group::os)) {
    serve_os(request);
  } else if (request_.group == static_cast<std::uint16_t>(smp::Group::image)) {
    serve_image(request);
  } else {
    reply_rc(smp::Rc::not_supported);
  }
}

void SmpServer::serve_os(const smp::Request& request) {
  CborWriter writer(body());
  writer.map_indefinite();
  switch (request_.id) {
    case smp::kOsEcho:
      writer.text("r");
      writer.text(request.d);
      break;
    case smp::kOsEchoControl:
      break;
    case smp::kOsReset:
      if (request_.op != smp::Op::write) return reply_rc(smp::Rc::not_supported);
      reset_asked_ = true;
      break;
    case smp::kOsParameters:
      writer.text("buf_size");
      writer.unsigned_int(kPacketBytes);
      writer.text("buf_count");
      writer.unsigned_int(kBuffers);
      break;
    default:
      return reply_rc(smp::Rc::not_supported);
  }
  reply(writer);
}

void SmpServer::serve_image(const smp::Request& request) {
  if (installer_.working()) return reply_rc(smp::Rc::busy, "the link is at work");
  const bool write = request_.op == smp::Op::write;
  if (request_.id == smp::kImageState) return write ? decide(request) : reply_images();
  if (request_.id == smp::kImageUpload && write) return upload(request);
  reply_rc(smp::Rc::not_supported);
}

// ---- test and confirm ----

void SmpServer::decide(const smp::Request& request) {
  const bool confirm = request.confirm;
  const wire::flash::DeviceStatus status = installer_.status();
  std::uint8_t slot = status.trial[0];
  if (request.hash) {
    slot = slot_with(*request.hash);
    if (slot == wire::flash::kNoSlot) return reply_rc(smp::Rc::no_entry, "no complete slot has this hash");
  } else if (!confirm) {
    return reply_rc(smp::Rc::invalid, "test wants a hash");
  }
  const std::uint8_t lane = slot == wire::flash::kNoSlot ? 0 : wire::flash::lane_of(slot);
  if (lane == wire::flash::kNoSlot) return reply_rc(smp::Rc::not_supported, "data are not started");
  const bool trial = slot != wire::flash::kNoSlot && status.trial[lane] == slot;
  const bool active = slot == wire::flash::kNoSlot || status.active[lane] == slot;
  if (active || (trial && !confirm)) return reply_images();
  doing_ = Doing::decision;
  act(trial ? installer_.confirm(lane)
            : installer_.select({.slot = slot, .permanent = static_cast<std::uint8_t>(confirm ? 1 : 0)}));
}

std::uint8_t SmpServer::slot_with(std::span<const std::byte> hash) {
  for (std::uint8_t slot = 0; slot < wire::flash::kSlots; ++slot) {
    wire::flash::SlotInfo info;
    installer_.describe(slot, info);
    if (info.state == wire::flash::SlotInfo::State::complete &&
        std::ranges::equal(hash, std::as_bytes(std::span(info.payload_hash))))
      return slot;
  }
  return wire::flash::kNoSlot;
}

// ---- replies ----

void SmpServer::reply(CborWriter& writer) {
  // SMP version 1 clients look for it; later ones take its absence for success.
  if (request_.version == 0) {
    writer.text("rc");
    writer.unsigned_int(0);
  }
  writer.end();
  if (writer.overflowed()) return reply_rc(smp::Rc::too_large);
  smp::Header header = request_;
  header.op = static_cast<smp::Op>(static_cast<std::uint8_t>(request_.op) + 1);
  header.body_bytes = static_cast<std::uint16_t>(writer.size());
  smp::put_header(header, std::span(plain_).first<smp::kHeaderBytes>());
  out_size_ = smp::encode_lines(std::span(plain_).first(smp::kHeaderBytes + writer.size()), out_).value_or(0);
  out_sent_ = 0;
}

void SmpServer::reply_rc(smp::Rc rc, std::string_view why) {
  CborWriter writer(body());
  writer.map_indefinite();
  if (!why.empty()) {
    writer.text("rsn");
    writer.text(why);
  }
  if (rc != smp::Rc::ok) {
    writer.text("rc");
    writer.unsigned_int(static_cast<std::uint64_t>(rc));
  }
  const std::uint8_t version = request_.version;
  request_.version = 1;  // rc is there already
  reply(writer);
  request_.version = version;
}

smp::Rc SmpServer::rc_of(Status status) {
  switch (status) {
    case Status::ok:
      return smp::Rc::ok;
    case Status::busy:
      return smp::Rc::busy;
    case Status::bad_signature:
    case Status::unknown_key:
    case Status::revoked_key:
    case Status::policy:
    case Status::locked:
    case Status::development_key:
      return smp::Rc::access_denied;
    case Status::rollback:
      return smp::Rc::too_old;
    case Status::no_space:
      return smp::Rc::too_large;
    case Status::slot_active:
    case Status::not_ready:
    case Status::not_complete:
    case Status::nothing_on_trial:
      return smp::Rc::bad_state;
    case Status::verify_failed:
      return smp::Rc::corrupt;
    case Status::unsupported:
      return smp::Rc::not_supported;
    case Status::erase_failed:
    case Status::program_failed:
    case Status::internal:
      return smp::Rc::unknown;
    default:
      return smp::Rc::invalid;
  }
}

void SmpServer::reply_status(Status status) { reply_rc(rc_of(status), wire::flash::name(status)); }

void SmpServer::reply_off() {
  CborWriter writer(body());
  writer.map_indefinite();
  writer.text("off");
  writer.unsigned_int(upload_.off);
  if (upload_.stage == Stage::done) {
    writer.text("match");
    writer.boolean(true);
  }
  reply(writer);
}

void SmpServer::reply_images() {
  const wire::flash::DeviceStatus status = installer_.status();
  CborWriter writer(body());
  writer.map_indefinite();
  writer.text("images");
  writer.array_indefinite();
  for (std::uint8_t slot = 0; slot < wire::flash::kSlots; ++slot) {
    wire::flash::SlotInfo info;
    installer_.describe(slot, info);
    if (info.state != wire::flash::SlotInfo::State::complete) continue;
    const std::uint8_t lane = wire::flash::lane_of(slot);
    const bool has_lane = lane != wire::flash::kNoSlot;
    writer.map_indefinite();
    writer.text("image");
    writer.unsigned_int(has_lane ? lane : kDataLane);
    writer.text("slot");
    writer.unsigned_int(has_lane ? slot % 2U : 0U);
    writer.text("version");
    std::array<char, wire::flash::kVersionText> version;
    writer.text(wire::flash::version_text(info.version, version));
    writer.text("hash");
    writer.bytes(std::as_bytes(std::span(info.payload_hash)));
    const bool active = has_lane && status.active[lane] == slot;
    const bool trial = has_lane && status.trial[lane] == slot;
    for (const auto& [key, value] : {std::pair<std::string_view, bool>{"bootable", has_lane},
                                     {"active", active},
                                     {"confirmed", active},
                                     {"pending", trial}}) {
      if (!value) continue;
      writer.text(key);
      writer.boolean(true);
    }
    writer.end();
  }
  writer.end();
  reply(writer);
}

std::span<const std::uint8_t> SmpServer::output() const {
  // The same bytes as the UART's driver takes them.
  return {reinterpret_cast<const std::uint8_t*>(out_.data()) + out_sent_, out_size_ - out_sent_};
}

void SmpServer::sent(std::size_t count) {
  out_sent_ += std::min(count, out_size_ - out_sent_);
  if (out_sent_ == out_size_) out_sent_ = out_size_ = 0;
}

}  // namespace tml::fw::boot
