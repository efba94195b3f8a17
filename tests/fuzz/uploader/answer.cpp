// SPDX-License-Identifier: Apache-2.0
//
// What a server may answer to an upload: anything. First byte: files in the request; second: what the status is.
#include "uploader/answer.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::uploader;
  if (size < 2) return 0;
  constexpr int kStatus[] = {200, 200, 200, 201, 400, 401, 413, 429, 500, 503};
  const std::size_t expected = 1 + data[0] % 8;
  tml::http::Response response;
  response.status = kStatus[data[1] % 10];
  response.body.assign(reinterpret_cast<const char*>(data) + 2, size - 2);
  response.headers = {{"Retry-After", response.body.substr(0, 40)}};
  const Answer answer = read_answer(response, "http://h/api/training/files", expected);
  if (answer.kind == Answer::Kind::files && answer.files.size() != expected) std::abort();
  if (answer.kind != Answer::Kind::files && answer.error.what.empty()) std::abort();
  if (answer.retry_after && answer.retry_after->count() < 0) std::abort();
  const ServerFacts facts = read_extensions(response);
  if (facts.max_files < 1 || facts.max_files > 1000) std::abort();
  if (const auto known = read_known(response, expected); known && known->size() != expected) std::abort();
  return 0;
}
