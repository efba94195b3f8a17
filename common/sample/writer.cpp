// SPDX-License-Identifier: Apache-2.0
#include "common/sample/writer.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "common/wire/cbor.hpp"

namespace tml::sample {

namespace {

constexpr std::size_t kItemBytes = 9;     // Longest CBOR head, and longest number.
constexpr std::size_t kFixedBytes = 512;  // Keys and heads of everything but sensors and values.
constexpr std::string_view kBinaryI16 = "Ref-BINARY-i16";

std::string signature_field(const Header& header) { return header.hs256 ? std::string(kSignatureChars, '0') : "00"; }

Result<void> check(const Header& header, std::size_t values) {
  if (header.sensors.empty() || header.sensors.size() > Limits{}.max_axes) {
    return fail(Errc::usage, "an acquisition document needs 1 to 20 sensors");
  }
  if (header.device_type.empty()) return fail(Errc::usage, "an acquisition document needs a device type");
  if (!std::isfinite(header.interval_ms) || header.interval_ms < 0)
    return fail(Errc::usage, "the interval is not a length of time");
  if (values % header.sensors.size() != 0)
    return fail(Errc::usage, "the number of values is no multiple of the number of sensors");
  return {};
}

bool all_finite(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

std::size_t bound_of(const Header& header, std::size_t values) {
  std::size_t bound = kFixedBytes + header.nonce.size() + header.device_name.size() + header.device_type.size();
  for (const Sensor& sensor : header.sensors) bound += sensor.name.size() + sensor.units.size() + 4 * kItemBytes;
  return bound + values * 2 * kItemBytes;  // At worst each number is a row of its own.
}

void write_head(wire::CborWriter& out, const Header& header) {
  out.map(3);
  out.text("protected");
  out.map(2U + (header.issued_at_s ? 1U : 0U) + (header.nonce.empty() ? 0U : 1U));
  out.text("ver");
  out.text("v1");
  out.text("alg");
  out.text(header.hs256 ? "HS256" : "none");
  if (header.issued_at_s) {
    out.text("iat");
    out.integer(*header.issued_at_s);
  }
  if (!header.nonce.empty()) {
    out.text("nonce");
    out.text(header.nonce);
  }
  out.text("signature");
  out.text(signature_field(header));
  out.text("payload");
  out.map(header.device_name.empty() ? 4 : 5);
  if (!header.device_name.empty()) {
    out.text("device_name");
    out.text(header.device_name);
  }
  out.text("device_type");
  out.text(header.device_type);
  out.text("interval_ms");
  out.real(header.interval_ms);
  out.text("sensors");
  out.array(header.sensors.size());
  for (const Sensor& sensor : header.sensors) {
    out.map(2);
    out.text("name");
    out.text(sensor.name);
    out.text("units");
    out.text(sensor.units);
  }
  out.text("values");
  out.array_indefinite();
}

std::span<std::byte> writable(std::string& text) { return std::as_writable_bytes(std::span(text.data(), text.size())); }

}  // namespace

void append_json_number(std::string& out, double value) {
  if (value == 0) {  // Also -0, which ECMAScript writes without its sign.
    out += '0';
    return;
  }
  // Shortest digits that read back as the same double, as "d.ddde+XX"; laid out as ECMA-262 Number::toString does.
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, std::fabs(value), std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  const std::size_t mark = text.find('e');
  std::string digits(1, text[0]);
  if (mark > 2) digits += text.substr(2, mark - 2);
  int exponent = 0;
  const std::string_view power = text.substr(text[mark + 1] == '+' ? mark + 2 : mark + 1);
  std::from_chars(power.data(), power.data() + power.size(), exponent);
  const int point = exponent + 1;  // Where the decimal point stands, counted in digits.
  const int count = static_cast<int>(digits.size());
  if (value < 0) out += '-';
  if (point >= count && point <= 21) {
    out += digits;
    out.append(static_cast<std::size_t>(point - count), '0');
  } else if (point > 0 && point <= 21) {
    out.append(digits, 0, static_cast<std::size_t>(point))
        .append(1, '.')
        .append(digits, static_cast<std::size_t>(point));
  } else if (point > -6 && point <= 0) {
    out.append("0.").append(static_cast<std::size_t>(-point), '0').append(digits);
  } else {
    out += digits[0];
    if (count > 1) out.append(1, '.').append(digits, 1);
    out += exponent < 0 ? "e-" : "e+";
    out += std::to_string(std::abs(exponent));
  }
}

void append_json_string(std::string& out, std::string_view text) {
  const nlohmann::json value = std::string(text);
  out += value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<std::string> write_json(const Header& header, std::span<const double> values) {
  if (auto checked = check(header, values.size()); !checked) return pass(checked.error());
  if (!all_finite(values)) return fail(Errc::usage, "a value is not a finite number");
  std::string out;
  out.reserve(bound_of(header, 0) + values.size() * 10);
  out += R"({"protected":{"ver":"v1","alg":")";
  out += header.hs256 ? "HS256" : "none";
  out += '"';
  if (header.issued_at_s) out += ",\"iat\":" + std::to_string(*header.issued_at_s);
  if (!header.nonce.empty()) {
    out += ",\"nonce\":";
    append_json_string(out, header.nonce);
  }
  out += "},\"signature\":\"" + signature_field(header) + "\",\"payload\":{";
  if (!header.device_name.empty()) {
    out += "\"device_name\":";
    append_json_string(out, header.device_name);
    out += ',';
  }
  out += "\"device_type\":";
  append_json_string(out, header.device_type);
  out += ",\"interval_ms\":";
  append_json_number(out, header.interval_ms);
  out += ",\"sensors\":[";
  for (std::size_t i = 0; i < header.sensors.size(); ++i) {
    out += i == 0 ? "{\"name\":" : ",{\"name\":";
    append_json_string(out, header.sensors[i].name);
    out += ",\"units\":";
    append_json_string(out, header.sensors[i].units);
    out += '}';
  }
  out += "],\"values\":[";
  const std::size_t axes = header.sensors.size();
  const bool flat = axes == 1 && header.flatten_single_axis;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i != 0) out += ',';
    if (!flat && i % axes == 0) out += '[';
    append_json_number(out, values[i]);
    if (!flat && i % axes == axes - 1) out += ']';
  }
  out += "]}}";
  return out;
}

