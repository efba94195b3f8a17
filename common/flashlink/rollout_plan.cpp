// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/rollout_plan.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

namespace tml::flashlink {
namespace {

constexpr std::uint32_t kMillion = 1'000'000;
constexpr std::string_view kHint = "docs/rollout.md lists the keys and their values";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// One table of the plan; the first error stays.
class Section {
 public:
  Section(const toml::table& table, std::string name, std::string_view where, std::optional<Error>& error)
      : table_(table), name_(std::move(name)), where_(where), error_(error) {}

  const toml::node* find(std::string_view key) {
    asked_.insert(std::string(key));
    return table_.get(key);
  }

  void wrong(std::string_view key, const toml::node& node, const std::string& what) {
    if (error_) return;
    const std::string full = name_.empty() ? std::string(key) : name_ + "." + std::string(key);
    error_ = Error{Errc::usage,
                   full + " " + what,
                   std::string(where_) + ":" + std::to_string(node.source().begin.line),
                   std::string(kHint),
                   {}};
  }

  void text(std::string_view key, std::string& value) {
    const auto* node = find(key);
    if (node == nullptr) return;
    const auto given = node->value_exact<std::string>();
    if (!given) return wrong(key, *node, "is no text");
    value = *given;
  }

  void boolean(std::string_view key, bool& value) {
    const auto* node = find(key);
    if (node == nullptr) return;
    const auto given = node->value_exact<bool>();
    if (!given) return wrong(key, *node, "is neither true nor false");
    value = *given;
  }

  template <class Number>
  void integer(std::string_view key, Number& value, std::int64_t least, std::int64_t most) {
    const auto* node = find(key);
    if (node == nullptr) return;
    const auto given = node->value_exact<std::int64_t>();
    if (!given) return wrong(key, *node, "is no whole number");
    if (*given < least || *given > most) {
      return wrong(key, *node,
                   "is " + std::to_string(*given) + "; " + std::to_string(least) + " to " + std::to_string(most) +
                       " is possible");
    }
    value = static_cast<Number>(*given);
  }

  void seconds(std::string_view key, Millis& value) {
    const auto* node = find(key);
    if (node == nullptr) return;
    const auto given = node->value<double>();
    if (!given || !std::isfinite(*given) || *given < 0.1 || *given > 86'400) {
      return wrong(key, *node, "is no number of seconds from 0.1 to 86400");
    }
    value = Millis(std::llround(*given * 1000));
  }

  void texts(std::string_view key, std::vector<std::string>& values, std::size_t most) {
    const auto* node = find(key);
    if (node == nullptr) return;
    const auto* list = node->as_array();
    if (list == nullptr) return wrong(key, *node, "is no list");
    if (list->size() > most) return wrong(key, *node, "has more than " + std::to_string(most) + " entries");
    values.clear();
    for (const auto& entry : *list) {
      const auto given = entry.value_exact<std::string>();
      if (!given || given->empty()) return wrong(key, entry, "has an entry that is no text");
      values.push_back(*given);
    }
  }

  /// A count under one key or a share under another; not both.
  void amount(std::string_view count, std::string_view share, Amount& value, std::int64_t least) {
    const auto* whole = find(count);
    const auto* part = find(share);
    if (whole != nullptr && part != nullptr) {
      return wrong(share, *part, "and " + std::string(count) + " exclude each other");
    }
    if (whole != nullptr) {
      value.share_ppm.reset();
      integer(count, value.count, least, static_cast<std::int64_t>(kMaxRolloutBoards));
    }
    if (part == nullptr) return;
    const auto given = part->value<double>();
    if (!given || !std::isfinite(*given) || *given < 0 || *given > 1) {
      return wrong(share, *part, "is no number from 0 to 1");
    }
    value.count = 0;
    value.share_ppm = static_cast<std::uint32_t>(std::llround(*given * kMillion));
  }

