// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Puts signed objects into slots so that power may fail at any instant, and keeps the boot log. No knowledge of the
// link: bytes come as whole chunks, requests as calls.
//
// Order of writes of an installation (docs/image-format.md, "Installing"): everything that can be checked is checked
// before the first write; the trailer of the slot is erased, then written, its mark last; chunks are written in any
// order, each into a sector erased in this power cycle and only after its hash matched the list; COMMIT reads the whole
// payload back and hashes it; SELECT, CONFIRM and REVERT are one boot record each. After a reset BEGIN with the same
// manifest finds the trailer and hashes what is there: resume needs no state of its own.
//
// Everything that takes long is done in steps of at most one erase, or one chunk of hashing, or a page program:
// a call that returns Progress::working is continued by step() until it says otherwise. One operation at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/wire/boot_record.hpp"
#include "common/wire/flash_link.hpp"
#include "common/wire/manifest.hpp"
#include "firmware/update/boot_log.hpp"
#include "firmware/update/inflate.hpp"
#include "firmware/update/keys.hpp"
#include "firmware/update/parts.hpp"
#include "firmware/update/slot_check.hpp"
#include "firmware/update/timed_flash.hpp"

namespace tml::fw::update {

/// Where an operation stands. `status` is meaningful when done. Every call that starts an operation gives busy while
/// another one is working.
struct Progress {
  bool done = true;
  wire::flash::Status status = wire::flash::Status::ok;
  std::uint8_t percent = 0;
};

class Installer {
 public:
  Installer(const Parts& parts, const Memory& memory);
  Installer(const Installer&) = delete;
  Installer& operator=(const Installer&) = delete;

  /// Reads log and keys. Once, before anything else; bounded.
  void mount();

  /// Of the running application (or the active one's header); BEGIN of a model is held against it.
  void set_contract(const Contract& contract) { contract_ = contract; }
  [[nodiscard]] const Contract& contract() const { return contract_; }

  [[nodiscard]] const BootLog& log() const { return log_; }
  [[nodiscard]] BootLog& log() { return log_; }
  [[nodiscard]] const KeyRing& keys() const { return keys_; }
  [[nodiscard]] TimedFlash& flash() { return flash_; }
  /// What the lane runs now: its trial, else what is active, else what the factory put there; kNoSlot: nothing.
  [[nodiscard]] std::uint8_t running(std::uint8_t lane) const;
  /// The payload of this slot was found to be damaged: BEGIN does not take it for what runs already.
  void distrust(std::uint8_t slot) { distrusted_ = static_cast<std::uint8_t>(distrusted_ | 1U << slot); }
  /// The application that calls this runs from here: it is not written to, whatever the log decides meanwhile.
  void runs_from(std::uint8_t slot) { own_slot_ = slot; }
  /// A transfer or an erase of this slot is under way: its content may change at any step.
  [[nodiscard]] bool writes_to(std::uint8_t slot) const {
    return (transfer_.open && transfer_.request.slot == slot) || (work_ == Work::erase && subject_ == slot);
  }
  /// Changes with each begin() that was accepted and each abort(): whose transfer it is can be told by it.
  [[nodiscard]] std::uint32_t transfer_number() const { return transfer_number_; }
  /// Forgets what status() counts per session.
  void new_session() { flash_.new_session(); }

  // ---- a transfer: begin, list..., store..., commit ----
  /// `manifest` is 512 bytes. Checks it whole, and the slot, before it touches anything. done with ok: more of the list
  /// is wanted (list()), or begun() tells that nothing is to be done. With kBeginDryRun nothing is under way then. The
  /// trailer of the same manifest is enough: then what the slot holds is hashed and no list is wanted.
  /// bad_manifest, bad_argument, wrong_slot, no_space, wrong_product, wrong_hardware, unknown_key, revoked_key,
  /// development_key, locked, bad_signature, rollback, abi_mismatch, slot_active: nothing was written, and a transfer
  /// that was under way goes on.
  [[nodiscard]] Progress begin(const wire::flash::Begin& request, std::span<const std::byte> manifest);
  /// `entries` is n x 32 bytes of the chunk list from entry `first` on, which is at most begun().chunks. Not needed any
  /// more: ok. When the list is complete the root is checked
  /// and the slot prepared, or what it holds hashed: working until begun().state is final.
  [[nodiscard]] Progress list(std::uint16_t first, std::span<const std::byte> entries);
  [[nodiscard]] const wire::flash::Begun& begun() const { return begun_; }
  /// A transfer is under way (begun, not ended by commit, abort or an error of the flash).
  [[nodiscard]] bool receiving() const;
  [[nodiscard]] std::uint16_t chunk_count() const;
  [[nodiscard]] bool have(std::uint16_t chunk) const;
  /// Raw bytes of a chunk: 4096, or the rest for the last one.
  [[nodiscard]] std::uint32_t chunk_bytes(std::uint16_t chunk) const;
  /// Stores one chunk from the bytes as they were sent (in the window's memory; unchanged until done). verify_failed:
  /// not what the list says, nothing was written, send it again. Others end the transfer.
  [[nodiscard]] Progress store(std::uint16_t chunk, wire::flash::Encoding encoding, std::span<const std::uint8_t> sent);
  /// Copies chunks from the base slot; those whose hash differs are left out. `copied` counts.
  [[nodiscard]] Progress copy(const wire::flash::Copy& range, std::uint16_t& copied);
  /// Does a little work ahead of time: erases a sector that the transfer will need. False: nothing to do.
  bool erase_ahead();
  /// not_complete: chunks are missing. verify_failed: the payload is not what the manifest says; the transfer has
  /// ended. A slot that was committed before: ok. For the data slot this is the decision too: its epoch becomes the
  /// floor.
  [[nodiscard]] Progress commit(std::uint8_t slot);
  void abort();

