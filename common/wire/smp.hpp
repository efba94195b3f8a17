// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// SMP, the management protocol of MCUboot and Zephyr, over a text console. Both ends use this: our bootloader's server
// and the host's client for other bootloaders. docs/other-bootloaders.md has a worked example in hex.
//
//     packet = header body                              body: one CBOR map
//     header = version/op  flags  length  group  sequence  id     8 bytes, big endian; length: of the body
//     line   = 0x06 0x09 base64( u16 n, packet... ) LF   the first; n = bytes of packet + 2
//            / 0x04 0x14 base64( packet... ) LF          those that follow; the last one ends with the CRC
//     crc    = CRC-16/XMODEM of the packet, big endian
//
// A line has at most 127 bytes, so 124 characters of base64, and each is decoded by itself. Sources: Zephyr "SMP
// Protocol Specification", "SMP Transport Specification" and "SMP Groups" (0: OS, 1: images); MCUboot "Serial
// recovery".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/wire/crc.hpp"
#include "common/wire/errc.hpp"

namespace tml::wire::smp {

inline constexpr std::size_t kHeaderBytes = 8;
inline constexpr std::size_t kLineBytes = 127;       ///< Markers and line end included.
inline constexpr std::size_t kLineCharacters = 124;  ///< Of base64: 93 bytes.
inline constexpr std::size_t kLinePayload = kLineCharacters / 4 * 3;

/// Group 0 and 1 of the specification; error replies may come from any.
enum class Group : std::uint16_t { os = 0, image = 1 };
enum class Op : std::uint8_t { read = 0, read_reply = 1, write = 2, write_reply = 3 };
inline constexpr std::uint8_t kOsEcho = 0;
inline constexpr std::uint8_t kOsEchoControl = 1;
inline constexpr std::uint8_t kOsReset = 5;
inline constexpr std::uint8_t kOsParameters = 6;
inline constexpr std::uint8_t kImageState = 0;
inline constexpr std::uint8_t kImageUpload = 1;

/// The codes of "rc" (Zephyr: mcumgr_err_t).
enum class Rc : std::uint16_t {
  ok = 0,
  unknown = 1,
  no_memory = 2,
  invalid = 3,
  timeout = 4,
  no_entry = 5,
  bad_state = 6,
  too_large = 7,
  not_supported = 8,
  corrupt = 9,
  busy = 10,
  access_denied = 11,
  too_old = 12,
  too_new = 13,
};
/// "not supported"; empty for a number that the specification does not name.
[[nodiscard]] std::string_view rc_text(std::uint64_t rc);

struct Header {
  std::uint8_t version = 1;  ///< 0: SMP version 1, errors as "rc" alone; 1: version 2, errors as "err" too.
  Op op = Op::read;
  std::uint16_t body_bytes = 0;
  std::uint16_t group = 0;
  std::uint8_t sequence = 0;
  std::uint8_t id = 0;
};
void put_header(const Header& header, std::span<std::byte, kHeaderBytes> out);
/// Errc::truncated, malformed (reserved bits, another length than the packet has), unsupported (version 2 or 3 of the
/// field).
[[nodiscard]] Result<Header> parse_header(std::span<const std::byte> packet);

/// The fields of groups 0 and 1 that either end reads; views into the body. What is missing is empty.
struct Fields {
  std::optional<std::uint64_t> off, len, image, rc, buf_size, buf_count, err_group, err_rc;
  std::optional<bool> confirm, match, upgrade;
  std::optional<std::span<const std::byte>> data, sha, hash;
  std::optional<std::string_view> d, r, rsn;
};
/// Reads one map; keys that it does not know are skipped, a known key of another type is Errc::wrong_type. An empty
/// body is an empty map.
[[nodiscard]] Result<Fields> parse_fields(std::span<const std::byte> body);

/// What a server reads of a request; views into the body. A name that is missing is empty, 0 or false.
struct Request {
  std::optional<std::uint64_t> off, len;
  std::uint64_t image = 0;
  bool confirm = false;
  std::string_view d;
  std::optional<std::span<const std::byte>> data, sha, hash;
};
/// As parse_fields() with these keys alone. False: what it would give an error for.
[[nodiscard]] bool parse_request(std::span<const std::byte> body, Request& into);

/// Bytes on the line for a packet of `packet_bytes`.
[[nodiscard]] std::size_t encoded_bytes(std::size_t packet_bytes);
/// Writes all lines of a packet. Errc::overflow, or Errc::limit for a packet above 65533 bytes.
[[nodiscard]] Result<std::size_t> encode_lines(std::span<const std::byte> packet, std::span<std::byte> out);

/// Puts packets together from the bytes of a line; whatever is no SMP line passes by. The memory holds one packet and
/// its CRC and stays the caller's. Bounded work per byte.
class Assembler {
 public:
  enum class Event : std::uint8_t {
    outside,   ///< The byte belongs to no SMP line; nothing happened.
    inside,    ///< It belongs to one.
    packet,    ///< It ended a line, and packet() is whole and its CRC right.
    rejected,  ///< It ended a line of a packet that was dropped: see error().
  };

  explicit Assembler(std::span<std::byte> memory) : memory_(memory) {}

  /// The second marker byte is the first that is `inside`. A line is looked for at the start, behind CR, LF or 0x00,
  /// and behind a line of SMP.
  [[nodiscard]] Event push(std::uint8_t byte);
  /// Without header checks. Valid until the next byte that is inside a line.
  [[nodiscard]] std::span<const std::byte> packet() const { return packet_; }
  /// Errc::limit (longer than the memory, or the line than 127 bytes), bad_character, bad_padding, truncated,
  /// malformed (more than was announced, or a continuation of nothing), bad_checksum.
  [[nodiscard]] Errc error() const { return error_; }
  /// A packet has begun and not ended.
  [[nodiscard]] bool open() const { return open_; }
  /// A marker may come now.
  void at_line_start() { state_ = State::start; }
  /// Gives up what is open.
  void reset();
  void use(std::span<std::byte> memory);

 private:
  enum class State : std::uint8_t { start, marker, line, elsewhere };
  void begin_line(bool first);
  void take(std::uint8_t character);
  void fail_with(Errc error);
  [[nodiscard]] Event end_line();
  void store(std::uint8_t byte);

  std::span<std::byte> memory_;
  std::span<const std::byte> packet_;
  State state_ = State::start;
  bool first_ = false;  // the line under way began a packet
  bool open_ = false;
  bool failed_ = false;  // the line under way is to be dropped with its packet
  std::uint8_t marker_ = 0;
  Errc error_ = Errc::malformed;
  std::uint8_t characters_ = 0;  // in the line
  std::uint8_t padding_ = 0;
  std::uint32_t group_ = 0;  // up to four characters of base64
  std::uint32_t announced_ = 0;
  std::uint8_t length_bytes_ = 0;  // of the announced length that have come
  std::size_t size_ = 0;
};

}  // namespace tml::wire::smp