  void finish() {
    for (const auto& [key, node] : table_) {
      if (asked_.count(std::string(key.str())) == 0) wrong(key.str(), node, "is not known here");
    }
  }

 private:
  const toml::table& table_;
  std::string name_;
  std::string_view where_;
  std::optional<Error>& error_;
  std::set<std::string> asked_;
};

class Parser {
 public:
  Parser(const toml::table& root, std::string_view where) : root_(root), where_(where), top_(root, {}, where, error_) {}

  Result<RolloutPlan> run() {
    top_.text("name", plan_.name);
    top_.text("file", plan_.file);
    top_.text("impulse", plan_.impulse);
    section("select", [this](Section& s) { select(s); });
    section("canary", [this](Section& s) {
      s.amount("count", "share", plan_.canary, 0);
      s.amount("errors", "error_share", plan_.canary_errors, 0);
    });
    section("batches", [this](Section& s) {
      s.amount("size", "share", plan_.batch, 1);
      s.integer("parallel", plan_.parallel, 1, kMaxParallel);
      if (const auto* node = s.find("share"); node != nullptr && plan_.batch.share_ppm == 0U) {
        s.wrong("share", *node, "is 0: no board would ever be in a batch");
      }
    });
    section("errors", [this](Section& s) {
      s.amount("budget", "share", plan_.errors, 0);
      s.boolean("revert", plan_.revert);
    });
    section("order", [this](Section& s) { order(s); });
    section("selftest", [this](Section& s) {
      s.texts("windows", plan_.windows, 256);
      s.integer("at_most", plan_.most_windows, 1, 1000);
    });
    section("timeouts", [this](Section& s) {
      s.seconds("board_s", plan_.board_timeout);
      s.seconds("boot_s", plan_.boot_timeout);
      s.seconds("replug_s", plan_.replug_timeout);
    });
    section("update", [this](Section& s) {
      s.integer("baud", plan_.baud, 0, 10'000'000);
      s.integer("stage", plan_.stage, 0, 1);
      s.integer("attempts", plan_.attempts, 1, 8);
      s.boolean("background", plan_.background);
    });
    top_.finish();
    if (error_) return pass(*error_);
    if (plan_.file.empty()) return missing("file", "names what is flashed");
    if (plan_.name.empty()) return missing("name", "names the rollout's journal");
    if (!is_rollout_name(plan_.name)) {
      top_.wrong("name", *root_.get("name"), "is not 1 to 64 of letters, digits, '.', '_' and '-'");
      return pass(*error_);
    }
    return std::move(plan_);
  }

 private:
  template <class Read>
  void section(const char* name, Read&& read) {
    const auto* node = top_.find(name);
    if (node == nullptr) return;
    const auto* table = node->as_table();
    if (table == nullptr) return top_.wrong(name, *node, "is no table");
    Section part(*table, name, where_, error_);
    read(part);
    part.finish();
  }

  void select(Section& s) {
    s.text("tag", plan_.select.tag);
    s.text("product", plan_.select.product);
    s.texts("ids", plan_.select.ids, kMaxRolloutBoards);
    s.texts("ports", plan_.select.ports, kMaxRolloutBoards);
    const auto* node = s.find("version");
    if (node == nullptr) return;
    const auto given = node->value_exact<std::string>();
    plan_.select.version = VersionRange::parse(given.value_or(std::string{}));
    if (!plan_.select.version) s.wrong("version", *node, "is no range such as \">=1.2.0, <2.0.0\"");
  }

  void order(Section& s) {
    const auto* node = s.find("seed");
    if (node == nullptr) return;
    const auto given = node->value_exact<std::int64_t>();
    if (!given || *given < 0) return s.wrong("seed", *node, "is no whole number from 0 on");
    plan_.seed = static_cast<std::uint64_t>(*given);
  }

