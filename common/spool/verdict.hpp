// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What an answer of the ingestion service means for an entry (wire reference 4.3, 5). Pure, no I/O.
#pragma once

#include "common/http/client.hpp"

namespace tml::spool {

enum class Verdict : std::uint8_t {
  delivered,  ///< The server has it.
  duplicate,  ///< Not stored again: the content is there already, and duplicates were disallowed by us.
  held,       ///< The key was refused.
  refused,    ///< No for good.
  retry,      ///< Try again later.
};

struct Judgement {
  Verdict verdict = Verdict::retry;
  Error error;  ///< Unless delivered.
};

/// `disallowed`: the request carried x-disallow-duplicates, without which nothing can be a duplicate.
[[nodiscard]] Judgement judge(const Result<http::Response>& answer, std::string_view url, bool disallowed);

}  // namespace tml::spool
