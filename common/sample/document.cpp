// SPDX-License-Identifier: Apache-2.0
#include "common/sample/document.hpp"

#include "common/sample/builder.hpp"

namespace tml::sample {

namespace {

Result<Document> parse_into(Bytes bytes, const Limits& limits, std::vector<float>* values) {
  if (bytes.size() > limits.max_bytes) {
    return fail(Errc::limit, "acquisition document is larger than " + std::to_string(limits.max_bytes) + " bytes");
  }
  const auto format = detect_format(bytes);
  if (!format) return pass(format.error());
  Builder builder(limits, values);
  std::size_t item_end = bytes.size();
  const bool read = *format == Format::json ? read_json(bytes, builder) : read_cbor(bytes, limits, builder, item_end);
  if (!read) {
    if (builder.error()) return pass(*builder.error());
    return fail(Errc::malformed, "acquisition document cannot be read");
  }
  auto document = builder.finish(*format, item_end, bytes.size() - item_end);
  if (!document) return document;
  if (document->binary_type == BinaryType::none) {
    for (const std::byte padding : bytes.subspan(item_end)) {
      if (padding != std::byte{0xFF}) return fail(Errc::malformed, "acquisition document: bytes follow it");
    }
  } else if (values != nullptr) {
    append_binary(document->binary_type, bytes.subspan(document->binary_offset), *values);
  }
  return document;
}

}  // namespace

Result<Format> detect_format(Bytes bytes) {
  std::size_t at = 0;
  if (bytes.size() >= 3 && bytes[0] == std::byte{0xEF} && bytes[1] == std::byte{0xBB} && bytes[2] == std::byte{0xBF})
    at = 3;
  while (at < bytes.size()) {
    const auto c = std::to_integer<unsigned>(bytes[at]);
    if (c == '{') return Format::json;
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') break;
    ++at;
  }
  // Major type 5 (map), RFC 8949 section 3.1.
  if (!bytes.empty() && (std::to_integer<unsigned>(bytes[0]) >> 5U) == 5U) return Format::cbor;
  return fail(Errc::malformed, "neither a JSON nor a CBOR acquisition document");
}

Result<Document> parse(Bytes bytes, const Limits& limits) { return parse_into(bytes, limits, nullptr); }

Result<Parsed> parse_values(Bytes bytes, const Limits& limits) {
  Parsed parsed;
  auto document = parse_into(bytes, limits, &parsed.values.data);
  if (!document) return pass(document.error());
  parsed.document = std::move(*document);
  parsed.values.axes = parsed.document.attachment ? 0 : parsed.document.sensors.size();
  return parsed;
}

std::string_view content_type_for(Format format) {
  switch (format) {
    case Format::json:
      return "application/json";
    case Format::cbor:
      return "application/cbor";
    case Format::cbor_binary:
      return "application/octet-stream";
  }
  return "application/octet-stream";
}

std::string_view format_name(Format format) {
  switch (format) {
    case Format::json:
      return "json";
    case Format::cbor:
      return "cbor";
    case Format::cbor_binary:
      return "cbor_binary";
  }
  return "json";
}

}  // namespace tml::sample
