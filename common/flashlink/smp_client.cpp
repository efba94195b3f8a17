// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/smp_client.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>

#include "common/wire/cbor.hpp"

namespace tml::flashlink {
namespace {

namespace smp = wire::smp;
using serial::Awaitable;
using std::chrono::nanoseconds;

constexpr std::size_t kMaxReplyBytes = 8192;
constexpr std::size_t kMaxImages = 64;
constexpr std::size_t kReadBytes = 4096;
constexpr std::size_t kMinPart = 16;
constexpr std::size_t kAlignment = 32;       // the largest write unit of MCUboot (BOOT_MAX_ALIGN)
constexpr std::uint64_t kMaxBackwards = 64;  // restarts without progress, for whatever reason
constexpr std::size_t kExpectedReplyBytes = 64;
constexpr std::size_t kMaxMessageText = 120;

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMaxMessageText)) out += c >= ' ' && c < 0x7F ? c : '.';
  return out;
}

// What a client can do about a code.
Error refusal(const smp::Fields& fields, const std::string& what, const std::string& where) {
  Error error{Errc::refused, what, where, {}, {}};
  if (fields.err_rc) {
    error.what +=
        ": error " + std::to_string(*fields.err_rc) + " of group " + std::to_string(fields.err_group.value_or(0));
    error.hint = "The numbers are in Zephyr's list of SMP error codes of that group";
    return error;
  }
  const std::uint64_t rc = fields.rc.value_or(0);
  const std::string_view text = smp::rc_text(rc);
  error.what += ": the board says '" + (text.empty() ? "rc " + std::to_string(rc) : std::string(text)) + "'";
  if (fields.rsn) error.what += " (" + printable(*fields.rsn) + ")";
  switch (static_cast<smp::Rc>(rc)) {
    case smp::Rc::not_supported:
      error.code = Errc::unsupported;
      error.hint = "This board's SMP server was built without the command";
      break;
    case smp::Rc::invalid:
      error.hint = "Check that the image is for this board, signed, and fits its slot";
      break;
    case smp::Rc::no_entry:
      error.code = Errc::not_found;
      break;
    case smp::Rc::bad_state:
      error.hint = "An image may be on trial or pending: reset the board, or confirm what runs";
      break;
    case smp::Rc::corrupt:
      error.code = Errc::verification;
      break;
    default:
      break;
  }
  return error;
}

bool is_error(const smp::Fields& fields) {
  return (fields.rc && *fields.rc != 0) || (fields.err_rc && *fields.err_rc != 0);
}

bool wants_less(const smp::Fields& fields) {
  return fields.rc == static_cast<std::uint64_t>(smp::Rc::no_memory) ||
         fields.rc == static_cast<std::uint64_t>(smp::Rc::busy);
}

std::vector<std::byte> empty_map() { return {std::byte{0xA0}}; }

template <class Fill>
std::vector<std::byte> map_of(std::size_t room, Fill&& fill) {
  std::vector<std::byte> memory(room);
  wire::CborWriter writer(memory);
  fill(writer);
  memory.resize(writer.size());
  return memory;
}

wire::Result<SmpImage> read_image(wire::CborReader& reader) {
  SmpImage image;
  wire::Result<wire::CborItem> map = reader.enter_map();
  if (!map) return wire::fail(map.error());
  const std::array<std::pair<std::string_view, bool SmpImage::*>, 5> flags{{{"bootable", &SmpImage::bootable},
                                                                            {"pending", &SmpImage::pending},
                                                                            {"confirmed", &SmpImage::confirmed},
                                                                            {"active", &SmpImage::active},
                                                                            {"permanent", &SmpImage::permanent}}};
  while (true) {
    wire::Result<bool> end = reader.take_end();
    if (!end) return wire::fail(end.error());
    if (*end) return image;
    wire::Result<std::string_view> key = reader.read_text();
    if (!key) return wire::fail(key.error());
    const auto flag = std::ranges::find(flags, *key, &std::pair<std::string_view, bool SmpImage::*>::first);
    if (flag != flags.end()) {
      wire::Result<bool> value = reader.read_bool();
      if (!value) return wire::fail(value.error());
      image.*(flag->second) = *value;
    } else if (*key == "image" || *key == "slot") {
      wire::Result<std::uint64_t> value = reader.read_unsigned(UINT32_MAX);
      if (!value) return wire::fail(value.error());
      (*key == "image" ? image.image : image.slot) = static_cast<std::uint32_t>(*value);
    } else if (*key == "version") {
      wire::Result<std::string_view> value = reader.read_text();
      if (!value) return wire::fail(value.error());
      image.version = printable(*value);
    } else if (*key == "hash") {
      wire::Result<std::span<const std::byte>> value = reader.read_bytes();
      if (!value) return wire::fail(value.error());
      for (const std::byte b : value->first(std::min<std::size_t>(value->size(), 64)))
        image.hash.push_back(static_cast<std::uint8_t>(b));
    } else {
      wire::Result<void> skipped = reader.skip_value();
      if (!skipped) return wire::fail(skipped.error());
    }
  }
}

