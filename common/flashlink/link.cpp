// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/link.hpp"

#include <algorithm>

#include "common/flashlink/refusal.hpp"

namespace tml::flashlink {

using serial::Awaitable;
using std::chrono::nanoseconds;
using wire::flash::Frame;
using wire::flash::Identity;
using wire::flash::Kind;
using wire::flash::kMaxEncodedFrame;
using wire::flash::Op;
using wire::flash::Status;

namespace {

// 0x00 bytes in front of a HELLO: they end whatever the board took for the beginning of a frame.
constexpr std::size_t kWakeBytes = 4;
// Longer than this between two bytes, and what has come is no frame any more (an application goes back to text too).
constexpr nanoseconds kStale = std::chrono::milliseconds(50);
// One operation of a board at the very most, however busy it says it is: a slot of 1 MiB erased at 0.4 s per sector.
constexpr nanoseconds kLongestOperation = std::chrono::seconds(120);
// While a board says that it works, a repeat of the request would tell it nothing.
constexpr nanoseconds kWorkingPause = std::chrono::milliseconds(800);
constexpr nanoseconds kWriteLimit = std::chrono::seconds(5);

bool is_text(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) {
    const auto c = std::to_integer<unsigned>(byte);
    return (c >= 0x20 && c < 0x7F) || c == '\r' || c == '\n' || c == '\t' || c == 0x08 || c == 0x1B;
  });
}

}  // namespace

Link::Link(serial::ByteStream& stream) : stream_(stream) {
  frame_.resize(wire::flash::kMaxFrameBytes);
  run_.reserve(kMaxEncodedFrame);
}

void Link::set_session(std::uint16_t session, bool leading_zero) {
  session_ = session;
  leading_zero_ = leading_zero;
}

void Link::cancel() {
  cancelled_ = true;
  stream_.cancel();
}

std::string Link::take_text() { return std::exchange(text_, {}); }

void Link::keep_text(std::span<const std::byte> text) {
  counters_.text_bytes += text.size();
  text_.append(reinterpret_cast<const char*>(text.data()), text.size());
  if (text_.size() > kMaxText) text_.erase(0, text_.size() - kMaxText);
}

// What came since the last 0x00 has ended: a frame, text of the board, or noise.
std::optional<Arrival> Link::take_run() {
  std::optional<Arrival> arrival;
  const std::span<const std::byte> run(run_);
  wire::CobsDecoder decoder(frame_);
  auto event = wire::CobsDecoder::Event::none;
  if (!run_too_long_) {
    for (const std::byte byte : run) decoder.push(byte);
    event = decoder.push(std::byte{0});
  }
  if (event == wire::CobsDecoder::Event::frame) {
    const auto parsed = wire::flash::parse_frame(decoder.frame(), session_, true);
    if (parsed) arrival = Arrival{parsed->frame, parsed->session};
  }
  if (arrival) {
    ++counters_.frames_received;
    last_heard_ = now();
  } else if (is_text(run)) {
    keep_text(run);
  } else {
    ++counters_.bad_frames;
  }
  run_.clear();
  run_too_long_ = false;
  return arrival;
}

Awaitable<Result<std::optional<Arrival>>> Link::receive(nanoseconds deadline) {
  for (;;) {
    while (in_at_ < in_end_) {
      const std::byte byte = in_[in_at_++];
      if (byte != std::byte{0}) {
        if (run_.size() == kMaxEncodedFrame) {
          // A board that prints a lot has no 0x00 in it.
          if (is_text(run_)) keep_text(run_);
          run_too_long_ = run_too_long_ || !is_text(run_);
          run_.clear();
        }
        run_.push_back(byte);
        continue;
      }
      if (run_.empty()) continue;
      auto arrival = take_run();
      if (arrival) co_return arrival;
    }
    if (cancelled_) co_return fail(Errc::interrupted, "interrupted", stream_.name());
    const auto began = now();
    const std::span<std::byte> room(in_);
    auto got = co_await stream_.read_some(room, deadline);
    if (!got) {
      if (got.error().code != Errc::timeout) co_return pass(std::move(got.error()));
      if (now() - began >= kStale && !run_.empty() && is_text(run_)) {
        keep_text(run_);
        run_.clear();
      }
      co_return std::optional<Arrival>();
    }
    counters_.bytes_received += *got;
    in_at_ = 0;
    in_end_ = *got;
  }
}

Awaitable<Result<void>> Link::write(std::span<const std::byte> encoded) {
  counters_.bytes_sent += encoded.size();
  const auto deadline = now() + kWriteLimit;
  co_return co_await stream_.write_all(encoded, deadline);
}

Awaitable<Result<void>> Link::send(const Frame& frame, std::uint16_t session, bool wake) {
  std::array<std::byte, kMaxEncodedFrame + kWakeBytes> out{};
  const std::size_t front = wake ? kWakeBytes : 0;
  const auto room = std::span(out).subspan(front);
  const auto size = wire::flash::encode_frame(frame, session, true, room);
  if (!size) co_return fail(Errc::limit, "request is too long for a frame", stream_.name());
  ++counters_.frames_sent;
  const std::span<const std::byte> all(out.data(), front + *size);
  co_return co_await write(all);
}

