// SPDX-License-Identifier: Apache-2.0
// Impulse files: what parses gives facts or an error, and a section that reads back.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/model/impulse_section.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::model;
  const auto spec = parse_impulse({reinterpret_cast<const char*>(data), size}, "fuzz.toml");
  if (!spec) {
    if (spec.error().what.empty()) std::abort();
    return 0;
  }
  const auto facts = choose_axes(*spec, 0, 3, "fuzz.toml");
  if (!facts) return 0;
  PackageOptions options;
  options.impulse = write_impulse(*spec, *facts, {}, 1);
  const auto compiled = compile(nullptr, options, "fuzz.toml");
  if (!compiled) std::abort();
  // Without a fitted model it is refused in the end, but read to the end.
  static_cast<void>(read_impulse(tml::wire::model::open(compiled->package).view, "fuzz"));
  return 0;
}
