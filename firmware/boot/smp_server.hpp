// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Answers SMP clients (mcumgr, smpmgr, ...) on the bootloader's line: OS group echo, echo control, parameters, reset;
// image group state (list, test, confirm) and upload. docs/other-bootloaders.md, "Our bootloader for their tools".
//
// What is uploaded is a .tmlu object or bundle: manifest, chunk list, payload. The manifest's signature, product,
// epoch and so on are checked by the Installer before anything is erased; each chunk is held against the signed list
// before it is programmed. `image` of the upload is the lane: 0 application, 1 and 2 models, 3 the data slot; the slot
// is that one of the lane which does not run. In a bundle the first object for this slot is taken, the others passed
// over with `off` replies, as is what the slot holds already. The reply to the last byte comes after the whole payload
// was hashed. The new object runs after `test` or `confirm`, and a reset.
//
// One thread, no memory of its own but what is in the object. The owner gives it every byte that arrives, in order:
//
//     if (server.receive(byte)) continue;         // it was SMP's
//     ...frames, text...
//     if (!server.busy()) link.poll();            // an Installer serves one of them at a time
//     server.poll();                              // once per turn of the loop; true: come back at once
//     n = uart.write(server.output()); server.sent(n);
//     if (server.wants_reset() && uart.drained()) port.reset(...);
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "common/wire/cbor.hpp"
#include "common/wire/smp.hpp"
#include "firmware/update/installer.hpp"
#include "firmware/update/parts.hpp"

namespace tml::fw::boot {

class SmpServer {
 public:
  static constexpr std::size_t kPacketBytes = 1024;  ///< Told as buf_size.
  static constexpr std::size_t kReplyBytes = 1024;

  /// `window` is the engine's (Memory::window); its first chunk is used while an upload is under way.
  SmpServer(update::Installer& installer, const update::Parts& parts, std::span<std::uint8_t> window);
  SmpServer(const SmpServer&) = delete;
  SmpServer& operator=(const SmpServer&) = delete;

  /// True: the byte is part of an SMP line. The first byte of a line (0x06 or 0x04) is not claimed, since a frame may
  /// begin with it: drop what frame and text readers hold when the claim comes. A line is never looked for inside a
  /// frame (0x00, any, 0x10 to 0x16).
  bool receive(std::uint8_t byte);

  /// Goes on with what is under way: at most one step of the Installer. True: call again soon.
  bool poll();

  /// Bytes for the line, and how many of them were taken.
  [[nodiscard]] std::span<const std::uint8_t> output() const;
  void sent(std::size_t count);

  /// A request is under way that works with the Installer: only poll() may step it now.
  [[nodiscard]] bool busy() const { return doing_ != Doing::nothing; }

  /// A client asked for a reset and its reply has been taken from output().
  [[nodiscard]] bool wants_reset() const { return reset_asked_ && output().empty(); }
  /// A valid request has come since the last call.
  [[nodiscard]] bool take_used() { return std::exchange(used_, false); }

 private:
  static constexpr std::uint8_t kNoFrame = 0xFF;
  static constexpr std::uint8_t kDataLane = 3;  // the image number of the data slot
  enum class Doing : std::uint8_t { nothing, upload, decision };
  enum class Stage : std::uint8_t { idle, index, manifest, list, payload, commit, done };
  struct Upload {
    Stage stage = Stage::idle;
    std::uint8_t lane = 0;
    std::uint8_t slot = wire::flash::kNoSlot;
    std::uint8_t object = 0;     // of the bundle
    std::uint8_t objects = 0;    // 1 for a bare object
    std::uint16_t entry = 0;     // of the chunk list, next one
    std::uint16_t chunk = 0;     // the one in assembly
    std::uint32_t transfer = 0;  // Installer::transfer_number() of it
    std::uint32_t total = 0;     // length of what is uploaded
    std::uint32_t off = 0;       // next byte that is wanted
    std::uint32_t payload_start = 0;
    std::uint32_t held = 0;  // bytes in head_ or in the window
    std::array<std::byte, wire::flash::kHashBytes> sha{};
    bool has_sha = false;
  };
  struct Packet {
    std::array<std::byte, kPacketBytes> bytes{};
    std::size_t size = 0;  // 0: free
  };

  void packet_arrived();
  void serve();
  void serve_os(const wire::smp::Request& request);
  void serve_image(const wire::smp::Request& request);
  void end_request();

  void decide(const wire::smp::Request& request);
  void upload(const wire::smp::Request& request);
  void begin_upload(const wire::smp::Request& request);
  [[nodiscard]] bool owns_transfer() const;
  void go_on();
  void eat();
  [[nodiscard]] bool gather(std::span<std::byte> into, std::size_t want);
  void jump(std::uint32_t to);
  void read_index();
  void next_object();
  void read_manifest();
  void read_list();
  void read_payload();
  void next_missing();
  void commit();
  void done();
  void act(const update::Progress& progress);
  void fail_upload(wire::smp::Rc rc, std::string_view why);
  [[nodiscard]] std::uint8_t target_slot(std::uint8_t lane) const;
  [[nodiscard]] std::uint8_t slot_with(std::span<const std::byte> hash);

  [[nodiscard]] std::span<std::byte> body() { return std::span(plain_).subspan(wire::smp::kHeaderBytes); }
  void reply(wire::CborWriter& writer);
  [[nodiscard]] static wire::smp::Rc rc_of(wire::flash::Status status);
  void reply_rc(wire::smp::Rc rc, std::string_view why = {});
  void reply_status(wire::flash::Status status);
  void reply_off();
  void reply_images();

  update::Installer& installer_;
  const update::Parts& parts_;
  std::span<std::uint8_t> window_;
  std::array<Packet, 2> packets_;  // filled and served in turn
  std::uint8_t filling_ = 0;
  std::uint8_t serving_ = 0;
  wire::smp::Assembler assembler_;
  bool inside_ = false;  // a line of ours
  // What has come since the last 0x00 tells whether a frame is open.
  std::uint8_t frame_bytes_ = kNoFrame;
  std::uint64_t last_byte_us_ = 0;

  Doing doing_ = Doing::nothing;
  wire::smp::Header request_;
  std::span<const std::byte> data_;  // of the request under way, not yet eaten
  Upload upload_;
  std::array<std::byte, wire::flash::kManifestBytes> head_{};
  std::array<std::uint32_t, wire::flash::kMaxBundleObjects> object_offsets_{};

  std::array<std::byte, wire::smp::kHeaderBytes + kReplyBytes> plain_{};
  std::array<std::byte, (kReplyBytes + wire::smp::kHeaderBytes + 4) * 3 / 2> out_{};
  std::size_t out_size_ = 0;
  std::size_t out_sent_ = 0;
  bool reset_asked_ = false;
  bool used_ = false;
};

}  // namespace tml::fw::boot
