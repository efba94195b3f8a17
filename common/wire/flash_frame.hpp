// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Frames of the flash link: what travels between tml-flash and a board, and how bytes are told from noise.
// docs/flash-link.md has the grammar, worked examples in hex and the downsides.
//
//     frame  = 0x00 *0x00 COBS( body || crc ) 0x00      crc = CRC-32C( session LE || body ), 4 bytes LE
//     body   = 0x10 id op payload                       request    host to board
//            / 0x11 id op status payload                reply      board to host
//            / 0x12 granule bytes                       data, as it is to be stored
//            / 0x13 granule size-1 bytes                data, raw deflate (RFC 1951)
//            / 0x14 granule size-1 bytes                data, raw deflate against a piece of the base slot
//            / 0x15 ack                                 board to host
//            / 0x16 op payload                          event      board to host, unasked
//
// Little endian. Two frames in a row may share the 0x00 between them. `session` is not sent: it is mixed into the CRC,
// so that a frame of another session is not accepted, and costs nothing; HELLO and its reply use session 0.
//
// A *granule* is 64 bytes of a chunk as it is sent, a *chunk* 4096 bytes of the object as it is stored (the last one
// may be shorter). Granule g belongs to chunk g / 64. A data frame carries whole granules of one chunk, from 1 on;
// only the last granule of a chunk may be short. A frame is thereby retransmitted in any division, and a receiver
// needs 64 bits per chunk to know what is missing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/wire/cobs.hpp"
#include "common/wire/errc.hpp"

namespace tml::wire::flash {

inline constexpr std::size_t kGranuleBytes = 64;
inline constexpr std::size_t kChunkBytes = 4096;  ///< = the erase unit of the flash.
inline constexpr std::size_t kGranulesPerChunk = kChunkBytes / kGranuleBytes;
inline constexpr std::size_t kMaxChunks = 256;           ///< Per object: 1 MiB.
inline constexpr std::size_t kMaxWindow = 8;             ///< Chunks that a receiver may assemble at a time.
inline constexpr std::size_t kMinFramePayload = 512;     ///< Every endpoint takes this much.
inline constexpr std::size_t kMaxFramePayload = 2048;    ///< Payload of data: 32 granules.
inline constexpr std::size_t kMaxFrameOverhead = 5 + 4;  ///< Longest body head, and the CRC.
inline constexpr std::size_t kMaxFrameBytes = kMaxFramePayload + kMaxFrameOverhead;  ///< Decoded.
/// Encoded, with a delimiter at both ends.
inline constexpr std::size_t kMaxEncodedFrame = cobs_max_encoded(kMaxFrameBytes) + 2;

enum class Kind : std::uint8_t {
  request = 0x10,
  reply = 0x11,
  data_raw = 0x12,
  data_deflate = 0x13,
  data_delta = 0x14,
  ack = 0x15,
  event = 0x16,
};

/// How the bytes of a chunk are sent. `delta`: the stream begins with the u32 byte offset in the base slot of the 4096
/// bytes that the deflate stream takes as its preset dictionary.
enum class Encoding : std::uint8_t { raw = 0, deflate = 1, delta = 2 };

/// A decoded frame; its payload lies in the decoder's memory and is valid until its next byte.
struct Frame {
  Kind kind = Kind::request;
  std::uint8_t id = 0;              ///< Request, reply: chosen by the host, never 0; a repeated id repeats the reply.
  std::uint8_t op = 0;              ///< Request, reply, event: Op of flash_link.hpp.
  std::uint8_t status = 0;          ///< Reply: Status of flash_link.hpp.
  std::uint16_t granule = 0;        ///< Data: index of the first one.
  std::uint16_t encoded_bytes = 0;  ///< Data: size of the whole chunk as sent, 1 to 4096; 0 in data_raw.
  std::span<const std::byte> payload;
};

/// Writes 0x00, the frame and 0x00 to `out`. Number of bytes, or Errc::overflow (also for a payload above
/// kMaxFramePayload). Without `leading_zero` the first 0x00 is left out: for frames that follow one another directly.
[[nodiscard]] Result<std::size_t> encode_frame(const Frame& frame, std::uint16_t session, bool leading_zero,
                                               std::span<std::byte> out);

/// Checks CRC and grammar of what a CobsDecoder gave back. Errc::bad_checksum, or Errc::malformed for a right CRC
/// around something that is no frame. `session` is the one under way; a frame of session 0 is tried too when
/// `accept_hello` is set, and then must be a HELLO request or its reply.
struct Parsed {
  Frame frame;
  std::uint16_t session = 0;  ///< The one that its CRC was made with.
};
[[nodiscard]] Result<Parsed> parse_frame(std::span<const std::byte> decoded, std::uint16_t session, bool accept_hello);

}  // namespace tml::wire::flash
