// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <cstdlib>

#include "common/sample/names.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::sample;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string decoded = percent_decode(text);
  if (decoded.size() > size) std::abort();
  // Encoding leaves nothing that a header could not carry.
  for (const char c : percent_encode(text)) {
    if (c < 0x21 || c > 0x7E) std::abort();
  }
  static_cast<void>(label_from_file_name(text));
  static_cast<void>(category_from_path(text));
  return 0;
}
