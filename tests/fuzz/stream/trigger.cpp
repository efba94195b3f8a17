// SPDX-License-Identifier: Apache-2.0
// Any text as a trigger: compiles or says where it is wrong; what compiles can be evaluated.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "common/stream/trigger.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::stream;
  static const std::array<std::string, 3> kAxes = {"x", "accY", "a b"};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto trigger = Trigger::compile(text, kAxes);
  if (!trigger) {
    if (trigger.error().what.empty() || trigger.error().code != tml::Errc::usage) std::abort();
    return 0;
  }
  for (const double x : {0.0, -1.0, 1e300}) (void)trigger->fires(std::array{x, 1.0, -x});
  return 0;
}