wire::Result<std::vector<SmpImage>> parse_images(std::span<const std::byte> body) {
  std::vector<SmpImage> images;
  wire::CborReader reader(body, {.depth = 6, .items = 4096});
  wire::Result<wire::CborItem> map = reader.enter_map();
  if (!map) return wire::fail(map.error());
  while (true) {
    wire::Result<bool> end = reader.take_end();
    if (!end) return wire::fail(end.error());
    if (*end) return images;
    wire::Result<std::string_view> key = reader.read_text();
    if (!key) return wire::fail(key.error());
    if (*key != "images") {
      wire::Result<void> skipped = reader.skip_value();
      if (!skipped) return wire::fail(skipped.error());
      continue;
    }
    wire::Result<wire::CborItem> list = reader.enter_array();
    if (!list) return wire::fail(list.error());
    while (true) {
      wire::Result<bool> last = reader.take_end();
      if (!last) return wire::fail(last.error());
      if (*last) break;
      if (images.size() == kMaxImages) return wire::fail(wire::Errc::limit);
      wire::Result<SmpImage> image = read_image(reader);
      if (!image) return wire::fail(image.error());
      images.push_back(std::move(*image));
    }
  }
}

}  // namespace

// One upload under way. `acked`: what the board has; `next`: what is sent next.
struct SmpClient::Transfer {
  std::span<const std::byte> image;
  SmpUpload options;
  std::array<std::uint8_t, 32> sha{};
  std::size_t packet = 0;  // bytes with length and CRC
  std::size_t window = 1;
  std::size_t max_window = 1;
  std::uint64_t acked = 0;
  std::uint64_t next = 0;
  std::uint64_t best = 0;  // the furthest that the board has been
  bool begun = false;      // the reply to the first part has come
  unsigned misses = 0;     // since the last progress
  std::uint64_t backwards = 0;
  std::deque<InFlight> in_flight;
  std::size_t bytes_in_flight = 0;
  SmpUploaded result;
};

SmpClient::SmpClient(serial::ByteStream& stream, const SmpTimes& times)
    : stream_(stream), times_(times), memory_(kMaxReplyBytes), assembler_(memory_) {}

