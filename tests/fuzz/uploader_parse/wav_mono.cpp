// SPDX-License-Identifier: Apache-2.0
// Any bytes as a WAV file: what is accepted becomes a document with one value per frame.
#include <cstdint>
#include <cstdlib>

#include "common/sample/document.hpp"
#include "uploader/parse/wav_check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::uploader;
  const auto source = random_text_source({reinterpret_cast<const char*>(data), size});
  const auto facts = check_wav(source, "x");
  const auto document = wav_document(source, {"d", "T", "key"}, "x");
  if (facts.has_value() != document.has_value()) std::abort();
  if (!facts) return 0;
  const auto parsed = tml::sample::parse(tml::sample::as_bytes(*document));
  if (!parsed || parsed->readings != facts->format.frames) std::abort();
  return 0;
}
