// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <cstdint>
#include <cstdlib>

#include "common/httpd/multipart.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parts = tml::httpd::parse_multipart(text, "b", {16, 256});
  if (parts) {
    for (const auto& part : *parts) {
      // Parts are views into the input and nothing else.
      if (!part.body.empty() &&
          (part.body.data() < text.data() || part.body.data() + part.body.size() > text.data() + size))
        std::abort();
      const auto inside = [text](std::string_view view) {
        return view.empty() || (view.data() >= text.data() && view.data() + view.size() <= text.data() + text.size());
      };
      const auto label = part.header("x-label");
      if (!inside(part.header_lines) || (label && !inside(*label))) std::abort();
    }
  }
  const auto boundary = tml::httpd::multipart_boundary(text);
  if (boundary && (boundary->empty() || boundary->size() > 70)) std::abort();
  return 0;
}
