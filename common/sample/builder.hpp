// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Private to common/sample: turns the events of a JSON or CBOR reader into a Document, so that the meaning of the
// format is written once.
//
// Each event returns false when reading must stop; error() then says why. Known keys are recognised by where they
// stand; everything else is skipped, but counted and bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/sample/document.hpp"

namespace tml::sample {

class Builder {
 public:
  /// `values` may be null: then the numbers are counted only.
  Builder(const Limits& limits, std::vector<float>* values) : limits_(limits), values_(values) {}

  [[nodiscard]] bool begin_map();
  [[nodiscard]] bool key(std::string_view name);
  [[nodiscard]] bool end_map() { return leave(); }
  [[nodiscard]] bool begin_array();
  [[nodiscard]] bool end_array();
  [[nodiscard]] bool number(double value);
  [[nodiscard]] bool integer(std::int64_t value);
  /// `offset`: where the text stands unescaped in the input, else kNoOffset.
  [[nodiscard]] bool text(std::string_view value, std::size_t offset);
  [[nodiscard]] bool bytes(std::string_view value);
  /// true, false, null and anything else that no known field may hold.
  [[nodiscard]] bool other();

  /// Records a reader's own error; always false.
  [[nodiscard]] bool stop(Errc code, std::string what);
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

  /// After the last event: checks what must be there. `tail_bytes` is what follows the CBOR item.
  [[nodiscard]] Result<Document> finish(Format format, std::size_t item_end, std::size_t tail_bytes);

 private:
  enum class Place : std::uint8_t { outside, root, protected_map, payload, sensors, sensor, values, row, unknown };
  enum class Field : std::uint8_t {
    none,
    protected_map,
    signature,
    payload,
    ver,
    alg,
    iat,
    nonce,
    device_name,
    device_type,
    interval,
    sensors,
    values,
    name,
    units,
  };

  [[nodiscard]] Field field_for(Place place, std::string_view name) const;
  [[nodiscard]] bool enter(Place place);
  [[nodiscard]] bool leave();
  [[nodiscard]] bool value_number(double value);
  [[nodiscard]] bool reference(std::string_view value);
  [[nodiscard]] Place place() const { return places_.empty() ? Place::outside : places_.back(); }
  [[nodiscard]] bool seen(Field field) const { return (seen_ >> static_cast<unsigned>(field) & 1U) != 0; }
  [[nodiscard]] bool wrong_type(std::string_view got);

  const Limits& limits_;
  std::vector<float>* values_;
  Document document_;
  std::vector<Place> places_;
  Field field_ = Field::none;
  std::uint32_t seen_ = 0;         ///< One bit per Field outside the sensors.
  std::uint32_t sensor_seen_ = 0;  ///< The same within the current sensor.
  std::size_t keys_ = 0;
  std::uint64_t numbers_ = 0;
  std::uint64_t rows_ = 0;
  std::uint64_t row_length_ = 0;   ///< Of the first row.
  std::uint64_t row_numbers_ = 0;  ///< In the current row.
  bool flat_ = false;
  bool done_ = false;
  std::optional<Error> error_;
};

[[nodiscard]] bool read_json(Bytes bytes, Builder& builder);
/// Reads one CBOR item; `item_end` is the offset of the byte after it.
[[nodiscard]] bool read_cbor(Bytes bytes, const Limits& limits, Builder& builder, std::size_t& item_end);

/// Converts `count` little-endian numbers.
void append_binary(BinaryType type, Bytes raw, std::vector<float>& out);
[[nodiscard]] BinaryType binary_type_from(std::string_view name);

}  // namespace tml::sample
