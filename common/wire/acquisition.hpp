// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Acquisition documents (wire reference section 6) written and signed while they stream: nothing of the sample is
// buffered, so a board signs a recording that is larger than its memory.
//
// The MAC runs over the document with 64 ASCII zeros in the signature field. The writer sends those zeros to the sink;
// when finish() has returned the 64 hexadecimal characters, the caller overwrites the zeros at signature_offset().
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/wire/bytes.hpp"

namespace tml::wire {

/// HMAC-SHA256 keyed by whoever made it (the key is the UTF-8 text, not decoded hex).
class Mac {
 public:
  virtual void update(std::span<const std::byte> bytes) = 0;
  virtual void finish(std::span<std::byte, 32> out) = 0;

 protected:
  ~Mac() = default;
};

inline constexpr std::size_t kSignatureSize = 64;
using SignatureHex = std::array<char, kSignatureSize>;

struct AcquisitionSensor {
  std::string_view name;
  std::string_view units;
};

/// Views must live until begin() returns.
struct AcquisitionHeader {
  std::string_view device_name;  ///< empty = left out
  std::string_view device_type;
  double interval_ms = 0;
  std::span<const AcquisitionSensor> sensors;
  std::optional<std::int64_t> iat{};                 ///< seconds since 1970; left out on boards without a clock
  std::optional<std::array<std::byte, 16>> nonce{};  ///< random; written as 32 hex characters under protected
};

/// Upper bound of the header's size, for callers that reserve room for it (the writer itself streams it).
[[nodiscard]] std::size_t acquisition_header_bound(const AcquisitionHeader& header);

/// One document: begin (or begin_bulk_i16), readings, finish. After a failure every call gives the same error.
class AcquisitionWriter {
 public:
  /// `scratch` holds the header while it is encoded (acquisition_header_bound) and later single readings; at least 64
  /// bytes. All three must outlive the writer; `mac` must be fresh.
  AcquisitionWriter(Mac& mac, ByteSink sink, std::span<std::byte> scratch);

  /// CBOR form (6.3): everything up to the open `values` array.
  [[nodiscard]] Result<void> begin(const AcquisitionHeader& header);
  /// Bulk form (6.5) for exactly one sensor: the header with `Ref-BINARY-i16`, padded by blanks so that the samples
  /// begin at a multiple of `alignment` (1, 2, 4 or 8).
  [[nodiscard]] Result<void> begin_bulk_i16(const AcquisitionHeader& header, std::size_t alignment = 4);

  /// One reading: as many values as sensors (else Errc::malformed). One sensor gives a bare number, several an array.
  /// NaN and infinities are written as they are.
  [[nodiscard]] Result<void> reading(std::span<const float> values);
  [[nodiscard]] Result<void> reading(std::span<const std::int16_t> values);
  /// Many readings at once, reading-major; the size must be a multiple of the sensor count. In the bulk form:
  /// little-endian samples.
  [[nodiscard]] Result<void> readings(std::span<const float> values);
  [[nodiscard]] Result<void> readings(std::span<const std::int16_t> values);

  /// Closes the document (CBOR form: 0xFF) and gives the signature.
  [[nodiscard]] Result<SignatureHex> finish();
  /// Hands what is in the scratch memory to the sink; finish() does it too.
  [[nodiscard]] Result<void> flush();

  /// Where the 64 zeros stand; valid after begin.
  [[nodiscard]] std::size_t signature_offset() const { return signature_offset_; }
  /// Bytes of the document so far; the last ones may still be in the scratch memory.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Readings so far.
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  enum class State : std::uint8_t { fresh, values, bulk, finished, failed };
  [[nodiscard]] Result<void> start(const AcquisitionHeader& header, bool bulk, std::size_t alignment);
  [[nodiscard]] Result<void> emit(std::span<const std::byte> bytes);
  [[nodiscard]] Result<void> give_up(Errc code);
  template <class Value>
  [[nodiscard]] Result<void> rows(std::span<const Value> values);
  [[nodiscard]] Result<void> bulk(std::span<const std::int16_t> values);
  void text(std::string_view value);
  template <class Encode>
  void item(Encode encode);

  Mac& mac_;
  ByteSink sink_;
  std::span<std::byte> scratch_;
  std::size_t held_ = 0;  // bytes in scratch_
  State state_ = State::fresh;
  Errc error_ = Errc::bad_state;
  std::size_t axes_ = 0;
  std::size_t signature_offset_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace tml::wire
