// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/flash_link.hpp"

#include "common/wire/fields.hpp"

namespace tml::wire::flash {
namespace {

// By number. One string: the bootloader, which has these alone, would spend a third of their size on views.
constexpr std::string_view kStatusNames =
    "ok bad_frame busy bad_argument unsupported bad_manifest bad_signature unknown_key revoked_key rollback "
    "wrong_product wrong_hardware wrong_slot abi_mismatch no_space slot_active erase_failed program_failed "
    "verify_failed not_complete not_ready nothing_on_trial policy locked key_in_use key_version "
    "development_key internal";

// By number.
constexpr std::array<std::string_view, kStatuses> kStatusTexts{{
    "done",
    "the frame does not follow the protocol",
    "the board is busy with another operation",
    "an argument is out of range",
    "the board does not know this operation",
    "the manifest is not valid",
    "the signature of the manifest is wrong",
    "the board does not know the key that signed the manifest",
    "the key that signed the manifest was revoked",
    "security epoch below the floor",
    "the object was made for another product",
    "the object was made for another hardware revision",
    "the object does not fit this slot",
    "model and application do not fit each other",
    "the object is larger than the slot",
    "the slot is active or on trial",
    "the flash could not be erased",
    "the flash could not be programmed",
    "the bytes do not have the hash that the manifest lists",
    "parts of the object are missing",
    "the slot holds nothing that could be selected",
    "nothing is on trial",
    "this build of the board does not allow it",
    "too many bad signatures, the board waits before it checks another",
    "the key set would drop the key that signed what runs",
    "the key set is not newer than the one on the board",
    "a release build does not accept the development key",
    "the board met a condition that should not be",
}};

constexpr std::array<std::string_view, kSlots> kSlotNames{"app-a",    "app-b",    "model-0a", "model-0b",
                                                          "model-1a", "model-1b", "data"};

// Moves `in` on when the fields were all there.
Result<void> end(const FieldReader& reader, Bytes& in) {
  if (!reader.ok()) return fail(Errc::truncated);
  in = reader.rest();
  return {};
}

template <class T>
bool above(T value, T last) {
  return static_cast<std::uint8_t>(value) > static_cast<std::uint8_t>(last);
}

}  // namespace

std::string_view text(Status status) {
  const auto n = static_cast<std::size_t>(status);
  return n < kStatuses ? kStatusTexts[n] : "the board answered with a code that this program does not know";
}

std::string_view name(Status status) {
  std::string_view rest = kStatusNames;
  auto before = static_cast<std::size_t>(status);
  if (before >= kStatuses) return "unknown";
  for (; before > 0; --before) rest.remove_prefix(rest.find(' ') + 1);
  return rest.substr(0, rest.find(' '));
}

std::string_view slot_name(std::uint8_t slot) { return slot < kSlots ? kSlotNames[slot] : std::string_view(); }

std::uint8_t slot_by_name(std::string_view name) {
  for (std::size_t n = 0; n < kSlots; ++n) {
    if (kSlotNames[n] == name) return static_cast<std::uint8_t>(n);
  }
  return kNoSlot;
}

Result<Bytes> encode(const Hello& v, Room out) { return FieldWriter(out).put(v.version).put(v.max_payload).finish(); }

Result<void> decode(Bytes& in, Hello& v) { return end(FieldReader(in).get(v.version).get(v.max_payload), in); }

Result<Bytes> encode(const Identity& v, Room out) {
  FieldWriter writer(out);
  writer.put(v.version).put(v.session).put(v.mode).put(v.reason).put(v.max_payload).put(v.window).put(v.caps);
  writer.put(v.hardware).put(v.boot_version).put(v.app_version).put(v.kernel_abi).put(v.kernels).put(v.arena_bytes);
  return writer.put(v.flash_bytes).put(v.bauds).put(v.product).put(v.device_id).put(v.tag).finish();
}

Result<void> decode(Bytes& in, Identity& v) {
  FieldReader reader(in);
  reader.get(v.version).get(v.session).get(v.mode).get(v.reason).get(v.max_payload).get(v.window).get(v.caps);
  reader.get(v.hardware).get(v.boot_version).get(v.app_version).get(v.kernel_abi).get(v.kernels).get(v.arena_bytes);
  reader.get(v.flash_bytes).get(v.bauds).get(v.product).get(v.device_id).get(v.tag);
  if (!reader.ok()) return fail(Errc::truncated);
  if (above(v.mode, Mode::application) || v.session == 0) return fail(Errc::malformed);
  if (v.max_payload < kMinFramePayload || v.window == 0 || v.window > kMaxWindow) return fail(Errc::malformed);
  return end(reader, in);
}

Result<Bytes> encode(const DeviceStatus& v, Room out) {
  FieldWriter writer(out);
  writer.put(v.link).put(v.slot).put(v.chunks_done).put(v.chunk_count).put(v.active).put(v.trial).put(v.attempts);
  return writer.put(v.erases).put(v.bad_frames).finish();
}

Result<void> decode(Bytes& in, DeviceStatus& v) {
  FieldReader reader(in);
  reader.get(v.link).get(v.slot).get(v.chunks_done).get(v.chunk_count).get(v.active).get(v.trial).get(v.attempts);
  reader.get(v.erases).get(v.bad_frames);
  if (!reader.ok()) return fail(Errc::truncated);
  if (above(v.link, DeviceStatus::Link::staged)) return fail(Errc::malformed);
  return end(reader, in);
}

Result<Bytes> encode(const SlotInfo& v, Room out) {
  FieldWriter writer(out);
  writer.put(v.slot).put(v.state).put(v.capacity).put(v.version).put(v.epoch).put(v.payload_bytes).put(v.chunk_count);
  return writer.put(v.key_id).put(v.payload_hash).put(v.payload_name).finish();
}

Result<void> decode(Bytes& in, SlotInfo& v) {
  FieldReader reader(in);
  reader.get(v.slot).get(v.state).get(v.capacity).get(v.version).get(v.epoch).get(v.payload_bytes).get(v.chunk_count);
  reader.get(v.key_id).get(v.payload_hash).get(v.payload_name);
  if (!reader.ok()) return fail(Errc::truncated);
  if (above(v.state, SlotInfo::State::damaged)) return fail(Errc::malformed);
  return end(reader, in);
}

Result<Bytes> encode(const Begin& v, Room out) {
  return FieldWriter(out).put(v.slot).put(v.base_slot).put(v.flags).finish();
}

Result<void> decode(Bytes& in, Begin& v) { return end(FieldReader(in).get(v.slot).get(v.base_slot).get(v.flags), in); }

Result<Bytes> encode(const Begun& v, Room out) {
  return FieldWriter(out).put(v.state).put(v.chunks).put(v.have).finish();
}

Result<void> decode(Bytes& in, Begun& v) {
  FieldReader reader(in);
  reader.get(v.state).get(v.chunks).get(v.have);
  if (!reader.ok()) return fail(Errc::truncated);
  if (above(v.state, Begun::State::active) || v.chunks > kMaxChunks) return fail(Errc::malformed);
  return end(reader, in);
}

Result<Bytes> encode(const Copy& v, Room out) { return FieldWriter(out).put(v.to).put(v.from).put(v.count).finish(); }

Result<void> decode(Bytes& in, Copy& v) { return end(FieldReader(in).get(v.to).get(v.from).get(v.count), in); }

Result<Bytes> encode(const Select& v, Room out) {
  return FieldWriter(out).put(v.slot).put(v.permanent).put(v.attempts).finish();
}

Result<void> decode(Bytes& in, Select& v) {
  return end(FieldReader(in).get(v.slot).get(v.permanent).get(v.attempts), in);
}

Result<Bytes> encode(const Counters& v, Room out) {
  FieldWriter writer(out);
  writer.put(v.floors).put(v.keyset_version).put(v.log_sequence).put(v.most_worn).put(v.bad_signatures);
  return writer.finish();
}

Result<void> decode(Bytes& in, Counters& v) {
  FieldReader reader(in);
  reader.get(v.floors).get(v.keyset_version).get(v.log_sequence).get(v.most_worn).get(v.bad_signatures);
  return end(reader, in);
}

Result<Bytes> encode(const KeyFacts& v, Room out) {
  return FieldWriter(out).put(v.id).put(v.state).put(v.classes).finish();
}

Result<void> decode(Bytes& in, KeyFacts& v) { return end(FieldReader(in).get(v.id).get(v.state).get(v.classes), in); }

Result<Bytes> encode(const Ack& v, Room out) {
  if (v.chunks > kMaxWindow) return fail(Errc::limit);
  FieldWriter writer(out);
  writer.put(v.base).put(v.limit).put(v.flags).put(v.flash_ms).put(v.chunks);
  for (std::size_t n = 0; n < v.chunks; ++n) writer.put(v.got[n]);
  return writer.finish();
}

Result<void> decode(Bytes& in, Ack& v) {
  FieldReader reader(in);
  reader.get(v.base).get(v.limit).get(v.flags).get(v.flash_ms).get(v.chunks);
  if (!reader.ok()) return fail(Errc::truncated);
  if (v.chunks > kMaxWindow || v.base > kMaxChunks || v.limit > kMaxChunks * kGranulesPerChunk)
    return fail(Errc::malformed);
  v.got = {};
  for (std::size_t n = 0; n < v.chunks; ++n) reader.get(v.got[n]);
  return end(reader, in);
}

}  // namespace tml::wire::flash
