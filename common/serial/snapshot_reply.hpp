// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a board answers to AT+SNAPSHOT and AT+SNAPSHOTSTREAM (wire reference 1.11), as text -> picture. Pure; memory
// bounded by the text given. Private to common/serial, apart from tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/serial/at_types.hpp"

namespace tml::serial {

/// Pixels of one picture that are taken at most: 8192 x 8192 would be 256 MiB of base64.
inline constexpr std::uint64_t kMaxSnapshotPixels = std::uint64_t{16} << 20U;
/// Characters of base64 that a picture of this size can have: three bytes per pixel, or a JPEG no larger than that and
/// 4 KiB (a JPEG of very few pixels is larger than they are).
[[nodiscard]] std::size_t snapshot_text_limit(SnapshotSize size);

/// Decodes one line of base64 and tells raw pixels from JPEG by the length (1 or 3 bytes per pixel: raw; else it must
/// begin FF D8 and have 125 bytes or more). Errc::garbage for what is neither.
[[nodiscard]] Result<SnapshotImage> decode_snapshot(std::string_view base64, SnapshotSize size);

/// The whole answer to AT+SNAPSHOT without echo and prompt: its last line that is neither empty nor `ok` nor `okok` in
/// any case. Errc::refused with the board's words for an answer that has an error line (`ERR:` and those that older
/// firmware prints without it).
[[nodiscard]] Result<SnapshotImage> parse_snapshot_reply(std::string_view body, SnapshotSize size);

/// One line of a stream.
enum class StreamLine : std::uint8_t {
  frame,  ///< 100 characters or more.
  error,  ///< Begins with `ERR:`.
  other,  ///< Settings, OK between pictures, anything short: of no meaning.
};
[[nodiscard]] StreamLine classify_stream_line(std::string_view line);

/// `OK` or `OKOK`, in any case, blanks around it.
[[nodiscard]] bool is_ok_line(std::string_view line);

}  // namespace tml::serial
