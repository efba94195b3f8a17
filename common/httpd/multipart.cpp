// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/httpd/multipart.hpp"

#include <algorithm>
#include <utility>

#include "common/httpd/types.hpp"
#include "common/httpd/url.hpp"

namespace tml::httpd {
namespace {

constexpr std::size_t kMaxBoundary = 70;  // RFC 2046 section 5.1.1
constexpr std::size_t kMaxParameters = 16;

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Splits `; name=value; name="quoted \" value"`. Browsers escape a quote as %22 or as \"; both readings are accepted.
std::vector<std::pair<std::string, std::string>> parameters(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> out;
  while (out.size() < kMaxParameters) {
    const std::size_t semicolon = text.find(';');
    if (semicolon == std::string_view::npos) break;
    text = trim(text.substr(semicolon + 1));
    const std::size_t equals = text.find_first_of("=;");
    if (equals == std::string_view::npos) break;
    if (text[equals] == ';') {
      text.remove_prefix(equals);
      continue;
    }
    std::string name(trim(text.substr(0, equals)));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    text = trim(text.substr(equals + 1));
    std::string value;
    if (!text.empty() && text.front() == '"') {
      std::size_t i = 1;
      for (; i < text.size() && text[i] != '"'; ++i) {
        // A backslash escapes only quotes and backslashes: old clients send Windows paths unescaped.
        if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\')) ++i;
        value.push_back(text[i]);
      }
      text.remove_prefix(std::min(i + 1, text.size()));
    } else {
      const std::size_t end = text.find(';');
      value = std::string(trim(text.substr(0, end)));
      text.remove_prefix(std::min(end, text.size()));
    }
    out.emplace_back(std::move(name), std::move(value));
  }
  return out;
}

void read_disposition(std::string_view value, Part& part) {
  std::optional<std::string> extended;
  for (auto& [name, text] : parameters(value)) {
    if (name == "name") part.name = std::move(text);
    if (name == "filename") part.file_name = std::move(text);
    if (name == "filename*" && text.size() > 7 && iequals(std::string_view(text).substr(0, 5), "utf-8")) {
      const std::size_t quote = text.find('\'', 6);
      if (quote != std::string::npos) extended = url_decode(std::string_view(text).substr(quote + 1));
    }
  }
  if (extended) part.file_name = std::move(*extended);
}

tl::unexpected<Error> malformed(std::string what, std::size_t offset) {
  return fail(Errc::malformed, std::move(what), "multipart body at byte " + std::to_string(offset));
}

struct HeaderLine {
  std::string_view name;
  std::string_view value;
};

std::optional<HeaderLine> split_line(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  return HeaderLine{trim(line.substr(0, colon)), trim(line.substr(colon + 1))};
}

}  // namespace

std::optional<std::string_view> Part::header(std::string_view wanted) const {
  for (std::string_view rest = header_lines; !rest.empty();) {
    const std::size_t end = rest.find("\r\n");
    const auto line = split_line(rest.substr(0, end));
    if (line && iequals(line->name, wanted)) return line->value;
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
  }
  return std::nullopt;
}

std::string media_type(std::string_view value) {
  std::string type(trim(value.substr(0, value.find(';'))));
  std::transform(type.begin(), type.end(), type.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return type;
}

std::optional<std::string> multipart_boundary(std::string_view content_type) {
  if (media_type(content_type) != "multipart/form-data") return std::nullopt;
  for (auto& [name, value] : parameters(content_type)) {
    if (name == "boundary" && !value.empty() && value.size() <= kMaxBoundary) return std::move(value);
  }
  return std::nullopt;
}

Result<std::vector<Part>> parse_multipart(std::string_view body, std::string_view boundary,
                                          const MultipartLimits& limits) {
  if (boundary.empty() || boundary.size() > kMaxBoundary) return malformed("the boundary is empty or too long", 0);
  const std::string first = "--" + std::string(boundary);
  const std::string delimiter = "\r\n" + first;
  std::vector<Part> parts;

  // The preamble may be empty, in which case the first delimiter has no line end before it.
  std::size_t at = 0;
  if (body.substr(0, first.size()) == first) {
    at = first.size();
  } else {
    const std::size_t found = body.find(delimiter);
    if (found == std::string_view::npos) return malformed("no boundary line", 0);
    at = found + delimiter.size();
  }
  for (;;) {
    if (body.substr(at, 2) == "--") return parts;
    while (at < body.size() && (body[at] == ' ' || body[at] == '\t')) ++at;
    if (body.substr(at, 2) != "\r\n") return malformed("no line end after a boundary", at);
    at += 2;
    if (parts.size() == limits.max_parts) {
      return fail(Errc::limit, "more than " + std::to_string(limits.max_parts) + " parts in a multipart body");
    }
    Part part;
    std::size_t header_bytes = 0;
    const std::size_t header_start = at;
    for (;;) {
      const std::size_t end = body.substr(at, limits.max_part_header_bytes).find("\r\n");
      if (end == std::string_view::npos) return malformed("a part's header line does not end", at);
      const std::string_view line = body.substr(at, end);
      at += end + 2;
      if (line.empty()) break;
      header_bytes += line.size() + 2;
      if (header_bytes > limits.max_part_header_bytes) return fail(Errc::limit, "a part's header is too long");
      const auto header = split_line(line);
      if (!header) return malformed("a part's header line has no colon", at);
      if (iequals(header->name, "content-disposition")) read_disposition(header->value, part);
      if (iequals(header->name, "content-type")) part.content_type = media_type(header->value);
    }
    part.header_lines = body.substr(header_start, header_bytes);
    if (part.file_name.find_first_of(std::string_view("\0\r\n", 3)) != std::string::npos) {
      return malformed("a file name holds a control character", at);
    }
    // An empty part's delimiter may share the line end that closed its header.
    std::size_t end = at >= 2 && body.substr(at - 2, delimiter.size()) == delimiter ? at - 2 : body.find(delimiter, at);
    if (end == std::string_view::npos) return malformed("the last boundary is missing", body.size());
    part.body = end < at ? std::string_view{} : body.substr(at, end - at);
    parts.push_back(std::move(part));
    at = end + delimiter.size();
  }
}

}  // namespace tml::httpd
