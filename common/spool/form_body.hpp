// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// An entry as the multipart/form-data body that `/api/<category>/files` takes (wire reference 4.3): one part named
// `data`. Pure, no I/O.
#pragma once

#include <string>
#include <string_view>

#include "common/spool/entry.hpp"

namespace tml::spool {

/// Whether the entry goes to the path that takes forms: it ends in "/files".
[[nodiscard]] bool is_form(const EntryInfo& entry);

struct FormBody {
  std::string content_type;  ///< "multipart/form-data; boundary=..."
  std::string body;
};

/// The boundary comes from the envelope, and is made longer until the payload does not hold it: the same entry always
/// gives the same bytes.
[[nodiscard]] FormBody form_body(const EntryInfo& entry, std::string_view payload);

}  // namespace tml::spool
