// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/uploader_parse/annotation_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using tml::uploader::AnnotationFormat;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  tml::fuzz::run_annotations(AnnotationFormat::pascal_voc, "a.xml", text);
  tml::fuzz::run_annotations(std::nullopt, "a.xml", text);
  return 0;
}
