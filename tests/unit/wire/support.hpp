// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Shared by the wire tests: golden files, hexadecimal, cutting an input at arbitrary places.
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "common/wire/bytes.hpp"

namespace tml::wire::test {

using Bytes = std::vector<std::byte>;

inline Bytes unhex(std::string_view text) {
  Bytes out;
  if (text == "-") return out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    out.push_back(static_cast<std::byte>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

inline std::string hex(std::span<const std::byte> bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const auto byte : bytes) {
    out += kDigits[static_cast<unsigned>(byte) >> 4U];
    out += kDigits[static_cast<unsigned>(byte) & 15U];
  }
  return out;
}

inline Bytes bytes_of(std::string_view text) {
  const auto view = as_bytes(text);
  return {view.begin(), view.end()};
}

inline Bytes bytes_of(const std::vector<std::uint8_t>& values) {
  Bytes out;
  for (const auto value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}

/// The words of each line of a golden file.
inline std::vector<std::vector<std::string>> golden(const std::string& name) {
  std::ifstream file(std::string(TML_SOURCE_DIR) + "/tests/golden/wire/" + name);
  EXPECT_TRUE(file.good()) << name;
  std::vector<std::vector<std::string>> lines;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::vector<std::string> list;
    for (std::string word; words >> word;) list.push_back(word);
    if (!list.empty()) lines.push_back(list);
  }
  EXPECT_FALSE(lines.empty()) << name;
  return lines;
}

inline std::string golden_value(const std::string& file, const std::string& name) {
  for (const auto& line : golden(file)) {
    if (line.size() > 1 && line[0] == name) return line[1];
  }
  ADD_FAILURE() << name << " is not in " << file;
  return {};
}

/// Cuts `whole` into an empty piece and others of generated sizes. Only inside rc::check.
template <class Container>
std::vector<Container> cut(const Container& whole) {
  std::vector<Container> pieces(1);
  std::size_t at = 0;
  while (at < whole.size()) {
    const auto size = std::min<std::size_t>(*rc::gen::inRange<std::size_t>(1, 40), whole.size() - at);
    pieces.emplace_back(whole.begin() + static_cast<std::ptrdiff_t>(at),
                        whole.begin() + static_cast<std::ptrdiff_t>(at + size));
    at += size;
  }
  return pieces;
}

}  // namespace tml::wire::test