  // ---- decisions: one boot record each, none where nothing would change ----
  /// Signature, keys, floor and, for a model, the contract are checked anew. not_ready, not_complete: never committed.
  /// Permanent: the payload is hashed before the record, since that may raise the floor. rollback also: what the other
  /// model lane runs would be below the floor then.
  [[nodiscard]] Progress select(const wire::flash::Select& request);
  /// nothing_on_trial; not_ready: an application that was never started; and what a permanent select() may say. A
  /// model's payload is hashed before the record.
  [[nodiscard]] Progress confirm(std::uint8_t lane);
  /// Ends the trial. Without one, and when the last decision of the lane was a confirmation: the other bank becomes
  /// active again, after its payload was hashed; after a revert or a failed trial: ok, nothing changes. `slot`: what is
  /// active then, kNoSlot for nothing; written when done, so it must live until then.
  [[nodiscard]] Progress revert(std::uint8_t lane, std::uint8_t& slot);

  // ---- slots ----
  [[nodiscard]] Progress erase(std::uint8_t slot);
  /// Hashes the payload; `info` is filled when done. Whether the state is complete or damaged is in it, not in status.
  [[nodiscard]] Progress verify(std::uint8_t slot, wire::flash::SlotInfo& info);
  /// From the trailer alone, the payload is not hashed now. complete: it was committed; partial: a transfer was begun,
  /// or something without a manifest is there (a model that a factory loaded).
  void describe(std::uint8_t slot, wire::flash::SlotInfo& info);
  /// Entries of the slot's chunk list. Number of entries written, 0 without a valid trailer.
  std::size_t hashes(std::uint8_t slot, std::uint16_t first, std::span<std::byte> out);
  /// Not while a transfer is under way (busy). bad_manifest, wrong_product, wrong_hardware, development_key,
  /// key_version, locked, bad_signature, key_in_use.
  [[nodiscard]] Progress set_keys(std::span<const std::byte> manifest, std::span<const std::byte> payload);
  /// At most 32 printable characters, NUL padded; else bad_argument.
  [[nodiscard]] Progress set_tag(std::span<const char> tag);

  /// Continues what is working; done with ok when nothing is.
  [[nodiscard]] Progress step();
  [[nodiscard]] bool working() const { return work_ != Work::none; }

  [[nodiscard]] wire::flash::DeviceStatus status() const;
  [[nodiscard]] wire::flash::Counters counters() const;
  /// Longest flash operation of the last seconds, by the clock, in milliseconds (rounded up).
  [[nodiscard]] std::uint16_t flash_ms() const { return flash_.longest_ms(); }

 private:
  using Status = wire::flash::Status;
  enum class Work : std::uint8_t { none, prepare, resume, store, copy, commit, decide, erase, verify, set_keys };
  struct Transfer {
    bool open = false;
    bool listed = false;  ///< The list is complete and right; it lies in the window or, sealed, in the trailer.
    bool staged = false;  ///< The last transfer ended with a COMMIT.
    wire::flash::Begin request;
    wire::flash::Manifest manifest;
    std::array<std::uint8_t, wire::flash::kMaxChunks / 8> erased{};  ///< In this power cycle, by us, for this object.
  };
  /// The chunk that is being stored or copied.
  struct Chunk {
    std::uint16_t number = 0;
    wire::flash::Encoding encoding = wire::flash::Encoding::raw;
    std::span<const std::uint8_t> sent;
    std::uint32_t done = 0;  ///< Bytes of it.
  };
  static constexpr int kPagesPerStep = 1;

