// SPDX-License-Identifier: Apache-2.0
#include "common/sample/names.hpp"

#include "common/sample/signature.hpp"
#include "common/wire/hex.hpp"
#include "common/wire/text.hpp"

namespace tml::sample {

namespace {

constexpr std::string_view kCategoryNames[] = {"training",   "testing",         "anomaly",
                                               "validation", "post-processing", "split"};

bool is_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

}  // namespace

std::string_view category_name(Category category) { return kCategoryNames[static_cast<std::size_t>(category)]; }

Result<Category> parse_category(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kCategoryNames); ++i) {
    if (kCategoryNames[i] == name) return static_cast<Category>(i);
  }
  return fail(Errc::usage, "unknown category", std::string(name),
              "Use training, testing, anomaly, validation, post-processing or split.");
}

std::optional<Category> category_from_path(std::string_view path) {
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    for (std::size_t i = 0; i < std::size(kCategoryNames); ++i) {
      if (kCategoryNames[i] == segment) return static_cast<Category>(i);
    }
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return std::nullopt;
}

Result<Category> split_category_from_md5(std::string_view md5) {
  for (const char c : md5) {
    const int digit = wire::hex_digit(c);
    if (digit < 0) return fail(Errc::malformed, "not an MD5 in hexadecimal:", std::string(md5));
    if (digit == 15) continue;
    return digit <= 11 ? Category::training : Category::testing;
  }
  return fail(Errc::malformed, "the split rule has no answer for MD5", std::string(md5));
}

Result<Category> split_category(Bytes content) { return split_category_from_md5(md5_hex(content)); }

std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string label_from_file_name(std::string_view file_name) {
  const std::string_view name = base_name(file_name);
  std::size_t end = 0;
  // The blanks of \s in ASCII: space, \t, \n, \v, \f, \r.
  while (end < name.size() && (is_alnum(name[end]) || name[end] == '-' || name[end] == '_' || name[end] == ' ' ||
                               (name[end] >= '\t' && name[end] <= '\r'))) {
    ++end;
  }
  return std::string(name.substr(0, end));
}

std::string percent_encode(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  constexpr std::string_view kPlain = "-_.!~*'()";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_alnum(c) || kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kDigits[byte >> 4U];
      out += kDigits[byte & 15U];
    }
  }
  return out;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? wire::hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? wire::hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return std::string(text);
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  if (!wire::is_utf8(out)) return std::string(text);
  return out;
}

}  // namespace tml::sample
