// SPDX-License-Identifier: Apache-2.0
//
// A journal after whatever happened to its file. What is read must survive being written again.
#include "uploader/journal.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::uploader;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto content = read_journal(bytes, "journal");
  if (!content) return 0;
  if (content->whole_bytes > size) std::abort();
  std::string again = journal_header(content->run, content->target);
  if (!content->entries.empty()) again += journal_frame(content->entries);
  const auto second = read_journal(again, "journal");
  if (!second || second->entries != content->entries || second->run != content->run) std::abort();
  return 0;
}
