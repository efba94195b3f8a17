// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/response_scanner.hpp"

#include <array>
#include <string>
#include <vector>

#include "tests/fuzz/wire/input.hpp"

namespace {

struct Seen {
  std::string events;
  std::string streamed;
  std::string body;
};

Seen scan(std::string_view text, std::uint8_t options, bool in_pieces) {
  using namespace tml::wire;
  std::array<char, 64> memory{};
  Seen seen;
  auto sink = [&seen](std::string_view piece) { seen.streamed += piece; };
  ResponseScanner scanner(memory);
  ResponseScanner::Options chosen;
  chosen.mode = static_cast<ResponseScanner::Mode>(options % 3);
  chosen.echo = (options & 4U) == 0;
  if ((options & 8U) != 0) chosen.stream_body = TextSink(sink);
  scanner.begin("AT+R", chosen);
  const auto feed = [&scanner, &seen](std::string_view input) {
    while (!input.empty()) {
      const auto step = scanner.feed(input);
      tml::wire::fuzz::require(step.consumed <= input.size());
      if (step.event == ResponseScanner::Event::none) break;
      seen.events += static_cast<char>('0' + static_cast<int>(step.event));
      input.remove_prefix(step.consumed);
    }
  };
  if (in_pieces) {
    tml::wire::fuzz::in_pieces(text, feed);
  } else {
    feed(text);
  }
  (void)scanner.accept_pending();
  seen.body = scanner.body();
  return seen;
}

}  // namespace

// Cutting the input anywhere changes neither events nor body nor stream.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string text = "AT+R\r\n";
  if ((data[0] & 16U) != 0) text.clear();
  text += tml::wire::as_text(tml::wire::fuzz::bytes(data + 1, size - 1));
  const Seen once = scan(text, data[0], false);
  const Seen pieces = scan(text, data[0], true);
  tml::wire::fuzz::require(once.events == pieces.events && once.streamed == pieces.streamed &&
                           once.body == pieces.body);
  return 0;
}
