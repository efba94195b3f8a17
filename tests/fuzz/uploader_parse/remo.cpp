// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/uploader_parse/annotation_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using tml::uploader::AnnotationFormat;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  tml::fuzz::run_annotations(AnnotationFormat::remo_boxes, "a.json", text);
  tml::fuzz::run_annotations(AnnotationFormat::remo_label, "a.json", text);
  return 0;
}
