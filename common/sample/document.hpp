// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Reads acquisition documents: JSON, CBOR, and a CBOR header followed by raw little-endian samples
// (docs/sample-format.md; wire reference 6.1, 6.3, 6.5, 6.6). One pass over the caller's bytes, which are borrowed for
// the call only; no tree of the values is built, so a summary of a 100 MiB document costs its strings. Every bound in
// Limits is checked while reading; hostile input costs time proportional to its size.
//
// Pure functions: no files, no globals, any thread. Errors: Errc::malformed (where = offset in bytes), Errc::limit
// (which bound).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"

namespace tml::sample {

using Bytes = std::span<const std::byte>;

/// The characters of a string as bytes; borrows.
[[nodiscard]] inline Bytes as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline constexpr std::size_t kSignatureChars = 64;  ///< Hex SHA-256 (wire reference 6.2).
inline constexpr std::size_t kNoOffset = std::numeric_limits<std::size_t>::max();

struct Limits {
  std::size_t max_bytes = std::size_t{100} * 1024 * 1024;  ///< Whole document (wire reference 6.7).
  std::size_t max_depth = 16;                              ///< Nesting of maps and arrays, unknown keys included.
  std::size_t max_axes = 20;                               ///< Sensors per document (wire reference 6.7).
  std::size_t max_string_bytes = 1024;  ///< Any text in a known field; unknown fields only count towards max_bytes.
  std::size_t max_values = std::size_t{64} * 1024 * 1024;  ///< Numbers in `values` and in a binary tail.
  std::size_t max_keys = 10'000;                           ///< Map entries in the whole document.
};

enum class Format : std::uint8_t {
  json,
  cbor,
  cbor_binary,  ///< CBOR header, then raw little-endian numbers to the end of the file (wire reference 6.5).
};

enum class Algorithm : std::uint8_t {
  none,
  hs256,
  other,  ///< Kept and shown, never verified.
};

enum class BinaryType : std::uint8_t { none, u8, u16, u32, i8, i16, i32, f32 };

struct Sensor {
  std::string name;
  std::string units;
  friend bool operator==(const Sensor&, const Sensor&) = default;
};

/// A document whose one value names a file sent beside it (wire reference 6.6).
struct Attachment {
  std::string mime;
  std::uint64_t size_bytes = 0;
  std::string hmac_hex;
};

/// Everything about a document but its values.
struct Document {
  Format format = Format::json;
  Algorithm algorithm = Algorithm::none;
  std::string algorithm_name;               ///< As written: "HS256", "none".
  std::string version;                      ///< protected.ver: "v1".
  std::optional<std::int64_t> issued_at_s;  ///< protected.iat, seconds since 1970.
  std::string nonce;      ///< protected.nonce (ours): text as written, or the hex of a byte string. May be empty.
  std::string signature;  ///< As written.
  std::size_t signature_offset =
      kNoOffset;            ///< Of the first signature character, when it stands in the bytes unescaped.
  std::string device_name;  ///< May be empty.
  std::string device_type;
  double interval_ms = 0;  ///< 0 for single readings and images.
  std::vector<Sensor> sensors;
  std::uint64_t readings = 0;  ///< Rows: one number per sensor each. 0 for an attachment.
  double duration_ms = 0;      ///< readings * interval_ms.
  BinaryType binary_type = BinaryType::none;
  std::size_t binary_offset = kNoOffset;  ///< First byte of the raw samples (Format::cbor_binary only).
  std::optional<Attachment> attachment;

  /// 1000 / interval_ms, or 0.
  [[nodiscard]] double frequency_hz() const { return interval_ms > 0 ? 1000.0 / interval_ms : 0.0; }
};

/// The numbers of a document, row-major: reading r, axis a at data[r * axes + a].
struct Values {
  std::size_t axes = 0;
  std::vector<float> data;
  [[nodiscard]] std::size_t readings() const { return axes == 0 ? 0 : data.size() / axes; }
};

/// First non-blank byte `{` = JSON, a CBOR map head = CBOR; Errc::malformed for anything else.
[[nodiscard]] Result<Format> detect_format(Bytes bytes);

/// Checks the whole document and returns its summary.
/// Malformed is also: a row whose length is not the number of sensors, no sensors, no device_type, a known key given
/// twice, a number that is not finite, bytes after the document (up to 8 bytes 0xFF after CBOR apart: flash padding,
/// wire reference 6.4).
[[nodiscard]] Result<Document> parse(Bytes bytes, const Limits& limits = {});

struct Parsed {
  Document document;
  Values values;
};

/// parse() plus the numbers, converted to float. An attachment has none.
[[nodiscard]] Result<Parsed> parse_values(Bytes bytes, const Limits& limits = {});

/// "application/json", "application/cbor" or "application/octet-stream" (wire reference 2.7, 6.5).
[[nodiscard]] std::string_view content_type_for(Format format);
[[nodiscard]] std::string_view format_name(Format format);
/// "i16"; empty for none.
[[nodiscard]] std::string_view binary_type_name(BinaryType type);
/// Bytes of one number; 0 for none.
[[nodiscard]] std::size_t binary_type_bytes(BinaryType type);

}  // namespace tml::sample
