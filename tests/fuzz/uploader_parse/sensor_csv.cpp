// SPDX-License-Identifier: Apache-2.0
// Any bytes as sensor readings: the same whole and in pieces, and what is accepted converts into a file that follows
// the rules.
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "uploader/parse/csv_convert.hpp"

namespace {

using namespace tml::uploader;

void same_in_pieces(std::string_view text, const tml::Result<CsvFacts>& whole, const CsvDescription& description) {
  const auto pieces = check_csv(text_source(text, 3), "a", description);
  if (pieces.has_value() != whole.has_value()) std::abort();
  if (!whole) {
    if (pieces.error().message() != whole.error().message()) std::abort();
    return;
  }
  if (pieces->rows != whole->rows || pieces->axes != whole->axes || pieces->interval_ms != whole->interval_ms) {
    std::abort();
  }
}

void convert(std::string_view text, const CsvFacts& facts) {
  std::string out;
  CsvConverter converter(facts, [&](std::string_view piece) -> tml::Result<void> {
    out += piece;
    return {};
  });
  if (!converter.feed(text) || !converter.finish()) std::abort();
  const auto again = check_csv(text_source(out), "b");
  if (facts.interval_ms && *facts.interval_ms < 0.001) return;  // below what timestamps are written to
  // Axes may have any name, also one that is a number or stands for the timestamp.
  if (again && again->rows != facts.rows) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const CsvDescription descriptions[] = {{}, {"", {}, 62.5}, {"", {"x", "y", "z"}, 200.0}, {"2", {"x"}, {}}};
  for (const CsvDescription& description : descriptions) {
    const auto facts = check_csv(text_source(text), "a", description);
    same_in_pieces(text, facts, description);
    if (!facts) continue;
    if (facts->rows == 0 || facts->axes.empty() || facts->axes.size() != facts->axis_columns.size()) std::abort();
    if (facts->interval_ms && !(*facts->interval_ms > 0)) std::abort();
    convert(text, *facts);
  }
  return 0;
}
