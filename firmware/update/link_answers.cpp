// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Requests that only ask.
#include <algorithm>

#include "common/wire/fields.hpp"
#include "firmware/update/link_server.hpp"

namespace tml::fw::update {

using wire::FieldReader;
using wire::FieldWriter;

namespace {

template <std::size_t kSize>
void copy_text(std::string_view text, std::array<char, kSize>& into) {
  std::copy_n(text.begin(), std::min(text.size(), kSize), into.begin());
}

}  // namespace

template <class T>
void LinkServer::reply_with(const T& value) {
  std::array<std::byte, kMaxReply> room{};
  const auto payload = wire::flash::encode(value, room);
  if (!payload) return reply(Status::internal);
  reply(Status::ok, *payload);
}
template void LinkServer::reply_with(const wire::flash::SlotInfo&);
template void LinkServer::reply_with(const wire::flash::Begun&);

bool LinkServer::answer(Payload in) {
  constexpr std::size_t kMostEcho = 64;
  switch (request_.op) {
    case Op::ping:
      if (in.size() > kMostEcho) {
        reply(Status::bad_argument);
      } else {
        reply(Status::ok, in);
      }
      return true;
    case Op::status:
      answer_status();
      return true;
    case Op::slot:
      answer_slot(in);
      return true;
    case Op::hashes:
      answer_hashes(in);
      return true;
    case Op::read:
      answer_read(in);
      return true;
    case Op::counters:
      reply_with(installer_.counters());
      return true;
    case Op::key_list:
      answer_keys();
      return true;
    case Op::log:
      answer_log(in);
      return true;
    default:
      return false;
  }
}

void LinkServer::answer_identity() {
  wire::flash::Identity identity;
  const Contract& contract = installer_.contract();
  identity.session = session_;
  identity.mode = options_.mode;
  identity.reason = parts_.port.reason();
  identity.max_payload = wire::flash::kMaxFramePayload;
  identity.window = static_cast<std::uint8_t>(receiver_.window_chunks());
  identity.caps = caps_ | (line_has_rates() ? wire::flash::kCapBaud : 0U);
  identity.hardware = parts_.product.hardware;
  identity.boot_version = parts_.product.boot_version;
  identity.app_version = options_.app_version;
  identity.kernel_abi = contract.kernel_abi;
  identity.kernels = contract.kernels;
  identity.arena_bytes = contract.arena_bytes;
  identity.flash_bytes = parts_.product.flash_bytes;
  if (line_has_rates()) {
    std::copy_n(options_.bauds.begin(), std::min(options_.bauds.size(), wire::flash::kMaxBauds),
                identity.bauds.begin());
  }
  copy_text(parts_.product.name, identity.product);
  copy_text(parts_.product.device_id, identity.device_id);
  identity.tag = installer_.log().tag();
  reply_with(identity);
}

void LinkServer::answer_status() {
  wire::flash::DeviceStatus status = installer_.status();
  status.bad_frames = bad_frames_;
  reply_with(status);
}

void LinkServer::answer_slot(Payload in) {
  std::uint8_t slot = 0;
  if (!FieldReader(in).get(slot).ok()) return reply(Status::bad_frame);
  if (!slot_exists(slot)) return reply(Status::bad_argument);
  wire::flash::SlotInfo info;
  installer_.describe(slot, info);
  reply_with(info);
}

void LinkServer::answer_hashes(Payload in) {
  std::uint8_t slot = 0;
  std::uint16_t first = 0;
  std::uint16_t count = 0;
  if (!FieldReader(in).get(slot).get(first).get(count).ok()) return reply(Status::bad_frame);
  if (!slot_exists(slot)) return reply(Status::bad_argument);
  std::array<std::byte, kMaxReply> room{};
  const std::size_t bytes = std::min(std::size_t{count} * wire::flash::kHashBytes, room.size());
  const std::size_t entries = installer_.hashes(slot, first, std::span(room).first(bytes));
  if (entries == 0 && count > 0) return reply(Status::not_ready);
  reply(Status::ok, Payload(room).first(entries * wire::flash::kHashBytes));
}

void LinkServer::answer_read(Payload in) {
  std::uint8_t slot = 0;
  std::uint32_t offset = 0;
  std::uint16_t bytes = 0;
  if (!FieldReader(in).get(slot).get(offset).get(bytes).ok()) return reply(Status::bad_frame);
  if (!parts_.trust.allow_read) return reply(Status::policy);
  std::array<std::uint8_t, kMaxReply> room{};
  if (!slot_exists(slot) || bytes > room.size()) return reply(Status::bad_argument);
  const hal::FlashRegion region = parts_.slots[slot];
  if (offset > region.size_bytes || bytes > region.size_bytes - offset) return reply(Status::bad_argument);
  const auto into = std::span(room).first(bytes);
  if (!parts_.flash.read(region.offset + offset, into)) return reply(Status::internal);
  reply(Status::ok, std::as_bytes(into));
}

void LinkServer::answer_keys() {
  std::array<std::byte, 5 + wire::flash::kMaxKeys * 10> room{};
  const KeyRing& keys = installer_.keys();
  FieldWriter writer(room);
  writer.put(keys.version()).put(static_cast<std::uint8_t>(keys.count()));
  for (std::size_t n = 0; n < keys.count(); ++n) {
    const wire::flash::KeyFacts facts = keys.facts(n);
    writer.put(facts.id).put(facts.state).put(facts.classes);
  }
  const auto payload = writer.finish();
  if (!payload) return reply(Status::internal);
  reply(Status::ok, *payload);
}

void LinkServer::answer_log(Payload in) {
  std::uint16_t age = 0;
  if (!FieldReader(in).get(age).ok()) return reply(Status::bad_frame);
  wire::flash::BootRecord record;
  if (!installer_.log().record(age, record)) return reply(Status::bad_argument);
  reply(Status::ok, std::as_bytes(std::span(&record, 1)));
}

}  // namespace tml::fw::update
