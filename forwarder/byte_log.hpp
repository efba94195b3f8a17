// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The log that --record writes and --replay reads: bytes with their arrival times (docs/tml-forwarder.md, "Byte log").
//
//   log    = "TMLBLOG1" { record }
//   record = kind u8 | ns varint | length varint | payload | crc u16 LE
//   kind   = 'i' information (a JSON object) | 'd' bytes as one read gave them | 'b' the stream was interrupted here
//
// ns is the time since the record before (the first: since an arbitrary start); varint is unsigned LEB128; crc is
// CRC-16/CCITT reflected (0xFFFF) over everything before it. Kinds that a reader does not know are skipped.
//
// Sans-I/O; not thread-safe. A log that ends within a record (a killed recorder) is good up to that record.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/base/error.hpp"
#include "common/stream/types.hpp"

namespace tml::forwarder {

inline constexpr std::string_view kByteLogMagic = "TMLBLOG1";
inline constexpr std::size_t kMaxLogPayload = std::size_t{1} << 20U;

enum class LogKind : char { information = 'i', data = 'd', interruption = 'b' };

/// Appends to a text that somebody writes to the file. Times must not decrease; one that does counts as the last.
class ByteLogWriter {
 public:
  static void begin(std::string& out) { out += kByteLogMagic; }
  /// `payload`: at most kMaxLogPayload bytes; more is cut into several records.
  void add(LogKind kind, stream::Time at, std::string_view payload, std::string& out);

 private:
  stream::Time last_{0};
};

struct LogRecord {
  char kind = 0;
  stream::Time at{0};
  std::string_view payload;  ///< Until the next call.
};

class ByteLogReader {
 public:
  /// More of the file.
  void push(std::string_view bytes);
  /// The next whole record. None: push more, or the end. Errc::malformed with the byte: no such log, or damaged there;
  /// what came before is good, and nothing more will come.
  [[nodiscard]] Result<std::optional<LogRecord>> next();
  /// Bytes of an unfinished record at the end of what was pushed.
  [[nodiscard]] std::size_t torn_bytes() const { return buffer_.size() - at_; }

 private:
  [[nodiscard]] std::optional<std::uint64_t> varint(std::size_t& at, bool& damaged) const;
  [[nodiscard]] tl::unexpected<Error> damaged(std::string what);

  std::string buffer_;
  std::size_t at_ = 0;          // Of the next record in buffer_.
  std::uint64_t consumed_ = 0;  // Bytes of the file before buffer_.
  stream::Time last_{0};
  bool begun_ = false;
  bool broken_ = false;
};

}  // namespace tml::forwarder
