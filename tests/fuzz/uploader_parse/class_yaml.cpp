// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/uploader_parse/annotation_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using tml::uploader::AnnotationFormat;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  tml::uploader::AnnotationReader reader(AnnotationFormat::yolo_txt);
  if (!reader.add("data.yaml", text) || !reader.add("a.txt", "0 0.5 0.5 0.1 0.1\n")) return 0;
  const auto out = reader.finish();
  if (out && *out && (*out)->size() != 1) std::abort();
  return 0;
}
