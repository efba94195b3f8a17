// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/diff.hpp"

#include <cstdint>
#include <map>

namespace tml::flashlink {

std::vector<wire::flash::Copy> plan_copies(std::span<const Hash> object, std::span<const Hash> base,
                                           const std::vector<bool>& have) {
  std::map<Hash, std::uint16_t> where;
  for (std::size_t i = 0; i < base.size(); ++i) where.try_emplace(base[i], static_cast<std::uint16_t>(i));
  std::vector<wire::flash::Copy> runs;
  for (std::size_t i = 0; i < object.size(); ++i) {
    if (i < have.size() && have[i]) continue;
    // The same place first: it lengthens runs.
    std::size_t from = i;
    if (i >= base.size() || base[i] != object[i]) {
      const auto found = where.find(object[i]);
      if (found == where.end()) continue;
      from = found->second;
    }
    if (!runs.empty()) {
      wire::flash::Copy& last = runs.back();
      const std::size_t next = std::size_t{last.from} + last.count;
      if (last.to + last.count == static_cast<int>(i) && next < base.size() && base[next] == object[i]) {
        ++last.count;
        continue;
      }
    }
    runs.push_back({static_cast<std::uint16_t>(i), static_cast<std::uint16_t>(from), 1});
  }
  return runs;
}

}  // namespace tml::flashlink