Result<std::string> write_cbor(const Header& header, std::span<const double> values) {
  if (auto checked = check(header, values.size()); !checked) return pass(checked.error());
  if (!all_finite(values)) return fail(Errc::usage, "a value is not a finite number");
  std::string out(bound_of(header, values.size()), '\0');
  wire::CborWriter writer(writable(out));
  write_head(writer, header);
  const std::size_t axes = header.sensors.size();
  const bool flat = axes == 1 && header.flatten_single_axis;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!flat && i % axes == 0) writer.array(axes);
    writer.real(values[i]);
  }
  writer.end();
  if (writer.overflowed()) return fail(Errc::limit, "the acquisition document does not fit its buffer");
  out.resize(writer.size());
  return out;
}

Result<std::string> write_cbor_binary(const Header& header, std::span<const std::int16_t> values) {
  if (auto checked = check(header, values.size()); !checked) return pass(checked.error());
  if (header.sensors.size() != 1) return fail(Errc::usage, "binary samples have exactly one sensor");
  std::string out(bound_of(header, 1), '\0');
  wire::CborWriter writer(writable(out));
  write_head(writer, header);
  // One head byte, the text, then the break: the samples start at an even offset.
  std::string reference(kBinaryI16);
  if ((writer.size() + 1 + reference.size() + 1) % 2 != 0) reference += ' ';
  writer.text(reference);
  writer.end();
  if (writer.overflowed()) return fail(Errc::limit, "the acquisition document does not fit its buffer");
  out.resize(writer.size());
  out.reserve(out.size() + values.size() * 2);
  for (const std::int16_t value : values) {
    const auto bits = static_cast<std::uint16_t>(value);
    out += static_cast<char>(bits & 0xFFU);
    out += static_cast<char>(bits >> 8U);
  }
  return out;
}

}  // namespace tml::sample
