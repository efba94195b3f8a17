// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/session.hpp"

#include <algorithm>
#include <cstring>

#include "common/flashlink/refusal.hpp"

namespace tml::flashlink {

using serial::Awaitable;
using std::chrono::nanoseconds;
using wire::flash::Op;
using wire::flash::Status;
using Payload = std::vector<std::byte>;

namespace {

constexpr std::span<const std::byte> kNothing;
// HELLOs at one rate before the other is tried: a board's answer takes 40 ms at 115200 baud behind a slow adapter.
constexpr nanoseconds kTurn = std::chrono::milliseconds(400);

bool silent(const Result<Payload>& reply) {
  return !reply && (reply.error().code == Errc::timeout || reply.error().code == Errc::garbage);
}

Payload one_byte(std::uint8_t value) { return {static_cast<std::byte>(value)}; }

}  // namespace

Session::Session(serial::ByteStream& stream, Random& random, SessionOptions options)
    : link_(stream), random_(random), options_(options) {}

Error Session::odd_reply(Op op) const {
  return Error{Errc::malformed,
               "the board's answer to " + std::string(op_name(op)) + " does not follow its format",
               link_.stream().name(),
               "Update the tool or the board",
               {}};
}

std::uint32_t Session::baud() const {
  const bool has_rate = (identity_.caps & wire::flash::kCapBaud) != 0;
  return has_rate ? link_.stream().baud() : 0;
}

Awaitable<Result<wire::flash::Identity>> Session::connect(Millis patience, Millis every) {
  const auto deadline = link_.now() + patience;
  const auto id = static_cast<std::uint8_t>(random_.next_u64() % 255 + 1);
  Error last{Errc::timeout, "no time to look for a board", link_.stream().name(), {}, {}};
  for (unsigned turn = 0; link_.now() < deadline; ++turn) {
    const bool other = turn % 2 == 1 && options_.last_baud != 0;
    const std::uint32_t rate = other ? options_.last_baud : options_.base_baud;
    if (link_.stream().baud() != rate) {
      auto set = co_await link_.stream().set_baud(rate);
      if (!set) co_return pass(std::move(set.error()));
    }
    const nanoseconds until = std::min<nanoseconds>(link_.now() + kTurn, deadline);
    auto identity = co_await link_.hello(id, until, every);
    if (!identity) {
      last = std::move(identity.error());
      if (last.code == Errc::timeout || last.code == Errc::garbage) continue;
      co_return pass(std::move(last));
    }
    identity_ = *identity;
    // Another HELLO of ours may still be on its way and begin a session anew: an answered PING settles which one holds.
    // Where the reply to that HELLO got lost no PING is ever answered, and only one more HELLO helps.
    const Patience settling{Millis{1500}, Millis{120}, Millis{300}, 6};
    auto settled = co_await ask(Op::ping, kNothing, settling);
    if (silent(settled)) {
      last = std::move(settled.error());
      continue;
    }
    if (!settled) co_return pass(std::move(settled.error()));
    identity_.session = link_.session();
    co_return identity_;
  }
  co_return pass(std::move(last));
}

Awaitable<Result<Payload>> Session::ask(Op op, std::span<const std::byte> payload, Patience patience) {
  auto reply = co_await link_.exchange(op, payload, patience);
  if (!reply) co_return pass(std::move(reply.error()));
  last_status_ = reply->status;
  if (reply->status != Status::ok) co_return pass(refusal(reply->status, op, link_.stream().name()));
  co_return std::move(reply->payload);
}

Awaitable<Result<Payload>> Session::ask_slot(Op op, std::uint8_t slot) {
  const Payload payload = one_byte(slot);
  co_return co_await ask(op, payload);
}

// ---- line rate ----

Awaitable<Result<bool>> Session::line_holds(nanoseconds deadline) {
  constexpr unsigned kEnough = 2;
  constexpr unsigned kMost = 8;
  constexpr unsigned kNoisyEnough = 4;  // of kMost: frames may be as small as 64 bytes
  Payload pattern(32);
  random_.fill(pattern);
  unsigned good = 0;
  unsigned bad = 0;
  const Patience once{Millis{60}, Millis{60}, Millis{60}, 1};
  while (good + bad < kMost && (good > 0 || link_.now() < deadline)) {
    auto reply = co_await link_.exchange(Op::ping, pattern, once);
    const bool echoed = reply && reply->status == Status::ok && reply->payload == pattern;
    if (!reply && reply.error().code != Errc::timeout && reply.error().code != Errc::garbage) {
      co_return pass(std::move(reply.error()));
    }
    echoed ? ++good : ++bad;
    if (bad == 0 && good == kEnough) co_return true;
  }
  co_return good >= kNoisyEnough;
}

// False: this rate does not work, and the one before is in force again.
Awaitable<Result<bool>> Session::change_baud(std::uint32_t rate) {
  Payload payload;
  for (unsigned i = 0; i < 4; ++i) payload.push_back(static_cast<std::byte>(rate >> (8 * i)));
  const Patience short_patience{Millis{1500}, Millis{150}, Millis{300}, 8};
  auto reply = co_await link_.exchange(Op::baud, payload, short_patience);
  if (!reply) co_return pass(std::move(reply.error()));
  last_status_ = reply->status;
  if (reply->status != Status::ok) co_return false;
  const std::uint32_t before = link_.stream().baud();
  auto set = co_await link_.stream().set_baud(rate);
  const auto changed = link_.now();
  // The board began to count when it changed, some time before its reply was here.
  const nanoseconds first_answer = changed + std::chrono::milliseconds(wire::flash::kBaudProbeMs - 50);
  bool holds = false;
  if (set) {
    auto probed = co_await line_holds(first_answer);
    if (!probed) co_return pass(std::move(probed.error()));
    holds = *probed;
    if (holds) co_return true;
  } else if (set.error().code == Errc::unplugged || set.error().code == Errc::interrupted) {
    co_return pass(std::move(set.error()));
  }
  // Perhaps it hears us and we do not hear it: then it stays at the new rate until its session times out, else it is
  // back when the probe time is over.
  const nanoseconds settled = changed + std::chrono::milliseconds(wire::flash::kBaudProbeMs + 100);
  while (link_.now() < settled) {
    auto ignored = co_await link_.receive(settled);
    if (!ignored) co_return pass(std::move(ignored.error()));
  }
  const Patience for_one{Millis{300}, Millis{60}, Millis{100}, 4};
  for (const std::uint32_t candidate : {before, rate, options_.base_baud}) {
    set = co_await link_.stream().set_baud(candidate);
    if (!set) continue;
    auto answer = co_await link_.exchange(Op::ping, kNothing, for_one);
    if (answer) co_return false;
    if (answer.error().code != Errc::timeout && answer.error().code != Errc::garbage) {
      co_return pass(std::move(answer.error()));
    }
  }
  // The session is lost with the rate: a board that hears nothing returns to its own.
  const Millis patience(wire::flash::kSessionTimeoutMs + 1000);
  auto found = co_await connect(patience);
  if (!found) co_return pass(std::move(found.error()));
  co_return false;
}

Awaitable<Result<std::uint32_t>> Session::raise_baud(std::uint32_t most) {
  if (baud() == 0) co_return 0U;
  const auto rates = identity_.bauds;
  // A rate at which the board hears us and we do not hear it well is in force until another one is agreed on.
  bool present_holds = true;
  for (std::size_t i = rates.size(); i-- > 0;) {
    const std::uint32_t rate = rates[i];
    const std::uint32_t present = link_.stream().baud();
    if (rate == 0 || (most != 0 && rate > most)) continue;
    if (rate <= present && present_holds) break;
    if (rate == present) continue;
    auto changed = co_await change_baud(rate);
    if (!changed) co_return pass(std::move(changed.error()));
    if (*changed) break;
    present_holds = link_.stream().baud() != rate;
  }
  co_return link_.stream().baud();
}

// ---- operations ----

Awaitable<Result<void>> Session::ping() {
  auto reply = co_await ask(Op::ping, kNothing);
  if (!reply) co_return pass(std::move(reply.error()));
  co_return Result<void>{};
}

namespace {
template <class T>
Result<T> read_as(const Result<Payload>& reply, const Error& otherwise) {
  if (!reply) return pass(reply.error());
  T value{};
  std::span<const std::byte> rest(*reply);
  if (!wire::flash::decode(rest, value)) return pass(otherwise);
  return value;
}

Result<void> nothing(const Result<Payload>& reply) {
  if (!reply) return pass(reply.error());
  return {};
}

std::uint16_t u16_at(std::span<const std::byte> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[at]) |
                                    (std::to_integer<unsigned>(bytes[at + 1]) << 8U));
}
std::uint32_t u32_at(std::span<const std::byte> bytes, std::size_t at) {
  return u16_at(bytes, at) | static_cast<std::uint32_t>(u16_at(bytes, at + 2)) << 16U;
}
void put_u16(Payload& out, std::size_t value) {
  out.push_back(static_cast<std::byte>(value));
  out.push_back(static_cast<std::byte>(value >> 8U));
}
void append(Payload& out, std::span<const std::byte> bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }
}  // namespace

