// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Private to common/model: reads a TOML table key by key and remembers which keys were asked for, so that a misspelt
// one is an error and not a silent default. The first error stays; values after it are defaults.
#pragma once

#include <toml++/toml.h>

#include <cmath>
#include <cstdio>
#include <initializer_list>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "firmware/dsp/block.hpp"

namespace tml::model {

class TomlReader {
 public:
  /// `place`: "[impulse] of fan.toml". `error` is shared by all readers of a file and outlives them.
  TomlReader(const toml::table& table, std::string place, std::optional<Error>& error)
      : table_(table), place_(std::move(place)), error_(error) {}

  [[nodiscard]] bool has(std::string_view key) const { return table_.contains(key); }
  [[nodiscard]] const std::string& place() const { return place_; }

  [[nodiscard]] std::string text(std::string_view key) {
    const auto* node = find(key);
    if (node == nullptr) return {};
    const auto value = node->value_exact<std::string>();
    if (!value) wrong(key, "is no text");
    return value.value_or(std::string{});
  }
  [[nodiscard]] double number(std::string_view key, double fallback, double least, double most) {
    const auto* node = find(key);
    if (node == nullptr) return fallback;
    return number_of(*node, key, fallback, least, most);
  }
  [[nodiscard]] std::int64_t integer(std::string_view key, std::int64_t fallback, std::int64_t least,
                                     std::int64_t most) {
    const auto* node = find(key);
    if (node == nullptr) return fallback;
    return integer_of(*node, key, fallback, least, most);
  }
  [[nodiscard]] bool boolean(std::string_view key, bool fallback) {
    const auto* node = find(key);
    if (node == nullptr) return fallback;
    const auto value = node->value_exact<bool>();
    if (!value) wrong(key, "is neither true nor false");
    return value.value_or(fallback);
  }
  [[nodiscard]] std::vector<std::string> texts(std::string_view key, std::size_t most) {
    std::vector<std::string> list;
    for_each(key, most, [&](const toml::node& node) {
      const auto value = node.value_exact<std::string>();
      if (!value) wrong(key, "is no list of texts");
      list.push_back(value.value_or(std::string{}));
    });
    return list;
  }
  [[nodiscard]] std::vector<std::int64_t> integers(std::string_view key, std::size_t most, std::int64_t least,
                                                   std::int64_t greatest) {
    std::vector<std::int64_t> list;
    for_each(key, most, [&](const toml::node& node) { list.push_back(integer_of(node, key, least, least, greatest)); });
    return list;
  }
  [[nodiscard]] std::vector<double> numbers(std::string_view key, std::size_t most, double least, double greatest) {
    std::vector<double> list;
    for_each(key, most, [&](const toml::node& node) { list.push_back(number_of(node, key, least, least, greatest)); });
    return list;
  }
  /// Index of the value in `names`.
  [[nodiscard]] std::size_t choice(std::string_view key, std::size_t fallback,
                                   std::initializer_list<std::string_view> names) {
    if (find(key) == nullptr) return fallback;
    const std::string value = text(key);
    std::size_t n = 0;
    std::string known;
    for (const auto name : names) {
      if (value == name) return n;
      known += (known.empty() ? "" : ", ") + std::string(name);
      ++n;
    }
    wrong(key, "is \"" + value + "\"; known are " + known);
    return fallback;
  }
  void wrong(std::string_view key, const std::string& what) {
    if (!error_)
      error_ = Error{Errc::usage,
                     std::string(key) + " " + what,
                     "in " + place_,
                     "docs/model-package.md lists the keys and their values",
                     {}};
  }
  /// Call when all has been read.
  void finish() {
    for (const auto& [key, node] : table_)
      if (asked_.count(std::string(key.str())) == 0) wrong(key.str(), "is not known here");
  }
  /// Marks a key that is read elsewhere.
  [[nodiscard]] const toml::node* find(std::string_view key) {
    asked_.insert(std::string(key));
    return table_.get(key);
  }

 private:
  double number_of(const toml::node& node, std::string_view key, double fallback, double least, double most) {
    // value_exact() would refuse 1 where 1.0 is meant.
    std::optional<double> value = node.value_exact<double>();
    if (!value)
      if (const auto whole = node.value_exact<std::int64_t>()) value = static_cast<double>(*whole);
    if (!value || !std::isfinite(*value)) {
      wrong(key, "is no number");
      return fallback;
    }
    if (*value < least || *value > most) {
      wrong(key, "is " + short_text(*value) + "; " + short_text(least) + " to " + short_text(most) + " is possible");
      return fallback;
    }
    return *value;
  }
  std::int64_t integer_of(const toml::node& node, std::string_view key, std::int64_t fallback, std::int64_t least,
                          std::int64_t most) {
    const auto value = node.value_exact<std::int64_t>();
    if (!value) {
      wrong(key, "is no whole number");
      return fallback;
    }
    if (*value < least || *value > most) {
      wrong(key, "is " + std::to_string(*value) + "; " + std::to_string(least) + " to " + std::to_string(most) +
                     " is possible");
      return fallback;
    }
    return *value;
  }
  template <typename Each>
  void for_each(std::string_view key, std::size_t most, Each&& each) {
    const auto* node = find(key);
    if (node == nullptr) return;
    const auto* list = node->as_array();
    if (list == nullptr) return wrong(key, "is no list");
    if (list->size() > most)
      return wrong(key, "has " + std::to_string(list->size()) + " entries; " + std::to_string(most) + " are possible");
    for (const auto& entry : *list) each(entry);
  }
  static std::string short_text(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", value);
    return text;
  }

  const toml::table& table_;
  std::string place_;
  std::optional<Error>& error_;
  std::set<std::string> asked_;
};

/// One [[dsp]] table (impulse_blocks.cpp).
[[nodiscard]] fw::dsp::BlockConfig read_block(TomlReader& table);

}  // namespace tml::model
