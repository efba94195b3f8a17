// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What is said over the flash link: operations, their payloads, and the codes of refusal. Every payload is a sequence
// of little-endian fields in the order of the struct, without padding; texts are NUL padded to their array. encode_*
// writes into `out` and returns the used part (Errc::overflow when it is too small); decode_* accepts longer payloads
// (a newer peer may add fields at the end) and refuses shorter ones with Errc::truncated. docs/flash-link.md has the
// tables.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/wire/errc.hpp"
#include "common/wire/flash_frame.hpp"

namespace tml::wire::flash {

inline constexpr std::uint8_t kProtocolVersion = 1;

/// Numbers are on the wire: never reuse one.
enum class Op : std::uint8_t {
  hello = 1,     ///< Hello -> Identity. Starts a session; what was under way on the link is dropped, no slot changes.
  ping = 2,      ///< Up to 64 bytes -> the same.
  baud = 3,      ///< u32 rate -> empty, at the old rate; then both change. See kBaudProbe.
  status = 4,    ///< empty -> DeviceStatus
  slot = 5,      ///< u8 slot -> SlotInfo
  begin = 6,     ///< Begin, manifest, the first part of the chunk list -> Begun
  list = 7,      ///< u16 first entry, entries (32 bytes each) -> Begun (state = receiving_list until all are there)
  copy = 8,      ///< up to 64 Copy records -> u16 chunks that were copied. From the base slot.
  commit = 9,    ///< u8 slot -> empty. Every chunk is there; the whole payload is hashed again.
  select = 10,   ///< Select -> empty
  confirm = 11,  ///< u8 lane -> empty. The trial becomes the active one and its epoch the floor.
  revert = 12,   ///< u8 lane -> u8 slot that is active now
  erase = 13,    ///< u8 slot -> empty. Never the active one, never the trial's.
  hashes = 14,   ///< u8 slot, u16 first, u16 count -> SHA-256 of the chunks as the slot's manifest lists them
  verify = 15,   ///< u8 slot -> SlotInfo, after all of it was hashed again
  read = 16,  ///< u8 slot, u32 offset, u16 bytes -> the bytes. Status::policy unless the board was built to allow it.
  counters = 17,  ///< empty -> Counters
  keys = 18,      ///< manifest of class keyset, its payload -> empty
  key_list = 19,  ///< empty -> u32 keyset version, u8 count, count x KeyFacts
  log = 20,  ///< u16 n (0 = newest) -> boot record of 64 bytes (boot_record.hpp); Status::bad_argument behind the last
  reboot = 21,   ///< u8 Reboot -> empty, then the board restarts
  tag = 22,      ///< char[32] -> empty. The fleet's name for this board.
  abort = 23,    ///< empty -> empty. Ends the transfer under way; what was stored stays and can be resumed.
  working = 24,  ///< Event: u8 op under way, u8 percent. The reply to that op will come.
};

enum class Status : std::uint8_t {
  ok = 0,
  bad_frame = 1,
  busy = 2,
  bad_argument = 3,
  unsupported = 4,
  bad_manifest = 5,  ///< Not one, another format, or it contradicts itself.
  bad_signature = 6,
  unknown_key = 7,
  revoked_key = 8,
  rollback = 9,  ///< Security epoch below the floor.
  wrong_product = 10,
  wrong_hardware = 11,
  wrong_slot = 12,    ///< The manifest does not fit this slot: class, address.
  abi_mismatch = 13,  ///< The model does not fit the running application, or the application the active models.
  no_space = 14,
  slot_active = 15,  ///< The slot is in use: active or on trial.
  erase_failed = 16,
  program_failed = 17,
  verify_failed = 18,
  not_complete = 19,
  not_ready = 20,  ///< The slot holds nothing that could be selected.
  nothing_on_trial = 21,
  policy = 22,           ///< This build does not allow it.
  locked = 23,           ///< Too many bad signatures: wait.
  key_in_use = 24,       ///< The key set would drop the key that signed what runs.
  key_version = 25,      ///< The key set is not newer than the one that is there.
  development_key = 26,  ///< A release build does not accept the development key.
  internal = 27,
};
inline constexpr std::size_t kStatuses = 28;

/// "security epoch below the floor"; one sentence without a full stop.
[[nodiscard]] std::string_view text(Status status);
/// Stable name for --json: "rollback".
[[nodiscard]] std::string_view name(Status status);

/// After a BAUD reply both ends change their rate. The host sends PING at the new rate; the board keeps the rate when a
/// valid frame arrives within this time, else it returns to the rate before, and so does the host without an answer.
inline constexpr std::uint32_t kBaudProbeMs = 250;
/// Without a valid frame for this long a board forgets the session and returns to its start-up rate. Slots stay.
inline constexpr std::uint32_t kSessionTimeoutMs = 5000;
inline constexpr std::uint32_t kListenMs = 100;  ///< After power-up a bootloader listens this long for a HELLO.

// ---- slots ----
/// Slot ids. The lane of a slot is what it competes in: 0 the application, 1 and 2 the model of stage 0 and 1; the data
/// slot has none.
enum class Slot : std::uint8_t {
  app_a = 0,
  app_b = 1,
  model_0a = 2,
  model_0b = 3,
  model_1a = 4,
  model_1b = 5,
  data = 6
};
inline constexpr std::size_t kSlots = 7;
inline constexpr std::size_t kLanes = 3;
inline constexpr std::uint8_t kNoSlot = 0xFF;
/// "app-a", "model-0b", "data"; empty for no slot.
[[nodiscard]] std::string_view slot_name(std::uint8_t slot);
/// The id of such a name, or kNoSlot.
[[nodiscard]] std::uint8_t slot_by_name(std::string_view name);
/// 0 to 2, or kNoSlot for the data slot and what is no slot.
[[nodiscard]] constexpr std::uint8_t lane_of(std::uint8_t slot) {
  return slot < 6 ? static_cast<std::uint8_t>(slot / 2) : kNoSlot;
}
/// The slot of a lane: bank 0 = A, 1 = B.
[[nodiscard]] constexpr std::uint8_t slot_of(std::uint8_t lane, std::uint8_t bank) {
  return static_cast<std::uint8_t>(lane * 2 + bank);
}

enum class Mode : std::uint8_t { bootloader = 0, application = 1 };
enum class Reboot : std::uint8_t { application = 0, bootloader = 1 };
enum class BootReason : std::uint8_t { power = 0, request = 1, watchdog = 2, fault = 3, update = 4 };

/// Bits of Identity::caps.
inline constexpr std::uint32_t kCapDeflate = 1U << 0U;
inline constexpr std::uint32_t kCapDelta = 1U << 1U;
inline constexpr std::uint32_t kCapRead = 1U << 2U;     ///< Op::read is allowed.
inline constexpr std::uint32_t kCapRelease = 1U << 3U;  ///< Refuses the development key.
inline constexpr std::uint32_t kCapBaud = 1U << 4U;     ///< The line has a rate.

struct Hello {
  std::uint8_t version = kProtocolVersion;
  std::uint16_t max_payload = kMaxFramePayload;  ///< Largest payload that the host takes.
};

inline constexpr std::size_t kProductBytes = 24;
inline constexpr std::size_t kDeviceIdBytes = 32;
inline constexpr std::size_t kTagBytes = 32;
inline constexpr std::size_t kMaxBauds = 8;

struct Identity {
  std::uint8_t version = kProtocolVersion;
  std::uint16_t session = 0;  ///< Random, not 0: of all frames from now on.
  Mode mode = Mode::bootloader;
  BootReason reason = BootReason::power;
  std::uint16_t max_payload = 0;  ///< Largest frame payload that the board takes, at least kMinFramePayload.
  std::uint8_t window = 0;        ///< Chunks in assembly.
  std::uint32_t caps = 0;
  std::uint16_t hardware = 0;  ///< Revision.
  std::uint32_t boot_version =
      0;  ///< Of the bootloader, as versions in manifests; 0: the application answers without one.
  std::uint32_t app_version = 0;  ///< Of the running application; 0 in the bootloader.
  std::uint16_t kernel_abi = 0;   ///< Contract of the running application (in the bootloader: of the active one).
  std::uint64_t kernels = 0;
  std::uint32_t arena_bytes = 0;
  std::uint32_t flash_bytes = 0;
  std::array<std::uint32_t, kMaxBauds>
      bauds{};  ///< Rates that BAUD accepts, ascending, then 0. None: the line has no rate.
  std::array<char, kProductBytes> product{};
  std::array<char, kDeviceIdBytes> device_id{};
  std::array<char, kTagBytes> tag{};
};

/// What BootLog's newest record says, and what the link is doing.
struct DeviceStatus {
  enum class Link : std::uint8_t { idle = 0, list = 1, resuming = 2, receiving = 3, staged = 4 };
  Link link = Link::idle;
  std::uint8_t slot = kNoSlot;  ///< Of the transfer.
  std::uint16_t chunks_done = 0;
  std::uint16_t chunk_count = 0;
  std::array<std::uint8_t, kLanes> active{kNoSlot, kNoSlot, kNoSlot};  ///< Slot ids.
  std::array<std::uint8_t, kLanes> trial{kNoSlot, kNoSlot, kNoSlot};
  std::array<std::uint8_t, kLanes> attempts{};  ///< Starts left of the trial.
  std::uint32_t erases = 0;                     ///< Since the session began.
  std::uint32_t bad_frames = 0;                 ///< Since the session began.
};

struct SlotInfo {
  enum class State : std::uint8_t { empty = 0, partial = 1, complete = 2, damaged = 3 };
  std::uint8_t slot = 0;
  State state = State::empty;
  std::uint32_t capacity = 0;  ///< Bytes of payload that fit.
  std::uint32_t version = 0;
  std::uint32_t epoch = 0;
  std::uint32_t payload_bytes = 0;
  std::uint16_t chunk_count = 0;
  std::array<std::uint8_t, 8> key_id{};
  std::array<std::uint8_t, 32> payload_hash{};  ///< Zeros when there is no manifest.
  std::array<char, 32> payload_name{};          ///< Manifest::name
};

/// Followed by the manifest (512 bytes) and as many entries of the chunk list as fit.
struct Begin {
  std::uint8_t slot = 0;
  std::uint8_t base_slot = kNoSlot;  ///< For copies and deltas.
  std::uint8_t flags = 0;            ///< kBeginDryRun, kBeginOrphanModels
};
inline constexpr std::uint8_t kBeginDryRun = 1;        ///< Checks everything and writes nothing.
inline constexpr std::uint8_t kBeginOrphanModels = 2;  ///< An application that active models do not fit is accepted.

struct Begun {
  enum class State : std::uint8_t {
    receiving_list = 0,  ///< Entries are missing: `chunks` counts those that are there.
    receiving = 1,       ///< `have` tells which chunks are stored already.
    complete = 2,        ///< All are: COMMIT.
    active = 3,          ///< The lane runs exactly this already: nothing to do.
  };
  State state = State::receiving_list;
  std::uint16_t chunks = 0;
  std::array<std::uint8_t, kMaxChunks / 8> have{};  ///< Bit n % 8 of byte n / 8: chunk n.
};

struct Copy {
  std::uint16_t to = 0;    ///< Chunk of the object.
  std::uint16_t from = 0;  ///< Chunk of the base slot.
  std::uint16_t count = 0;
};

struct Select {
  std::uint8_t slot = 0;
  std::uint8_t permanent = 0;  ///< 1: confirmed at once.
  std::uint8_t attempts = 3;   ///< Starts that a trial gets, 1 to 8.
};

struct Counters {
  std::array<std::uint32_t, 3> floors{};  ///< Epochs: application, model, data.
  std::uint32_t keyset_version = 0;
  std::uint32_t log_sequence = 0;    ///< Of the newest boot record.
  std::uint32_t most_worn = 0;       ///< Erases of the most worn sector where the driver counts them.
  std::uint32_t bad_signatures = 0;  ///< Since the reset.
};

struct KeyFacts {
  std::array<std::uint8_t, 8> id{};
  std::uint8_t state = 0;    ///< 0 active, 1 revoked
  std::uint8_t classes = 0;  ///< Bit n: may sign ObjectClass n.
};

/// Sent at each completed chunk, at a gap, at a bad frame, and at the latest 8 ms behind received data.
struct Ack {
  std::uint16_t base = 0;      ///< First chunk that is not stored; those before it are programmed and verified.
  std::uint16_t limit = 0;     ///< First granule that may not be sent yet.
  std::uint8_t flags = 0;      ///< kAckRejected: chunk `base` was complete, but not what the manifest lists.
  std::uint16_t flash_ms = 0;  ///< Longest flash operation of late.
  std::uint8_t chunks = 0;     ///< Bitmaps that follow, at most kMaxWindow, of chunks base, base + 1, ...
  std::array<std::uint64_t, kMaxWindow>
      got{};  ///< Bit g: granule g of the chunk. All ones: nothing of it need be sent.
};
inline constexpr std::uint8_t kAckRejected = 1;
inline constexpr std::uint8_t kAckFailed = 2;  ///< The transfer has ended: STATUS and the next request tell why.

using Bytes = std::span<const std::byte>;
using Room = std::span<std::byte>;
[[nodiscard]] Result<Bytes> encode(const Hello& value, Room out);
[[nodiscard]] Result<Bytes> encode(const Identity& value, Room out);
[[nodiscard]] Result<Bytes> encode(const DeviceStatus& value, Room out);
[[nodiscard]] Result<Bytes> encode(const SlotInfo& value, Room out);
[[nodiscard]] Result<Bytes> encode(const Begin& value, Room out);
[[nodiscard]] Result<Bytes> encode(const Begun& value, Room out);
[[nodiscard]] Result<Bytes> encode(const Copy& value, Room out);
[[nodiscard]] Result<Bytes> encode(const Select& value, Room out);
[[nodiscard]] Result<Bytes> encode(const Counters& value, Room out);
[[nodiscard]] Result<Bytes> encode(const KeyFacts& value, Room out);
[[nodiscard]] Result<Bytes> encode(const Ack& value, Room out);
/// Each reads from the front of `in` and moves it behind what was read.
[[nodiscard]] Result<void> decode(Bytes& in, Hello& value);
[[nodiscard]] Result<void> decode(Bytes& in, Identity& value);
[[nodiscard]] Result<void> decode(Bytes& in, DeviceStatus& value);
[[nodiscard]] Result<void> decode(Bytes& in, SlotInfo& value);
[[nodiscard]] Result<void> decode(Bytes& in, Begin& value);
[[nodiscard]] Result<void> decode(Bytes& in, Begun& value);
[[nodiscard]] Result<void> decode(Bytes& in, Copy& value);
[[nodiscard]] Result<void> decode(Bytes& in, Select& value);
[[nodiscard]] Result<void> decode(Bytes& in, Counters& value);
[[nodiscard]] Result<void> decode(Bytes& in, KeyFacts& value);
[[nodiscard]] Result<void> decode(Bytes& in, Ack& value);

}  // namespace tml::wire::flash