Awaitable<Result<wire::flash::DeviceStatus>> Session::status() {
  auto reply = co_await ask(Op::status, kNothing);
  co_return read_as<wire::flash::DeviceStatus>(reply, odd_reply(Op::status));
}

Awaitable<Result<wire::flash::SlotInfo>> Session::slot(std::uint8_t slot) {
  auto reply = co_await ask_slot(Op::slot, slot);
  co_return read_as<wire::flash::SlotInfo>(reply, odd_reply(Op::slot));
}

Awaitable<Result<std::vector<wire::flash::SlotInfo>>> Session::slots() {
  std::vector<wire::flash::SlotInfo> all;
  for (std::uint8_t id = 0; id < wire::flash::kSlots; ++id) {
    auto info = co_await slot(id);
    if (info) {
      if (info->capacity > 0) all.push_back(*info);
    } else if (last_status_ != Status::bad_argument && last_status_ != Status::wrong_slot) {
      co_return pass(std::move(info.error()));
    }
  }
  co_return all;
}

Awaitable<Result<wire::flash::Begun>> Session::begin(wire::flash::Begin request, std::span<const std::byte> manifest,
                                                     std::span<const std::byte> entries) {
  Payload payload(16);
  const auto head = wire::flash::encode(request, payload);
  payload.resize(head->size());
  append(payload, manifest);
  append(payload, entries);
  // The manifest goes whole or not at all: over a line that carries 64 bytes well it needs a few tries, and what need
  // not go with it soon goes by itself.
  Patience patience;
  patience.silence = Millis{10'000};
  patience.most = Millis{150};
  if (!entries.empty()) patience.sends = 2;
  auto reply = co_await ask(Op::begin, payload, patience);
  if (silent(reply) && !entries.empty()) {
    payload.resize(payload.size() - entries.size());
    patience.sends = Patience{}.sends;
    reply = co_await ask(Op::begin, payload, patience);
  }
  co_return read_as<wire::flash::Begun>(reply, odd_reply(Op::begin));
}

Awaitable<Result<wire::flash::Begun>> Session::begin_all(wire::flash::Begin request,
                                                         std::span<const std::byte> manifest,
                                                         std::span<const std::byte> list) {
  using wire::flash::Begun;
  constexpr std::size_t kEntry = wire::flash::kHashBytes;
  const std::size_t count = list.size() / kEntry;
  const std::size_t most = std::min<std::size_t>(identity_.max_payload, wire::flash::kMaxFramePayload);
  Payload head(16);
  const auto fixed = wire::flash::encode(request, head);
  const std::size_t beside = most > fixed->size() + manifest.size() ? most - fixed->size() - manifest.size() : 0;
  const std::size_t entries = link_.counters().bad_frames > 0 ? 0 : std::min(count, beside / kEntry);
  const std::span<const std::byte> first_part = list.first(entries * kEntry);
  // When the reply to the last piece is lost, a smaller one finds the list complete: BEGIN tells how things stand.
  constexpr unsigned kMostBegins = 12;
  constexpr std::size_t kSmallPiece = 2;
  std::size_t piece = std::max((most - std::min(most, 2 + kEntry)) / kEntry, kSmallPiece);
  Result<Begun> begun;
  for (unsigned begins = 0; begins < kMostBegins; ++begins) {
    begun = co_await begin(request, manifest, first_part);
    if (!begun) co_return begun;
    bool lost_track = false;
    while (begun->state == Begun::State::receiving_list && begun->chunks < count && !lost_track) {
      const std::size_t from = begun->chunks;
      const std::size_t now_sent = std::min(piece, count - from);
      Payload payload;
      put_u16(payload, from);
      append(payload, list.subspan(from * kEntry, now_sent * kEntry));
      // A long frame rarely arrives over a bad line, and silence does not say how bad it is: cut in half.
      Patience patience;
      if (piece > kSmallPiece) patience.sends = 2;
      auto reply = co_await ask(Op::list, payload, patience);
      if (silent(reply) && piece > kSmallPiece) {
        piece = std::max(now_sent / 2, kSmallPiece);
        continue;
      }
      lost_track = !silent(reply) && !reply && last_status_ == Status::not_ready;
      if (lost_track) continue;
      auto next = read_as<Begun>(reply, odd_reply(Op::list));
      if (!next) co_return next;
      if (next->state == Begun::State::receiving_list && next->chunks <= from) co_return pass(odd_reply(Op::list));
      begun = next;
    }
    if (!lost_track) break;
  }
  co_return begun;
}

Awaitable<Result<std::uint16_t>> Session::copy(std::span<const wire::flash::Copy> runs) {
  Payload payload;
  for (const wire::flash::Copy& run : runs) {
    put_u16(payload, run.to);
    put_u16(payload, run.from);
    put_u16(payload, run.count);
  }
  auto reply = co_await ask(Op::copy, payload);
  if (!reply) co_return pass(std::move(reply.error()));
  if (reply->size() < 2) co_return pass(odd_reply(Op::copy));
  co_return u16_at(*reply, 0);
}

Awaitable<Result<void>> Session::commit(std::uint8_t slot) {
  auto reply = co_await ask_slot(Op::commit, slot);
  co_return nothing(reply);
}

Awaitable<Result<void>> Session::select(wire::flash::Select request) {
  Payload room(16);
  const auto payload = wire::flash::encode(request, room);
  auto reply = co_await ask(Op::select, *payload);
  co_return nothing(reply);
}

Awaitable<Result<void>> Session::confirm(std::uint8_t lane) {
  auto reply = co_await ask_slot(Op::confirm, lane);
  co_return nothing(reply);
}

Awaitable<Result<std::uint8_t>> Session::revert(std::uint8_t lane) {
  auto reply = co_await ask_slot(Op::revert, lane);
  if (!reply) co_return pass(std::move(reply.error()));
  if (reply->empty()) co_return pass(odd_reply(Op::revert));
  co_return std::to_integer<std::uint8_t>((*reply)[0]);
}

Awaitable<Result<void>> Session::erase(std::uint8_t slot) {
  auto reply = co_await ask_slot(Op::erase, slot);
  co_return nothing(reply);
}

Awaitable<Result<std::vector<Hash>>> Session::hashes(std::uint8_t slot, std::size_t chunk_count) {
  // A reply of 16 entries arrives whole every third time over a bad line.
  constexpr std::size_t kMostAtOnce = 16;
  constexpr std::size_t kFewAtOnce = 2;
  std::size_t at_once = kMostAtOnce;
  std::vector<Hash> all;
  while (all.size() < chunk_count) {
    if (link_.counters().bad_frames > 0) at_once = kFewAtOnce;
    Payload payload = one_byte(slot);
    put_u16(payload, all.size());
    put_u16(payload, std::min(at_once, chunk_count - all.size()));
    Patience patience;
    if (at_once > kFewAtOnce) patience.sends = 3;
    auto reply = co_await ask(Op::hashes, payload, patience);
    if (silent(reply) && at_once > kFewAtOnce) {
      at_once = kFewAtOnce;
      continue;
    }
    if (!reply) co_return pass(std::move(reply.error()));
    const std::size_t got = reply->size() / sizeof(Hash);
    if (got == 0 || got > chunk_count - all.size()) co_return pass(odd_reply(Op::hashes));
    for (std::size_t i = 0; i < got; ++i) {
      Hash hash{};
      std::memcpy(hash.data(), reply->data() + i * hash.size(), hash.size());
      all.push_back(hash);
    }
  }
  co_return all;
}

Awaitable<Result<wire::flash::SlotInfo>> Session::verify(std::uint8_t slot) {
  auto reply = co_await ask_slot(Op::verify, slot);
  co_return read_as<wire::flash::SlotInfo>(reply, odd_reply(Op::verify));
}

Awaitable<Result<Payload>> Session::read(std::uint8_t slot, std::uint32_t offset, std::uint16_t bytes) {
  Payload payload = one_byte(slot);
  put_u16(payload, offset & 0xFFFFU);
  put_u16(payload, offset >> 16U);
  put_u16(payload, bytes);
  co_return co_await ask(Op::read, payload);
}

Awaitable<Result<wire::flash::Counters>> Session::counters() {
  auto reply = co_await ask(Op::counters, kNothing);
  co_return read_as<wire::flash::Counters>(reply, odd_reply(Op::counters));
}

Awaitable<Result<Session::Keys>> Session::key_list() {
  auto reply = co_await ask(Op::key_list, kNothing);
  if (!reply) co_return pass(std::move(reply.error()));
  if (reply->size() < 5) co_return pass(odd_reply(Op::key_list));
  Keys keys;
  keys.version = u32_at(*reply, 0);
  const std::size_t count = std::to_integer<std::size_t>((*reply)[4]);
  auto rest = std::span<const std::byte>(*reply).subspan(5);
  for (std::size_t i = 0; i < count; ++i) {
    wire::flash::KeyFacts facts;
    if (!wire::flash::decode(rest, facts)) co_return pass(odd_reply(Op::key_list));
    keys.keys.push_back(facts);
  }
  co_return keys;
}

Awaitable<Result<void>> Session::set_keys(std::span<const std::byte> manifest, std::span<const std::byte> content) {
  Payload payload;
  append(payload, manifest);
  append(payload, content);
  auto reply = co_await ask(Op::keys, payload);
  co_return nothing(reply);
}

Awaitable<Result<std::vector<wire::flash::BootRecord>>> Session::log(std::size_t most) {
  std::vector<wire::flash::BootRecord> records;
  while (records.size() < most) {
    Payload payload;
    put_u16(payload, records.size());
    auto reply = co_await ask(Op::log, payload);
    if (!reply && last_status_ == Status::bad_argument && reply.error().code == refusal_of(last_status_).code) break;
    if (!reply) co_return pass(std::move(reply.error()));
    if (reply->size() < wire::flash::kBootRecordBytes) co_return pass(odd_reply(Op::log));
    wire::flash::BootRecord record;
    std::memcpy(&record, reply->data(), sizeof(record));
    records.push_back(record);
  }
  co_return records;
}

Awaitable<Result<void>> Session::set_tag(std::string_view tag) {
  Payload payload(wire::flash::kTagBytes);
  if (tag.size() >= payload.size()) {
    co_return fail(Errc::usage, "the name is longer than 31 characters", std::string(tag));
  }
  std::memcpy(payload.data(), tag.data(), tag.size());
  auto reply = co_await ask(Op::tag, payload);
  co_return nothing(reply);
}

Awaitable<Result<void>> Session::reboot(wire::flash::Reboot where) {
  const Payload payload = one_byte(static_cast<std::uint8_t>(where));
  const Patience once{Millis{1000}, Millis{150}, Millis{300}, 3};
  auto reply = co_await ask(Op::reboot, payload, once);
  const bool gone = !reply && (reply.error().code == Errc::timeout || reply.error().code == Errc::garbage ||
                               reply.error().code == Errc::unplugged);
  if (gone) co_return Result<void>{};
  co_return nothing(reply);
}

Awaitable<Result<void>> Session::abort() {
  const Patience once{Millis{1000}, Millis{150}, Millis{300}, 3};
  auto reply = co_await ask(Op::abort, kNothing, once);
  co_return nothing(reply);
}

}  // namespace tml::flashlink
