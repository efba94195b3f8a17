// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Says what a live byte stream is: text lines, frames, or garbage as a wrong baud rate gives (docs/stream.md,
// "Recognising a stream"). It keeps what it saw, so that the reader chosen starts with the first byte, and gives a
// score so that baud rates can be compared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/stream/frame_reader.hpp"
#include "common/stream/text_reader.hpp"
#include "common/stream/types.hpp"

namespace tml::stream {

enum class StreamKind : std::uint8_t {
  unknown,  ///< Too little yet.
  text,
  frames,
  garbage,  ///< Bytes in plenty and no reading among them: wrong baud rate, or another protocol.
};
[[nodiscard]] std::string_view stream_kind_name(StreamKind kind);

struct Verdict {
  StreamKind kind = StreamKind::unknown;
  /// 0 (noise) to 1 (every byte belongs to a good reading or message). Compares rates of one board.
  double score = 0;
  std::uint64_t bytes = 0;     ///< Looked at.
  std::uint64_t readings = 0;  ///< Numeric lines, or readings in good frames.
};

class Detector {
 public:
  static constexpr std::size_t kMaxBytes = 16'384;    ///< What is kept; a stream not recognised by then is garbage.
  static constexpr std::size_t kGarbageBytes = 2048;  ///< Without a good line or frame.

  Detector();
  /// Looks at more bytes. After a kind was found, further bytes are neither looked at nor kept.
  void push(std::span<const std::byte> bytes, Time arrival);
  [[nodiscard]] const Verdict& verdict() const { return verdict_; }
  /// Decides with what is there: text with one numeric line, frames with one good frame, else garbage (no bytes:
  /// unknown).
  const Verdict& decide();
  /// Hands over everything that was pushed, in the pieces and with the times it came. The detector is empty afterwards
  /// and its verdict stays.
  void replay(wire::FunctionRef<void(std::span<const std::byte>, Time)> sink);

 private:
  struct Piece {
    std::size_t size = 0;
    Time arrival{0};
  };
  void look(std::span<const std::byte> bytes, Time arrival);
  void judge(bool final);

  Verdict verdict_;
  std::vector<std::byte> kept_;
  std::vector<Piece> pieces_;
  TextReader text_;
  FrameReader frames_;
  std::uint64_t plain_bytes_ = 0;   // Printable ASCII, blanks, CR, LF.
  std::uint64_t framed_bytes_ = 0;  // In good frames.
  std::uint64_t since_zero_ = 0;
  std::uint64_t good_frames_ = 0;
  std::uint64_t checked_frames_ = 0;
  std::uint64_t good_lines_ = 0;
};

}  // namespace tml::stream