nanoseconds SmpClient::line_time(std::size_t bytes) const {
  const std::uint64_t rate = std::max<std::uint32_t>(stream_.baud(), 300);
  return nanoseconds(bytes * 10 * 1'000'000'000ULL / rate);
}

Awaitable<Result<std::uint8_t>> SmpClient::send(smp::Op op, smp::Group group, std::uint8_t id,
                                                const std::vector<std::byte>& body) {
  std::vector<std::byte> packet(smp::kHeaderBytes + body.size());
  const smp::Header header{.version = version_.value_or(first_version_),
                           .op = op,
                           .body_bytes = static_cast<std::uint16_t>(body.size()),
                           .group = static_cast<std::uint16_t>(group),
                           .sequence = ++sequence_,
                           .id = id};
  smp::put_header(header, std::span(packet).first<smp::kHeaderBytes>());
  std::ranges::copy(body, packet.begin() + smp::kHeaderBytes);
  std::vector<std::byte> lines(smp::encoded_bytes(packet.size()));
  static_cast<void>(smp::encode_lines(packet, lines));  // the size is right by construction
  const nanoseconds deadline = now() + line_time(lines.size()) * 4 + times_.reply;
  Result<void> written = co_await stream_.write_all(lines, deadline);
  if (!written) co_return pass(std::move(written.error()));
  co_return header.sequence;
}

Awaitable<Result<SmpClient::Reply>> SmpClient::next_reply(nanoseconds deadline) {
  while (true) {
    while (input_at_ < input_.size()) {
      const auto byte = static_cast<std::uint8_t>(input_[input_at_++]);
      if (assembler_.push(byte) != smp::Assembler::Event::packet) continue;
      const std::span<const std::byte> packet = assembler_.packet();
      const wire::Result<smp::Header> header = smp::parse_header(packet);
      if (!header || (header->op != smp::Op::read_reply && header->op != smp::Op::write_reply)) continue;
      const std::span<const std::byte> body = packet.subspan(smp::kHeaderBytes);
      co_return Reply{*header, {body.begin(), body.end()}};
    }
    input_.resize(kReadBytes);
    input_at_ = 0;
    Result<std::size_t> read = co_await stream_.read_some(input_, deadline);
    input_.resize(read.value_or(0));
    if (!read) co_return pass(std::move(read.error()));
  }
}

Awaitable<Result<SmpClient::Reply>> SmpClient::request(smp::Op op, smp::Group group, std::uint8_t id,
                                                       std::vector<std::byte> body) {
  for (unsigned attempt = 0; attempt < times_.attempts; ++attempt) {
    // MCUboot before 2.0 drops requests of SMP version 2 without a word.
    first_version_ = attempt % 2 == 0 ? 1 : 0;
    Result<std::uint8_t> sequence = co_await send(op, group, id, body);
    if (!sequence) co_return pass(std::move(sequence.error()));
    const nanoseconds deadline = now() + times_.reply + line_time((body.size() + kExpectedReplyBytes) * 2);
    while (true) {
      Result<Reply> reply = co_await next_reply(deadline);
      if (!reply && reply.error().code == Errc::timeout) break;
      if (!reply) co_return reply;
      // A late reply to an attempt before is as good: requests other than uploads may be repeated.
      if (reply->header.group != static_cast<std::uint16_t>(group) || reply->header.id != id) continue;
      version_ = reply->header.version;
      co_return reply;
    }
  }
  co_return fail(Errc::timeout, "no SMP reply", stream_.name(),
                 "Check that the board is in serial recovery (or runs an application with SMP on this line) and that "
                 "--start-baud is right. A TML board gets there by tml-flash reboot --bootloader");
}

Awaitable<Result<std::string>> SmpClient::echo(std::string text) {
  std::vector<std::byte> body = map_of(text.size() + 16, [&](wire::CborWriter& writer) {
    writer.map(1);
    writer.text("d");
    writer.text(text);
  });
  Result<Reply> reply = co_await request(smp::Op::write, smp::Group::os, smp::kOsEcho, std::move(body));
  if (!reply) co_return pass(std::move(reply.error()));
  const wire::Result<smp::Fields> fields = smp::parse_fields(reply->body);
  if (!fields) co_return fail(Errc::malformed, "the reply to echo is none", stream_.name());
  if (is_error(*fields)) co_return pass(refusal(*fields, "echo was refused", stream_.name()));
  co_return std::string(fields->r.value_or(""));
}

Awaitable<Result<SmpParameters>> SmpClient::parameters() {
  Result<Reply> reply = co_await request(smp::Op::read, smp::Group::os, smp::kOsParameters, empty_map());
  if (!reply) co_return pass(std::move(reply.error()));
  const wire::Result<smp::Fields> fields = smp::parse_fields(reply->body);
  if (!fields) co_return fail(Errc::malformed, "the reply to parameters is none", stream_.name());
  SmpParameters parameters;
  if (!is_error(*fields) && fields->buf_size && *fields->buf_size >= 64 && *fields->buf_size <= UINT16_MAX) {
    parameters.buf_size = static_cast<std::uint32_t>(*fields->buf_size);
    parameters.buf_count = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(fields->buf_count.value_or(1), 1, 255));
    parameters.told = true;
  }
  parameters_ = parameters;
  co_return parameters;
}

Result<std::vector<SmpImage>> SmpClient::read_images(const Reply& reply) const {
  const wire::Result<smp::Fields> fields = smp::parse_fields(reply.body);
  if (!fields) return fail(Errc::malformed, "the list of images is none", stream_.name());
  if (is_error(*fields)) return pass(refusal(*fields, "the image state was refused", stream_.name()));
  wire::Result<std::vector<SmpImage>> images = parse_images(reply.body);
  if (!images) return fail(Errc::malformed, "the list of images is none", stream_.name());
  return std::move(*images);
}

Awaitable<Result<std::vector<SmpImage>>> SmpClient::images() {
  Result<Reply> reply = co_await request(smp::Op::read, smp::Group::image, smp::kImageState, empty_map());
  if (!reply) co_return pass(std::move(reply.error()));
  co_return read_images(*reply);
}