Error Link::silent(Op op, std::uint64_t bytes_before, std::uint64_t frames_before) const {
  const bool bytes = counters_.bytes_received > bytes_before;
  const bool frames = counters_.frames_received > frames_before;
  if (bytes && !frames) {
    return Error{Errc::garbage,
                 "what answers " + std::string(op_name(op)) + " is not the flash link",
                 stream_.name(),
                 "Check that this is a TML board; a program that runs there may not know the flash link: restart the "
                 "board into its bootloader",
                 {}};
  }
  return Error{Errc::timeout,
               "no answer to " + std::string(op_name(op)),
               stream_.name(),
               "Check power and cable, or press the board's reset button",
               {}};
}

Awaitable<Result<Identity>> Link::hello(std::uint8_t id, nanoseconds deadline, Millis every) {
  const std::uint64_t bytes_before = counters_.bytes_received;
  const std::uint64_t frames_before = counters_.frames_received;
  std::array<std::byte, 8> room{};
  const auto hello = wire::flash::encode(wire::flash::Hello{}, room);
  Frame request;
  request.kind = Kind::request;
  request.id = id;
  request.op = static_cast<std::uint8_t>(Op::hello);
  request.payload = *hello;
  set_session(0, true);
  next_id_ = id;
  while (now() < deadline) {
    auto sent = co_await send(request, 0, true);
    if (!sent) co_return pass(std::move(sent.error()));
    const auto again = std::min<nanoseconds>(now() + every, deadline);
    for (;;) {
      auto arrival = co_await receive(again);
      if (!arrival) co_return pass(std::move(arrival.error()));
      if (!arrival->has_value()) break;
      const Frame& frame = (*arrival)->frame;
      if (frame.kind != Kind::reply || frame.id != id || frame.op != request.op) continue;
      if (frame.status != 0) co_return pass(refusal(static_cast<Status>(frame.status), Op::hello, stream_.name()));
      Identity identity;
      auto payload = frame.payload;
      const auto decoded = wire::flash::decode(payload, identity);
      if (!decoded || identity.session == 0 || identity.max_payload < wire::flash::kMinFramePayload ||
          identity.window == 0) {
        co_return fail(Errc::malformed, "the board's answer to HELLO does not follow its format", stream_.name());
      }
      if (identity.version != wire::flash::kProtocolVersion) {
        co_return fail(Errc::unsupported,
                       "the board speaks version " + std::to_string(identity.version) + " of the flash link",
                       stream_.name(), "Update this tool");
      }
      set_session(identity.session, identity.mode == wire::flash::Mode::application);
      co_return identity;
    }
  }
  co_return pass(silent(Op::hello, bytes_before, frames_before));
}

Awaitable<Result<Reply>> Link::exchange(Op op, std::span<const std::byte> payload, Patience patience) {
  const std::uint64_t bytes_before = counters_.bytes_received;
  const std::uint64_t frames_before = counters_.frames_received;
  next_id_ = next_id_ == 255 ? std::uint8_t{1} : static_cast<std::uint8_t>(next_id_ + 1);
  Frame request;
  request.kind = Kind::request;
  request.id = next_id_;
  request.op = static_cast<std::uint8_t>(op);
  request.payload = payload;
  const std::uint32_t baud = std::max<std::uint32_t>(stream_.baud(), 1);
  const nanoseconds on_line((static_cast<std::int64_t>(payload.size()) + 100) * 10'000'000'000 / baud);
  nanoseconds interval = patience.first;
  const nanoseconds longest = now() + kLongestOperation;
  nanoseconds alive = now();
  nanoseconds next_send = now();
  unsigned sends = 0;
  for (;;) {
    if (now() >= next_send) {
      if (sends == patience.sends) break;
      auto sent = co_await send(request, session_, false);
      if (!sent) co_return pass(std::move(sent.error()));
      if (sends++ > 0) ++counters_.request_repeats;
      next_send = now() + on_line + interval;
      interval = std::min<nanoseconds>(2 * interval, patience.most);
    }
    constexpr int kOfBadLines = 3;
    const nanoseconds silence = patience.silence * (counters_.bad_frames > 0 ? kOfBadLines : 1);
    const nanoseconds give_up = std::min<nanoseconds>(alive + on_line + silence, longest);
    if (now() >= give_up) break;
    const nanoseconds until = std::min(next_send, give_up);
    auto arrival = co_await receive(until);
    if (!arrival) co_return pass(std::move(arrival.error()));
    if (!arrival->has_value()) continue;
    const Frame& frame = (*arrival)->frame;
    if ((*arrival)->session != session_) {
      // A second reply to our HELLO: the board has begun another session with it.
      Identity identity;
      auto rest = frame.payload;
      if (frame.kind == Kind::reply && wire::flash::decode(rest, identity) && identity.session != 0 &&
          identity.session != session_) {
        session_ = identity.session;
        next_send = now();
      }
      continue;
    }
    if (frame.kind == Kind::event && frame.op == static_cast<std::uint8_t>(Op::working)) {
      alive = now();
      next_send = std::max(next_send, now() + kWorkingPause);
    } else if (frame.kind == Kind::reply && frame.id == request.id && frame.op == request.op) {
      Reply reply;
      reply.status = static_cast<Status>(frame.status);
      reply.payload.assign(frame.payload.begin(), frame.payload.end());
      co_return reply;
    }
  }
  co_return pass(silent(op, bytes_before, frames_before));
}

}  // namespace tml::flashlink
