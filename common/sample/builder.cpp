// SPDX-License-Identifier: Apache-2.0
#include "common/sample/builder.hpp"

#include <charconv>
#include <cmath>

namespace tml::sample {

namespace {

constexpr std::string_view kReference = "ref-binary-";
constexpr std::size_t kFlashPadding = 8;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool starts_with_reference(std::string_view text) {
  if (text.size() < kReference.size()) return false;
  for (std::size_t i = 0; i < kReference.size(); ++i) {
    if (lower(text[i]) != kReference[i]) return false;
  }
  return true;
}

}  // namespace

bool Builder::stop(Errc code, std::string what) {
  if (!error_) error_ = Error{code, std::move(what), {}, {}, {}};
  return false;
}

bool Builder::wrong_type(std::string_view got) {
  return stop(Errc::malformed, "acquisition document: a known field holds " + std::string(got));
}

Builder::Field Builder::field_for(Place place, std::string_view name) const {
  switch (place) {
    case Place::root:
      if (name == "protected") return Field::protected_map;
      if (name == "signature") return Field::signature;
      if (name == "payload") return Field::payload;
      return Field::none;
    case Place::protected_map:
      if (name == "ver") return Field::ver;
      if (name == "alg") return Field::alg;
      if (name == "iat") return Field::iat;
      if (name == "nonce") return Field::nonce;
      return Field::none;
    case Place::payload:
      if (name == "device_name") return Field::device_name;
      if (name == "device_type") return Field::device_type;
      if (name == "interval_ms") return Field::interval;
      if (name == "sensors") return Field::sensors;
      if (name == "values") return Field::values;
      return Field::none;
    case Place::sensor:
      if (name == "name") return Field::name;
      if (name == "units") return Field::units;
      return Field::none;
    default:
      return Field::none;
  }
}

bool Builder::enter(Place next) {
  if (places_.size() >= limits_.max_depth) {
    return stop(Errc::limit, "acquisition document nests deeper than " + std::to_string(limits_.max_depth) + " levels");
  }
  places_.push_back(next);
  field_ = Field::none;
  return true;
}

bool Builder::leave() {
  places_.pop_back();
  if (places_.empty()) done_ = true;
  field_ = Field::none;
  return true;
}

bool Builder::begin_map() {
  switch (place()) {
    case Place::outside:
      return enter(Place::root);
    case Place::sensors:
      if (document_.sensors.size() >= limits_.max_axes) {
        return stop(Errc::limit, "acquisition document has more than " + std::to_string(limits_.max_axes) + " sensors");
      }
      document_.sensors.emplace_back();
      sensor_seen_ = 0;
      return enter(Place::sensor);
    case Place::values:
    case Place::row:
      return wrong_type("a map in place of a number");
    default:
      break;
  }
  if (field_ == Field::protected_map) return enter(Place::protected_map);
  if (field_ == Field::payload) return enter(Place::payload);
  return field_ == Field::none ? enter(Place::unknown) : wrong_type("a map");
}

bool Builder::key(std::string_view name) {
  if (++keys_ > limits_.max_keys) {
    return stop(Errc::limit, "acquisition document has more than " + std::to_string(limits_.max_keys) + " keys");
  }
  field_ = field_for(place(), name);
  if (field_ == Field::none) return true;
  std::uint32_t& seen_here = place() == Place::sensor ? sensor_seen_ : seen_;
  const std::uint32_t bit = 1U << static_cast<unsigned>(field_);
  // Two readers could believe different ones, and only one of them would be what the signer meant.
  if ((seen_here & bit) != 0)
    return stop(Errc::malformed, "acquisition document: key given twice: " + std::string(name));
  seen_here |= bit;
  return true;
}

bool Builder::begin_array() {
  switch (place()) {
    case Place::outside:
      return stop(Errc::malformed, "acquisition document is not a map");
    case Place::sensors:
      return wrong_type("an array in place of a sensor");
    case Place::values:
      if (flat_) return stop(Errc::malformed, "acquisition document: values mix rows and bare numbers");
      row_numbers_ = 0;
      return enter(Place::row);
    case Place::row:
      return wrong_type("an array within a row");
    default:
      break;
  }
  if (field_ == Field::sensors) return enter(Place::sensors);
  if (field_ == Field::values) return enter(Place::values);
  return field_ == Field::none ? enter(Place::unknown) : wrong_type("an array");
}

bool Builder::end_array() {
  if (place() == Place::row) {
    if (rows_ == 0) row_length_ = row_numbers_;
    if (row_numbers_ == 0 || row_numbers_ != row_length_) {
      return stop(Errc::malformed, "acquisition document: row " + std::to_string(rows_) + " of values has " +
                                       std::to_string(row_numbers_) + " numbers, the first has " +
                                       std::to_string(row_length_));
    }
    ++rows_;
  }
  return leave();
}

bool Builder::value_number(double value) {
  if (place() == Place::values) {
    if (rows_ != 0) return stop(Errc::malformed, "acquisition document: values mix rows and bare numbers");
    flat_ = true;
  } else if (++row_numbers_ > limits_.max_axes) {
    return stop(Errc::limit,
                "acquisition document: a row of values has more than " + std::to_string(limits_.max_axes) + " numbers");
  }
  if (++numbers_ > limits_.max_values) {
    return stop(Errc::limit, "acquisition document has more than " + std::to_string(limits_.max_values) + " values");
  }
  if (values_ != nullptr) values_->push_back(static_cast<float>(value));
  return true;
}

bool Builder::number(double value) {
  if (place() == Place::values || place() == Place::row) return value_number(value);
  if (place() == Place::outside || place() == Place::sensors) return wrong_type("a number");
  switch (field_) {
    case Field::none:
      return true;
    case Field::interval:
      if (!std::isfinite(value) || value < 0)
        return stop(Errc::malformed, "acquisition document: interval_ms is not a length of time");
      document_.interval_ms = value;
      return true;
    case Field::iat:
      if (!(value >= 0 && value < 1e15)) return stop(Errc::malformed, "acquisition document: iat is not a time");
      document_.issued_at_s = static_cast<std::int64_t>(value);
      return true;
    default:
      return wrong_type("a number");
  }
}

bool Builder::integer(std::int64_t value) { return number(static_cast<double>(value)); }

bool Builder::reference(std::string_view value) {
  if (numbers_ != 0 || rows_ != 0 || document_.attachment || document_.binary_type != BinaryType::none) {
    return stop(Errc::malformed, "acquisition document: a Ref-BINARY text must be the only value");
  }
  if (!starts_with_reference(value))
    return stop(Errc::malformed, "acquisition document: a text among the values is no Ref-BINARY");
  while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
  value.remove_prefix(kReference.size());
  document_.binary_type = binary_type_from(value);
  if (document_.binary_type != BinaryType::none) return true;

  // "image/jpeg (1234 bytes) <hex>", wire reference 6.6.
  const std::size_t open = value.find(" (");
  const std::size_t close = value.find(" bytes) ");
  Attachment attachment;
  if (open == std::string_view::npos || close == std::string_view::npos || close < open + 2) {
    return stop(Errc::malformed, "acquisition document: unknown Ref-BINARY type");
  }
  const std::string_view size = value.substr(open + 2, close - open - 2);
  const auto [end, code] = std::from_chars(size.data(), size.data() + size.size(), attachment.size_bytes);
  if (code != std::errc{} || end != size.data() + size.size()) {
    return stop(Errc::malformed, "acquisition document: Ref-BINARY without a size");
  }
  attachment.mime = std::string(value.substr(0, open));
  attachment.hmac_hex = std::string(value.substr(close + 8));
  document_.attachment = std::move(attachment);
  return true;
}

bool Builder::text(std::string_view value, std::size_t offset) {
  if (place() == Place::values)
    return value.size() > limits_.max_string_bytes ? stop(Errc::limit, "Ref-BINARY text is too long")
                                                   : reference(value);
  if (place() == Place::row || place() == Place::outside || place() == Place::sensors) return wrong_type("a text");
  if (field_ == Field::none) return true;
  if (value.size() > limits_.max_string_bytes) {
    return stop(Errc::limit,
                "acquisition document: a text is longer than " + std::to_string(limits_.max_string_bytes) + " bytes");
  }
  switch (field_) {
    case Field::signature:
      document_.signature = std::string(value);
      document_.signature_offset = offset;
      return true;
    case Field::ver:
      document_.version = std::string(value);
      return true;
    case Field::alg:
      document_.algorithm_name = std::string(value);
      document_.algorithm = value == "HS256" ? Algorithm::hs256 : value == "none" ? Algorithm::none : Algorithm::other;
      return true;
    case Field::nonce:
      document_.nonce = std::string(value);
      return true;
    case Field::device_name:
      document_.device_name = std::string(value);
      return true;
    case Field::device_type:
      document_.device_type = std::string(value);
      return true;
    case Field::name:
      document_.sensors.back().name = std::string(value);
      return true;
    case Field::units:
      document_.sensors.back().units = std::string(value);
      return true;
    default:
      return wrong_type("a text");
  }
}

bool Builder::bytes(std::string_view value) {
  if (field_ == Field::nonce && value.size() <= limits_.max_string_bytes / 2) {
    static constexpr char kDigits[] = "0123456789abcdef";
    for (const char c : value) {
      const auto byte = static_cast<unsigned char>(c);
      document_.nonce += kDigits[byte >> 4U];
      document_.nonce += kDigits[byte & 15U];
    }
    return true;
  }
  return other();
}

bool Builder::other() {
  if (place() == Place::values || place() == Place::row || place() == Place::outside || place() == Place::sensors) {
    return wrong_type("something that is no number");
  }
  return field_ == Field::none || wrong_type("neither text nor number");
}

Result<Document> Builder::finish(Format format, std::size_t item_end, std::size_t tail_bytes) {
  const auto bad = [](std::string what) { return fail(Errc::malformed, "acquisition document: " + std::move(what)); };
  if (!done_) return bad("it is cut short");
  if (!seen(Field::ver) || !seen(Field::alg)) return bad("protected must hold ver and alg");
  if (document_.version != "v1") return fail(Errc::unsupported, "acquisition document: version is not v1");
  if (!seen(Field::signature)) return bad("no signature");
  if (document_.device_type.empty()) return bad("no device_type");
  if (!seen(Field::interval)) return bad("no interval_ms");
  if (document_.sensors.empty()) return bad("no sensors");
  if (!seen(Field::values)) return bad("no values");

  document_.format = format;
  if (document_.binary_type != BinaryType::none) {
    if (format == Format::json) return bad("Ref-BINARY samples need a CBOR document");
    if (document_.sensors.size() != 1) return bad("Ref-BINARY samples have exactly one sensor");
    document_.format = Format::cbor_binary;
    document_.binary_offset = item_end;
    document_.readings = tail_bytes / binary_type_bytes(document_.binary_type);
    if (document_.readings > limits_.max_values) {
      return fail(Errc::limit, "acquisition document has more than " + std::to_string(limits_.max_values) + " values");
    }
  } else {
    if (tail_bytes > kFlashPadding) return bad(std::to_string(tail_bytes) + " bytes follow it");
    if (flat_ && document_.sensors.size() != 1) return bad("bare numbers as values need exactly one sensor");
    if (rows_ != 0 && row_length_ != document_.sensors.size()) {
      return bad("rows of " + std::to_string(row_length_) + " numbers for " + std::to_string(document_.sensors.size()) +
                 " sensors");
    }
    document_.readings = flat_ ? numbers_ : rows_;
  }
  document_.duration_ms = static_cast<double>(document_.readings) * document_.interval_ms;
  return std::move(document_);
}

}  // namespace tml::sample