  [[nodiscard]] Progress finish(Status status);
  [[nodiscard]] static Progress going_on(std::uint32_t part, std::uint32_t whole);
  [[nodiscard]] hal::FlashRegion region(std::uint8_t slot) const { return parts_.slots[slot]; }
  [[nodiscard]] bool exists(std::uint8_t slot) const;
  [[nodiscard]] bool in_use(std::uint8_t slot) const;
  [[nodiscard]] Status admit(const wire::flash::Manifest& manifest);

  // installer_begin.cpp
  [[nodiscard]] Status check_begin(const wire::flash::Begin& request, const wire::flash::Manifest& manifest);
  [[nodiscard]] bool runs_already(std::uint8_t slot, const wire::flash::Manifest& manifest) const;
  [[nodiscard]] Status models_fit(const wire::flash::Manifest& app) const;
  [[nodiscard]] Progress start_prepare();
  [[nodiscard]] Progress step_prepare();
  [[nodiscard]] Progress step_resume();
  void set_have(std::uint16_t chunk);
  // installer_store.cpp
  [[nodiscard]] bool open_source();
  [[nodiscard]] bool read_source(std::span<std::uint8_t> piece);
  [[nodiscard]] Status check_source();
  [[nodiscard]] Progress step_store();
  [[nodiscard]] Progress step_copy();
  [[nodiscard]] Progress end_transfer(Status status);
  [[nodiscard]] bool erased(std::uint16_t chunk) const;
  [[nodiscard]] bool erase_chunk(std::uint16_t chunk);
  void note_dirty(std::uint16_t chunk);
  [[nodiscard]] std::uint32_t chunk_offset(std::uint16_t chunk) const;
  [[nodiscard]] Progress step_commit();
  // installer_decide.cpp
  [[nodiscard]] Status check_selectable(std::uint8_t slot, Trailer& trailer) const;
  [[nodiscard]] wire::flash::BootRecord next_record(wire::flash::BootEvent event, std::uint8_t slot) const;
  [[nodiscard]] Progress record(const wire::flash::BootRecord& next, std::uint8_t fresh_lane = wire::flash::kNoSlot,
                                std::uint8_t attempts = 0);
  [[nodiscard]] Status raise_floor(wire::flash::BootRecord& next, std::uint8_t lane,
                                   const wire::flash::Manifest& manifest) const;
  /// Hashes the payload of the slot, then writes the record; `now_active`, when given, becomes the slot.
  [[nodiscard]] Progress decide(const wire::flash::BootRecord& next, std::uint8_t slot,
                                const wire::flash::Manifest& manifest, std::uint8_t* now_active = nullptr);
  [[nodiscard]] Progress step_decide();
  [[nodiscard]] bool find_decision(std::uint8_t lane, wire::flash::BootRecord& into);
  // installer_slots.cpp
  [[nodiscard]] bool void_slot(std::uint8_t slot);
  [[nodiscard]] Progress step_erase();
  [[nodiscard]] Progress step_verify();
  [[nodiscard]] Status check_keys(const wire::flash::Manifest& manifest, const wire::flash::KeySet& set,
                                  std::span<const std::uint8_t> payload);
  [[nodiscard]] bool keys_in_use(const wire::flash::KeySet& set) const;
  [[nodiscard]] Progress step_set_keys();

  Parts parts_;
  Memory memory_;
  mutable TimedFlash flash_;
  BootLog log_;
  KeyRing keys_;
  Contract contract_;
  SignatureLimit limit_;
  Inflate inflate_;
  Transfer transfer_;
  wire::flash::Begun begun_;
  Work work_ = Work::none;
  std::uint32_t step_ = 0;  ///< Of the work: what was done so far.
  Chunk chunk_;
  wire::flash::Copy copy_range_;
  std::uint16_t* copied_ = nullptr;
  PayloadCheck check_;
  std::uint8_t subject_ = 0;          ///< Slot or lane of the work.
  wire::flash::BootRecord decision_;  ///< Written when the payload is what it should be.
  std::uint8_t* reverted_to_ = nullptr;
  wire::flash::SlotInfo* info_ = nullptr;
  wire::flash::KeySet new_keys_;
  std::uint8_t distrusted_ = 0;  ///< Bit per slot.
  std::uint8_t own_slot_ = wire::flash::kNoSlot;
  std::uint32_t transfer_number_ = 0;
};

}  // namespace tml::fw::update
