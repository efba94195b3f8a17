// SPDX-License-Identifier: Apache-2.0
// Acquisition documents of every form: what parses must be consistent with itself, and signing it must make it verify.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "common/sample/signature.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::sample;
  const auto bytes = std::as_bytes(std::span(data, size));
  Limits limits;
  limits.max_values = 100'000;
  const auto parsed = parse_values(bytes, limits);
  const auto summary = parse(bytes, limits);
  if (parsed.has_value() != summary.has_value()) std::abort();
  if (!parsed) return 0;
  const Document& document = parsed->document;
  if (parsed->values.readings() != document.readings && !document.attachment) std::abort();
  if (document.signature_offset != kNoOffset && document.signature_offset + document.signature.size() > size)
    std::abort();
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  if (!sign(copy, "key")) return 0;
  if (verify(copy, "key").value_or(Verification::failed) != Verification::verified) std::abort();
  return 0;
}
