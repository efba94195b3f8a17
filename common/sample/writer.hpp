// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Writes acquisition documents on the host: JSON byte for byte as JSON.stringify would (wire reference 3.3, 6.2) and
// CBOR as the C SDK does (wire reference 6.3). The signature field is written as 64 zeros, to be patched by
// Signer::sign, or as "00" for alg none. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/error.hpp"
#include "common/sample/document.hpp"

namespace tml::sample {

struct Header {
  bool hs256 = true;                        ///< false: alg "none", signature "00".
  std::optional<std::int64_t> issued_at_s;  ///< protected.iat; left out when empty.
  std::string nonce;                        ///< protected.nonce; left out when empty.
  std::string device_name;                  ///< Left out when empty.
  std::string device_type;
  double interval_ms = 0;
  std::vector<Sensor> sensors;
  bool flatten_single_axis = false;  ///< One axis: [v,v,...] instead of [[v],[v],...].
};

/// `values` is row-major with one number per sensor. Errc::usage when its size is no multiple of the sensors, or a
/// number is not finite.
[[nodiscard]] Result<std::string> write_json(const Header& header, std::span<const double> values);
/// Numbers take the shortest exact of half, single and double.
[[nodiscard]] Result<std::string> write_cbor(const Header& header, std::span<const double> values);
/// CBOR header with "Ref-BINARY-i16", padded so that the samples start at an even offset, then the samples (wire
/// reference 6.5). One sensor.
[[nodiscard]] Result<std::string> write_cbor_binary(const Header& header, std::span<const std::int16_t> values);

/// A number as ECMAScript's Number::toString writes it ("-9.81", "1e-7", "100000000000000000000"); `value` must be
/// finite.
void append_json_number(std::string& out, double value);
/// Quoted and escaped as JSON.stringify does; invalid UTF-8 is replaced by U+FFFD.
void append_json_string(std::string& out, std::string_view text);

}  // namespace tml::sample
