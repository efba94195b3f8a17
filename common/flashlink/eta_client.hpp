// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Client for the ECM3532 bootloader (AI Sensor board), wire reference 8.1, with the rules that make it survive a bad
// line: a block that the board has already is a success (its acknowledgement was lost), "expected n" says where to go
// on, a wrong checksum is sent again, and an image that the board would refuse at the end is refused at once.
//
// Coroutines over a ByteStream at the rate of the application. Nothing sleeps except --serial-write-pacing, which is a
// rate. Errors: Errc::malformed and limit (the image), refused (NACK), unsupported (bootloader version), timeout,
// unplugged, interrupted.
//
// Not thread-safe. Stream and image outlive the operation.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "common/serial/byte_stream.hpp"

namespace tml::flashlink {

inline constexpr std::uint32_t kEtaBaud = 460'800;           ///< wire reference 8.1
inline constexpr std::uint32_t kEtaImageStart = 0x01005000;  ///< 8.2: where images lie and reset vectors point behind
inline constexpr std::uint32_t kEtaRamStart = 0x10000000;    ///< 8.2: the initial stack pointer lies here...
inline constexpr std::uint32_t kEtaRamEnd = 0x1FFFFFFF;      ///< ...to here
inline constexpr std::size_t kEtaMaxImage = 8U << 20U;

struct EtaOptions {
  std::uint32_t baud = kEtaBaud;
  bool skip_reset = false;    ///< The board is in its bootloader already.
  bool write_pacing = false;  ///< 5 bytes per 5 ms.
  /// With skip_reset: asks the bootloader which block it waits for, and goes on there instead of from the start. For
  /// an upload of the same image that was cut off; another image is noticed at the end and then sent whole.
  bool resume = false;
  unsigned attempts = 4;  ///< Per command, after a lost or damaged reply.
};

struct EtaResult {
  std::string version;  ///< Of the bootloader.
  std::uint32_t block_bytes = 0;
  std::uint32_t blocks = 0;
  std::uint32_t resumed_at = 0;  ///< Blocks that the board had already (resume).
  std::uint32_t resent = 0;
};

/// What the user should know while it runs.
struct EtaEvents {
  std::function<void(std::string_view)> say;  ///< "Press the RESET button on the board"
  std::function<void(std::uint32_t done, std::uint32_t blocks)> progress;
};

/// Size, and the vectors as the bootloader checks them at the end (8.2). Errc::malformed, limit.
[[nodiscard]] Result<void> check_eta_image(std::span<const std::byte> image);

/// The signed decimal CRC-32 of the protocol.
[[nodiscard]] std::string eta_crc(std::span<const std::byte> bytes);

/// The whole of it: into the bootloader, the image, back into the application.
[[nodiscard]] serial::Awaitable<Result<EtaResult>> eta_flash(serial::ByteStream& stream,
                                                             std::span<const std::byte> image, EtaOptions options,
                                                             EtaEvents events);

}  // namespace tml::flashlink