Awaitable<Result<std::vector<SmpImage>>> SmpClient::set_state(std::span<const std::uint8_t> hash, bool confirm) {
  std::vector<std::byte> body = map_of(hash.size() + 64, [&](wire::CborWriter& writer) {
    writer.map(hash.empty() ? 1 : 2);
    if (!hash.empty()) {
      writer.text("hash");
      writer.bytes(std::as_bytes(hash));
    }
    writer.text("confirm");
    writer.boolean(confirm);
  });
  Result<Reply> reply = co_await request(smp::Op::write, smp::Group::image, smp::kImageState, std::move(body));
  if (!reply) co_return pass(std::move(reply.error()));
  co_return read_images(*reply);
}

Awaitable<Result<void>> SmpClient::reset() {
  Result<Reply> reply = co_await request(smp::Op::write, smp::Group::os, smp::kOsReset, empty_map());
  if (!reply) co_return pass(std::move(reply.error()));
  const wire::Result<smp::Fields> fields = smp::parse_fields(reply->body);
  if (!fields) co_return fail(Errc::malformed, "the reply to reset is none", stream_.name());
  if (is_error(*fields)) co_return pass(refusal(*fields, "the reset was refused", stream_.name()));
  co_return Result<void>();
}

Awaitable<Result<void>> SmpClient::send_part(Transfer& transfer) {
  const bool first = transfer.next == 0;
  const std::uint64_t total = transfer.image.size();
  std::vector<std::byte> memory(transfer.packet);
  wire::CborWriter writer(memory);
  writer.map((first ? (transfer.options.upgrade ? 5 : 4) : 2) + (first && transfer.options.image != 0 ? 1 : 0));
  if (first) {
    if (transfer.options.image != 0) {
      writer.text("image");
      writer.unsigned_int(transfer.options.image);
    }
    writer.text("len");
    writer.unsigned_int(total);
    writer.text("sha");
    writer.bytes(std::as_bytes(std::span(transfer.sha)));
    if (transfer.options.upgrade) {
      writer.text("upgrade");
      writer.boolean(true);
    }
  }
  writer.text("off");
  writer.unsigned_int(transfer.next);
  writer.text("data");
  // Length, CRC and header, and the longest head of the data.
  const std::size_t used = writer.size() + smp::kHeaderBytes + 4 + 3;
  std::size_t room = transfer.packet > used ? transfer.packet - used : 0;
  if (room >= 2 * kAlignment) room -= room % kAlignment;
  room = std::max(room, kMinPart);
  const std::uint64_t count = std::min<std::uint64_t>(room, total - transfer.next);
  writer.bytes(transfer.image.subspan(transfer.next, count));
  memory.resize(writer.size());
  Result<std::uint8_t> sequence = co_await send(smp::Op::write, smp::Group::image, smp::kImageUpload, memory);
  if (!sequence) co_return pass(std::move(sequence.error()));
  InFlight part{.sequence = *sequence, .off = transfer.next, .end = transfer.next + count};
  transfer.next = part.end;
  transfer.bytes_in_flight += smp::encoded_bytes(memory.size() + smp::kHeaderBytes) + kExpectedReplyBytes;
  nanoseconds allowed = times_.reply + line_time(transfer.bytes_in_flight) * 2;
  if (first) allowed += times_.first;
  if (part.end == total) allowed += times_.last;
  part.deadline = now() + allowed;
  if (!transfer.in_flight.empty()) part.deadline = std::max(part.deadline, transfer.in_flight.back().deadline);
  transfer.in_flight.push_back(part);
  transfer.result.bytes_sent += count;
  co_return Result<void>();
}

// The board is not where it was thought to be: everything behind `acked` is sent again.
Result<void> SmpClient::miss(Transfer& transfer) {
  for (const InFlight& part : transfer.in_flight) transfer.result.resent += part.off >= transfer.acked ? 1 : 0;
  transfer.in_flight.clear();
  transfer.bytes_in_flight = 0;
  transfer.next = transfer.acked;
  if (++transfer.backwards <= kMaxBackwards) return {};
  return fail(Errc::limit,
              "the upload goes in circles: the board asks again and again for offset " + std::to_string(transfer.acked),
              stream_.name(), "The line may be too bad for this rate, or two programs write to the board");
}

