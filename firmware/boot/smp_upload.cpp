// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The upload of a signed file: a stream of parts into manifest, chunk list and chunks.
#include <algorithm>

#include "firmware/boot/smp_server.hpp"

namespace tml::fw::boot {
namespace {

namespace smp = wire::smp;
using wire::flash::Status;

std::uint32_t little_endian(std::span<const std::byte> bytes, std::size_t at, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value |= static_cast<std::uint32_t>(bytes[at + i]) << (8 * i);
  return value;
}

bool starts_with(std::span<const std::byte> bytes, std::string_view magic) {
  return std::equal(magic.begin(), magic.end(), bytes.begin(),
                    [](char c, std::byte b) { return static_cast<std::byte>(c) == b; });
}

constexpr std::size_t kMagicBytes = 4;
constexpr std::size_t kIndexHead = 8;   // magic, format, count
constexpr std::size_t kIndexEntry = 8;  // offset, bytes

}  // namespace

std::uint8_t SmpServer::target_slot(std::uint8_t lane) const {
  if (lane == kDataLane) return static_cast<std::uint8_t>(wire::flash::Slot::data);
  const std::uint8_t first = wire::flash::slot_of(lane, 0);
  return installer_.status().active[lane] == first ? wire::flash::slot_of(lane, 1) : first;
}

void SmpServer::upload(const smp::Request& request) {
  if (!request.off || !request.data) return reply_rc(smp::Rc::invalid, "off or data is missing");
  if (*request.off == 0) return begin_upload(request);
  if (!owns_transfer()) upload_ = Upload{};
  if (*request.off != upload_.off || upload_.stage == Stage::idle || upload_.stage == Stage::done) return reply_off();
  doing_ = Doing::upload;
  data_ = *request.data;
}

void SmpServer::begin_upload(const smp::Request& request) {
  if (!request.len || *request.len == 0 || *request.len > UINT32_MAX)
    return reply_rc(smp::Rc::invalid, "len is missing or out of range");
  const bool has_sha = request.sha && request.sha->size() == upload_.sha.size();
  const bool same =
      has_sha && upload_.has_sha && upload_.total == *request.len && std::ranges::equal(*request.sha, upload_.sha);
  const bool alive = upload_.stage == Stage::index || (installer_.receiving() && owns_transfer());
  if (same && alive && upload_.stage != Stage::idle) {
    // The window may have served the link meanwhile.
    if (upload_.stage == Stage::payload) {
      upload_.off -= upload_.held;
      upload_.held = 0;
    }
    if (upload_.off != 0) return reply_off();
  }
  const std::uint64_t lane = request.image;
  if (lane > kDataLane) return reply_rc(smp::Rc::no_entry, "images are 0 application, 1 and 2 models, 3 data");
  if (installer_.receiving()) installer_.abort();
  upload_ = Upload{};
  upload_.stage = Stage::index;
  upload_.lane = static_cast<std::uint8_t>(lane);
  upload_.slot = target_slot(upload_.lane);
  upload_.total = static_cast<std::uint32_t>(*request.len);
  upload_.has_sha = has_sha;
  if (has_sha) std::ranges::copy(*request.sha, upload_.sha.begin());
  doing_ = Doing::upload;
  data_ = *request.data;
}

// The link may have ended the transfer, or begun another one, between two steps or two requests: then neither sizes
// nor offsets of this upload mean anything.
bool SmpServer::owns_transfer() const {
  return upload_.stage <= Stage::manifest || upload_.transfer == installer_.transfer_number();
}

void SmpServer::go_on() {
  while (doing_ == Doing::upload && !installer_.working() && !data_.empty()) eat();
  if (doing_ != Doing::upload || installer_.working()) return;
  if (upload_.off >= upload_.total && upload_.stage != Stage::done)
    return fail_upload(smp::Rc::invalid, "the file ends early");
  reply_off();
  doing_ = Doing::nothing;
}

void SmpServer::eat() {
  switch (upload_.stage) {
    case Stage::index:
      return read_index();
    case Stage::manifest:
      return read_manifest();
    case Stage::list:
      return read_list();
    case Stage::payload:
      return read_payload();
    case Stage::idle:
    case Stage::commit:
    case Stage::done:
      data_ = {};
  }
}

bool SmpServer::gather(std::span<std::byte> into, std::size_t want) {
  if (upload_.held > want) {
    data_ = {};
    return false;
  }
  const std::size_t count = std::min<std::size_t>(want - upload_.held, data_.size());
  std::ranges::copy(data_.first(count), into.begin() + upload_.held);
  data_ = data_.subspan(count);
  upload_.held += static_cast<std::uint32_t>(count);
  upload_.off += static_cast<std::uint32_t>(count);
  return upload_.held == want;
}

void SmpServer::jump(std::uint32_t to) {
  const std::size_t over = to - upload_.off;
  data_ = over < data_.size() ? data_.subspan(over) : std::span<const std::byte>();
  upload_.off = to;
  upload_.held = 0;
}

void SmpServer::read_index() {
  if (upload_.held < kMagicBytes && !gather(head_, kMagicBytes)) return;
  if (starts_with(head_, "TMLS")) {
    upload_.objects = 1;
    upload_.stage = Stage::manifest;  // its first bytes are there
    return;
  }
  if (!starts_with(head_, "TMLU")) return fail_upload(smp::Rc::invalid, "this is no signed file (.tmlu)");
  if (upload_.held < kIndexHead && !gather(head_, kIndexHead)) return;
  const std::uint32_t count = little_endian(head_, 6, 2);
  if (little_endian(head_, 4, 2) != 1 || count == 0 || count > wire::flash::kMaxBundleObjects)
    return fail_upload(smp::Rc::invalid, "the file's head is not of format 1");
  if (!gather(head_, kIndexHead + count * kIndexEntry)) return;
  std::uint32_t behind = upload_.off;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t offset = little_endian(head_, kIndexHead + i * kIndexEntry, 4);
    const std::uint32_t bytes = little_endian(head_, kIndexHead + i * kIndexEntry + 4, 4);
    if (offset < behind || offset > upload_.total || bytes > upload_.total - offset ||
        bytes < wire::flash::kManifestBytes)
      return fail_upload(smp::Rc::invalid, "the file's head contradicts its length");
    object_offsets_[i] = offset;
    behind = offset + bytes;
  }
  upload_.objects = static_cast<std::uint8_t>(count);
  upload_.stage = Stage::manifest;
  jump(object_offsets_[0]);
}

