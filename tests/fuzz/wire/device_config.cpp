// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/device_config.hpp"

#include <array>
#include <string>

#include "tests/fuzz/wire/input.hpp"

namespace {

std::string text_of(const tml::wire::DeviceConfig& config) {
  std::string text;
  tml::wire::write_device_config(config, [&text](std::string_view piece) { text += piece; });
  return text;
}

}  // namespace

// Any text reads the same in any cutting, and what was read never prints a prompt.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::wire;
  const std::string text = "= Sensors =\n" + std::string(as_text(fuzz::bytes(data, size)));
  DeviceConfig once;
  DeviceConfigReader reader(once);
  reader.feed(text);
  reader.finish();
  DeviceConfig cut;
  DeviceConfigReader cut_reader(cut);
  fuzz::in_pieces(text, [&cut_reader](std::string_view piece) { cut_reader.feed(piece); });
  cut_reader.finish();
  fuzz::require(reader.problem_total() == cut_reader.problem_total());
  fuzz::require(reader.unknown_keys() == cut_reader.unknown_keys());
  const std::string written = text_of(once);
  fuzz::require(written == text_of(cut));
  fuzz::require(written.find("> ") == std::string::npos);
  return 0;
}
