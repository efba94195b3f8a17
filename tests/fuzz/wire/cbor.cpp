// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/cbor.hpp"

#include "tests/fuzz/wire/input.hpp"

// The event walk and skip_value agree, views stay inside the input, depth is bounded.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::wire;
  const auto input = fuzz::bytes(data, size);
  CborReader walker(input);
  bool good = false;
  for (;;) {
    const auto item = walker.next();
    fuzz::require(walker.depth() <= CborReader::kMaxDepth && walker.position() <= size);
    if (!item) {
      fuzz::require(walker.next().error() == item.error());
      fuzz::require(walker.offset_of_error() <= size);
      break;
    }
    fuzz::require(item->offset <= item->content && item->content <= size);
    fuzz::require(item->text.size() <= size && item->bytes.size() <= size);
    if (item->type == CborType::done) {
      good = true;
      break;
    }
  }
  CborReader skipper(input);
  const bool skipped = skipper.skip_value().has_value();
  fuzz::require(skipped == good);
  if (good) fuzz::require(skipper.position() == walker.position());
  return 0;
}