void SmpServer::next_object() {
  if (++upload_.object == upload_.objects)
    return fail_upload(smp::Rc::no_entry, "nothing in the file is for the slot that is free");
  jump(object_offsets_[upload_.object]);
}

void SmpServer::read_manifest() {
  if (!gather(head_, head_.size())) return;
  const wire::Result<wire::flash::Manifest> manifest = wire::flash::parse_manifest(head_);
  if (!manifest) return fail_upload(smp::Rc::invalid, wire::flash::name(Status::bad_manifest));
  if (upload_.objects > 1 && (manifest->slots >> upload_.slot & 1U) == 0) return next_object();
  const std::uint32_t list_bytes = manifest->chunk_count * static_cast<std::uint32_t>(wire::flash::kHashBytes);
  const std::uint64_t end = std::uint64_t{upload_.off} + list_bytes + manifest->payload_bytes;
  if (end > upload_.total) return fail_upload(smp::Rc::invalid, "the file is shorter than its manifest says");
  upload_.payload_start = upload_.off + list_bytes;
  upload_.held = 0;
  const update::Progress begun = installer_.begin({.slot = upload_.slot}, head_);
  upload_.transfer = installer_.transfer_number();
  act(begun);
}

void SmpServer::read_list() {
  const std::uint16_t count = installer_.chunk_count();
  if (count <= upload_.entry) return fail_upload(smp::Rc::invalid, wire::flash::name(Status::bad_manifest));
  const std::size_t left = static_cast<std::size_t>(count - upload_.entry);
  const std::size_t entries = std::min(left, head_.size() / wire::flash::kHashBytes);
  const std::size_t bytes = entries * wire::flash::kHashBytes;
  if (!gather(head_, bytes)) return;
  upload_.held = 0;
  const std::uint16_t first = upload_.entry;
  upload_.entry = static_cast<std::uint16_t>(first + entries);
  act(installer_.list(first, std::span(head_).first(bytes)));
}

void SmpServer::read_payload() {
  const std::uint32_t bytes = installer_.chunk_bytes(upload_.chunk);
  if (!gather(std::as_writable_bytes(window_), bytes)) return;
  act(installer_.store(upload_.chunk, wire::flash::Encoding::raw, window_.first(bytes)));
}

void SmpServer::next_missing() {
  const std::uint16_t count = installer_.chunk_count();
  while (upload_.chunk < count && installer_.have(upload_.chunk)) ++upload_.chunk;
  if (upload_.chunk == count) return commit();
  upload_.stage = Stage::payload;
  jump(upload_.payload_start + upload_.chunk * static_cast<std::uint32_t>(wire::flash::kChunkBytes));
}

void SmpServer::commit() {
  upload_.stage = Stage::commit;
  data_ = {};
  act(installer_.commit(upload_.slot));
}

void SmpServer::done() {
  upload_.stage = Stage::done;
  upload_.off = upload_.total;
  data_ = {};
}

void SmpServer::act(const update::Progress& progress) {
  if (!progress.done) return;
  if (doing_ == Doing::decision) {
    if (progress.status == Status::ok) {
      reply_images();
    } else {
      reply_status(progress.status);
    }
    doing_ = Doing::nothing;
    return;
  }
  if (progress.status != Status::ok) {
    return fail_upload(rc_of(progress.status), wire::flash::name(progress.status));
  }
  using State = wire::flash::Begun::State;
  switch (upload_.stage) {
    case Stage::manifest:
    case Stage::list:
      switch (installer_.begun().state) {
        case State::receiving_list:
          upload_.stage = Stage::list;
          return;
        case State::receiving:
          return next_missing();
        case State::complete:
          return commit();
        case State::active:
          return done();
      }
      return;
    case Stage::payload:
      ++upload_.chunk;
      upload_.held = 0;
      return next_missing();
    case Stage::commit:
      return done();
    case Stage::idle:
    case Stage::index:
    case Stage::done:
      return;
  }
}

void SmpServer::fail_upload(smp::Rc rc, std::string_view why) {
  if (installer_.receiving() && upload_.transfer == installer_.transfer_number()) installer_.abort();
  upload_ = Upload{};
  reply_rc(rc, why);
  doing_ = Doing::nothing;
  data_ = {};
}

}  // namespace tml::fw::boot
