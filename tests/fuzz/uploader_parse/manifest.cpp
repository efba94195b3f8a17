// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/uploader_parse/manifest_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tml::fuzz::run_manifest({reinterpret_cast<const char*>(data), size});
  return 0;
}