  Result<RolloutPlan> missing(const char* key, const char* what) const {
    return fail(Errc::usage, std::string("the key ") + key + " is missing; it " + what, std::string(where_),
                std::string(kHint));
  }

  const toml::table& root_;
  std::string_view where_;
  std::optional<Error> error_;
  Section top_;
  RolloutPlan plan_;
};

}  // namespace

std::size_t Amount::boards(std::size_t total) const {
  if (!share_ppm) return std::min<std::size_t>(count, total);
  const std::uint64_t scaled = std::uint64_t{*share_ppm} * total;
  return std::min<std::size_t>(static_cast<std::size_t>((scaled + kMillion - 1) / kMillion), total);
}

bool Amount::exceeded(std::size_t failures, std::size_t total) const {
  if (!share_ppm) return failures > count;
  return std::uint64_t{failures} * kMillion > std::uint64_t{*share_ppm} * total;
}

std::optional<std::uint32_t> parse_version(std::string_view text) {
  text = trimmed(text);
  std::uint32_t parts[3] = {0, 0, 0};
  static constexpr std::uint32_t kMost[3] = {255, 255, 65'535};
  for (int i = 0; i < 3; ++i) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parts[i]);
    if (error != std::errc{} || parts[i] > kMost[i]) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.empty()) return parts[0] << 24U | parts[1] << 16U | parts[2];
    if (text.front() != '.') return std::nullopt;
    text.remove_prefix(1);
  }
  return std::nullopt;
}

std::string version_text(std::uint32_t version) {
  return std::to_string(version >> 24U) + "." + std::to_string(version >> 16U & 0xFFU) + "." +
         std::to_string(version & 0xFFFFU);
}

std::optional<VersionRange> VersionRange::parse(std::string_view text) {
  static constexpr std::pair<std::string_view, Operator> kOperators[] = {
      {">=", Operator::greater_equal}, {"<=", Operator::less_equal}, {"!=", Operator::not_equal},
      {"==", Operator::equal},         {">", Operator::greater},     {"<", Operator::less},
      {"=", Operator::equal}};
  VersionRange range;
  for (;;) {
    const std::size_t comma = text.find(',');
    std::string_view part = trimmed(text.substr(0, comma));
    Bound bound;
    for (const auto& [sign, op] : kOperators) {
      if (!part.starts_with(sign)) continue;
      bound.op = op;
      part.remove_prefix(sign.size());
      break;
    }
    const auto version = parse_version(part);
    if (!version || range.bounds_.size() == 8) return std::nullopt;
    bound.version = *version;
    range.bounds_.push_back(bound);
    if (comma == std::string_view::npos) return range;
    text.remove_prefix(comma + 1);
  }
}

bool VersionRange::contains(std::uint32_t version) const {
  return std::ranges::all_of(bounds_, [version](const Bound& bound) {
    switch (bound.op) {
      case Operator::equal:
        return version == bound.version;
      case Operator::not_equal:
        return version != bound.version;
      case Operator::less:
        return version < bound.version;
      case Operator::less_equal:
        return version <= bound.version;
      case Operator::greater:
        return version > bound.version;
      case Operator::greater_equal:
        return version >= bound.version;
    }
    return false;
  });
}

bool is_rollout_name(std::string_view name) {
  if (name.empty() || name.size() > 64 || name.front() == '.') return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

Result<RolloutPlan> parse_plan(std::string_view text, std::string_view where) {
  if (text.size() > kMaxPlanBytes) return fail(Errc::limit, "a plan of more than 256 KiB", std::string(where));
  try {
    const toml::table root = toml::parse(text, std::string(where));
    return Parser(root, where).run();
  } catch (const toml::parse_error& error) {
    const auto place = error.source().begin;
    return fail(Errc::malformed, "the plan is no valid TOML (" + std::string(error.description()) + ")",
                std::string(where) + ":" + std::to_string(place.line) + ":" + std::to_string(place.column));
  }
}

}  // namespace tml::flashlink
