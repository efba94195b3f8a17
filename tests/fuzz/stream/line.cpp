// SPDX-License-Identifier: Apache-2.0
// Any bytes at any times as text: each slot is placed once, indices rise, the account adds up, splitting changes
// nothing.
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "common/stream/pipeline.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::stream;
  const auto bytes = std::as_bytes(std::span(data, size));
  Pipeline pipeline({StreamKind::text, true});
  std::uint64_t next = 0;
  std::uint64_t missing = 0;
  const auto sink = [&](const StreamEvent& event) {
    if (event.kind == StreamEvent::Kind::gap) {
      if (event.gap.first < next || event.gap.count == 0) std::abort();
      next = event.gap.first + event.gap.count;
      missing += event.gap.count;
    }
    if (event.kind != StreamEvent::Kind::reading) return;
    if (event.reading.index != next) std::abort();
    ++next;
    for (const double value : event.reading.values.view()) {
      if (!std::isfinite(value)) std::abort();
    }
  };
  // The bytes give the times as well, so that mutation reaches the clock.
  Time now{0};
  std::size_t at = 0;
  while (at < size) {
    const std::size_t piece = 1 + static_cast<std::size_t>(data[at]) % 16;
    const std::size_t take = std::min(piece, size - at);
    now += std::chrono::microseconds(1LL << (data[at] % 22U));
    pipeline.push(bytes.subspan(at, take), now, sink);
    at += take;
  }
  pipeline.finish(sink);
  const Account account = pipeline.total();
  if (!account.consistent() || account.expected != next || account.missing != missing) std::abort();

  TextReader whole;
  TextReader single;
  const auto ignore = [](const LineEvent&) {};
  whole.push(bytes, Time{0}, ignore);
  for (std::size_t i = 0; i < size; ++i) single.push(bytes.subspan(i, 1), Time{0}, ignore);
  if (whole.counters().readings != single.counters().readings ||
      whole.counters().bad_total() != single.counters().bad_total() || whole.names() != single.names())
    std::abort();
  return 0;
}
