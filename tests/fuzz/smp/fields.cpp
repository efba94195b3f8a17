// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/smp.hpp"
#include "tests/fuzz/wire/input.hpp"

// Any bytes give fields that lie inside them, or an error; and a server reads the same as a client does.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::wire;
  const auto input = fuzz::bytes(data, size);
  const Result<smp::Fields> fields = smp::parse_fields(input);
  smp::Request request;
  const bool read = smp::parse_request(input, request);
  if (!fields) return 0;
  const auto same = [](const auto& a, const auto& b) {
    return a.has_value() == b.has_value() && (!a || (a->data() == b->data() && a->size() == b->size()));
  };
  fuzz::require(read && fields->off == request.off && fields->len == request.len);
  fuzz::require(fields->image.value_or(0) == request.image && fields->confirm.value_or(false) == request.confirm);
  fuzz::require(fields->d.value_or("") == request.d && same(fields->data, request.data));
  fuzz::require(same(fields->sha, request.sha) && same(fields->hash, request.hash));
  for (const auto& bytes : {fields->data, fields->sha, fields->hash}) {
    if (!bytes || bytes->empty()) continue;
    fuzz::require(bytes->data() >= input.data() && bytes->data() + bytes->size() <= input.data() + input.size());
  }
  return 0;
}
