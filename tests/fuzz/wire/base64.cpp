// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/base64.hpp"

#include <array>
#include <string>
#include <vector>

#include "tests/fuzz/wire/input.hpp"

// What decodes encodes to the same text (the alphabet is strict), and cutting changes nothing.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::wire;
  const std::string_view text = as_text(fuzz::bytes(data, size));
  std::vector<std::byte> whole(base64_max_decoded_size(size));
  const auto decoded = base64_decode(text, whole);

  Base64Decoder decoder;
  std::vector<std::byte> pieces;
  bool failed = false;
  fuzz::in_pieces(text, [&decoder, &pieces, &failed](std::string_view piece) {
    std::array<std::byte, 16> out{};
    const auto got = decoder.update(piece, out);
    failed = failed || !got;
    if (got) pieces.insert(pieces.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*got));
  });
  fuzz::require(decoder.position() <= size);
  fuzz::require(decoded.has_value() == (!failed && decoder.finish().has_value()));
  if (!decoded) return 0;
  whole.resize(*decoded);
  fuzz::require(whole == pieces);
  std::string again(base64_encoded_size(*decoded), '\0');
  const auto encoded = base64_encode(whole, again);
  fuzz::require(encoded.has_value() && again == text);
  return 0;
}
