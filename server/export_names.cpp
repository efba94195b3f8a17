// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/export_names.hpp"

#include <algorithm>

#include "common/wire/text.hpp"
#include "server/media.hpp"

namespace tml::server {
namespace {

bool is_harmless(char c) {
  constexpr std::string_view kReserved = "/\\<>:\"|?*";
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte != 0x7F && kReserved.find(c) == std::string_view::npos;
}

/// The extension that the name itself has, if it names the format; the case is kept. Else empty.
std::string_view own_extension(std::string_view file_name, std::string_view format) {
  const std::size_t dot = file_name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return {};
  const auto media = media_of(file_name, {});
  return media && media->format == format ? file_name.substr(dot) : std::string_view{};
}

}  // namespace

std::string safe_file_name(std::string_view name, std::size_t max_bytes) {
  const bool text = wire::is_utf8(name);
  std::string out(name);
  for (char& c : out) {
    if (!is_harmless(c) || (!text && static_cast<unsigned char>(c) >= 0x80)) c = '_';
  }
  if (out.empty() || out.front() == '.' || out.front() == '-' || out.front() == '~') out.insert(0, "_");
  if (out.size() > max_bytes) {
    std::size_t end = max_bytes;
    while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0U) == 0x80U) --end;
    out.resize(end);
  }
  return out;
}

ExportName export_name(std::string_view file_name, std::string_view format, std::int64_t id) {
  if (format == "cbor_binary") format = "cbor";
  const std::string_view own = own_extension(file_name, format);
  const std::string_view stem = file_name.substr(0, file_name.size() - own.size());
  const std::string extension = own.empty() ? "." + std::string(format) : std::string(own);
  return {safe_file_name(stem) + "." + std::to_string(id) + extension, std::string(stem)};
}

}  // namespace tml::server