Result<void> SmpClient::take_reply(Transfer& transfer, const Reply& reply) {
  if (reply.header.group != static_cast<std::uint16_t>(smp::Group::image) || reply.header.id != smp::kImageUpload ||
      reply.header.op != smp::Op::write_reply)
    return {};
  const auto part = std::ranges::find(transfer.in_flight, reply.header.sequence, &InFlight::sequence);
  if (part == transfer.in_flight.end()) return {};  // of before a miss()
  const wire::Result<smp::Fields> fields = smp::parse_fields(reply.body);
  if (!fields) return fail(Errc::malformed, "the reply to a part of the image is none", stream_.name());
  if (is_error(*fields)) {
    if (wants_less(*fields) && ++transfer.misses < times_.attempts) {
      transfer.max_window = 1;
      return miss(transfer);
    }
    return pass(refusal(*fields, "the board refused the image at offset " + std::to_string(part->off), stream_.name()));
  }
  if (fields->match) transfer.result.match = fields->match;
  if (!fields->off || *fields->off > transfer.image.size())
    return fail(Errc::malformed, "the board's next offset is missing or behind the image", stream_.name());
  const std::uint64_t off = *fields->off;
  const std::uint64_t expected = part->end;
  const bool first = part->off == 0;
  if (first && !transfer.begun) {
    transfer.result.resumed_at = off > expected ? off : 0;
    transfer.begun = true;
  }
  // Replies to what was sent before this one may have been lost; the board has dealt with all of it.
  transfer.in_flight.erase(transfer.in_flight.begin(), std::next(part));
  if (transfer.in_flight.empty()) transfer.bytes_in_flight = 0;
  transfer.acked = off;
  if (off > transfer.best) {
    transfer.best = off;
    transfer.misses = 0;
    transfer.backwards = 0;
    transfer.window = std::min(transfer.window + 1, transfer.max_window);
  }
  if (off == expected) return {};
  if (off > expected && off <= transfer.next) {
    // It has more than this request gave it: what is in flight is up to date or will be told so.
    return {};
  }
  return miss(transfer);
}

Awaitable<Result<SmpUploaded>> SmpClient::upload(std::span<const std::byte> image, SmpUpload options,
                                                 Progress progress) {
  if (image.empty()) co_return fail(Errc::malformed, "the image is empty");
  if (!parameters_) {
    Result<SmpParameters> asked = co_await parameters();
    if (!asked) co_return pass(std::move(asked.error()));
  }
  Transfer transfer;
  transfer.image = image;
  transfer.options = options;
  crypto_hash_sha256(transfer.sha.data(), reinterpret_cast<const unsigned char*>(image.data()), image.size());
  transfer.packet = std::min<std::size_t>(parameters_->buf_size, std::max<std::size_t>(options.max_packet, 128));
  // The reply needs one of the board's buffers too.
  transfer.max_window =
      std::clamp<std::size_t>(parameters_->buf_count - 1, 1, std::max<std::size_t>(options.max_window, 1));
  while (true) {
    if (transfer.acked == image.size() && transfer.begun) break;
    // The first part may erase the slot or be answered with another offset: nothing goes with it.
    while (transfer.next < image.size() && transfer.in_flight.size() < transfer.window &&
           (transfer.in_flight.empty() || transfer.in_flight.front().off != 0)) {
      Result<void> sent = co_await send_part(transfer);
      if (!sent) co_return pass(std::move(sent.error()));
    }
    if (transfer.in_flight.empty()) {
      Result<void> again = miss(transfer);
      if (!again) co_return pass(std::move(again.error()));
      continue;
    }
    const nanoseconds deadline = transfer.in_flight.front().deadline;
    Result<Reply> reply = co_await next_reply(deadline);
    if (!reply && reply.error().code == Errc::timeout) {
      if (++transfer.misses >= times_.attempts)
        co_return fail(Errc::timeout, "the board stopped answering at offset " + std::to_string(transfer.acked),
                       stream_.name(),
                       "Start the same command again: a board that knows the image's hash goes on where it was");
      transfer.window = 1;
      Result<void> again = miss(transfer);
      if (!again) co_return pass(std::move(again.error()));
      continue;
    }
    if (!reply) co_return pass(std::move(reply.error()));
    Result<void> taken = take_reply(transfer, *reply);
    if (!taken) co_return pass(std::move(taken.error()));
    if (progress) progress(transfer.acked, image.size());
  }
  transfer.result.window = transfer.window;
  if (transfer.result.match == false)
    co_return fail(Errc::verification, "the board read back another hash than that of the image", stream_.name(),
                   "Upload it again; if it persists the flash or its driver is faulty");
  co_return transfer.result;
}

}  // namespace tml::flashlink
