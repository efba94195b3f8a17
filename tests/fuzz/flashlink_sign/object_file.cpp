// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Any file as one that shall be flashed. What is accepted can be written as a signed file and read again.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "common/flashlink/bundle.hpp"
#include "common/flashlink/development_key.hpp"
#include "common/flashlink/object_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::flashlink;
  static const SecretKey key = development_key();
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto objects = objects_of({bytes.begin(), bytes.end()}, {}, &key, 1, "input");
  if (!objects) return 0;
  const auto file = write_bundle(*objects);
  if (!file || !read_bundle(*file, "again")) std::abort();
  return 0;
}
