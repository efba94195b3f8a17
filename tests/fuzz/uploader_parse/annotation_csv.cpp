// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/uploader_parse/annotation_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using tml::uploader::AnnotationFormat;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  tml::fuzz::run_annotations(AnnotationFormat::plain_csv, "a.csv", text);
  tml::fuzz::run_annotations(AnnotationFormat::plain_csv_boxes, "a.csv", text);
  tml::fuzz::run_annotations(std::nullopt, "a.csv", text, "class-descriptions.csv", "/m/1,car\n/m/2,bus\n");
  return 0;
}
