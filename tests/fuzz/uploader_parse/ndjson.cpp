// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/uploader_parse/manifest_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string lines = "{\"__ndjson\":true,\"version\":1}\n";
  tml::fuzz::run_manifest(lines + std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
