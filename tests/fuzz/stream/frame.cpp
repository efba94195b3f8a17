// SPDX-License-Identifier: Apache-2.0
// Any bytes as frames, and through the detector: indices rise, the account adds up, what is kept is bounded.
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "common/stream/pipeline.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::stream;
  const auto bytes = std::as_bytes(std::span(data, size));
  for (const StreamKind kind : {StreamKind::frames, StreamKind::unknown}) {
    Pipeline pipeline({kind, true});
    std::uint64_t next = 0;
    const auto sink = [&](const StreamEvent& event) {
      if (event.kind == StreamEvent::Kind::gap) {
        if (event.gap.first != next) std::abort();
        next += event.gap.count;
      }
      if (event.kind != StreamEvent::Kind::reading) return;
      if (event.reading.index != next++) std::abort();
      for (const double value : event.reading.values.view()) {
        if (!std::isfinite(value)) std::abort();
      }
    };
    Time now{0};
    for (std::size_t at = 0; at < size; at += 7) {
      now += std::chrono::milliseconds(data[at]);
      pipeline.push(bytes.subspan(at, std::min<std::size_t>(7, size - at)), now, sink);
    }
    pipeline.finish(sink);
    if (!pipeline.total().consistent() || pipeline.total().expected != next) std::abort();
  }
  return 0;
}
