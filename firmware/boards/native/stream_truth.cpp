// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/stream_truth.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tml::fw::native {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const IndexRanges& ranges, std::size_t max_ranges) {
  Json list = Json::array();
  for (const IndexRanges::Range& range : ranges.ranges().first(std::min(max_ranges, ranges.ranges().size())))
    list.push_back({range.first, range.last});
  const bool complete = ranges.complete() && ranges.ranges().size() <= max_ranges;
  return {{"readings", ranges.readings()}, {"ranges", std::move(list)}, {"complete", complete}};
}

}  // namespace

void IndexRanges::add(std::uint64_t first, std::uint64_t count) {
  if (count == 0) return;
  readings_ += count;
  if (!ranges_.empty() && complete_ && ranges_.back().last + 1 == first) {
    ranges_.back().last += count;
  } else if (ranges_.size() < kMaxRanges) {
    ranges_.push_back({first, first + count - 1});
  } else {
    complete_ = false;
  }
}

std::string stream_json(std::string_view event, unsigned board, const StreamSession& session, std::size_t max_ranges) {
  Json out{{"event", event},       {"board", board},   {"sid", session.sid},   {"sensor", session.sensor},
           {"axes", session.axes}, {"hz", session.hz}, {"form", session.form}, {"source", session.source}};
  if (event == "stream_end") {
    out["taken"] = session.taken;
    out["sent"] = session.sent;
    out["lost"] = to_json(session.lost, max_ranges);
    out["damaged"] = to_json(session.damaged, max_ranges);
    out["dropped"] = to_json(session.dropped, max_ranges);
    Json stalls = Json::array();
    for (std::size_t i = 0; i < std::min(max_ranges, session.stalls.size()); ++i)
      stalls.push_back({session.stalls[i].before, session.stalls[i].ms});
    out["stalls"] = {{"count", session.stall_count}, {"before_ms", std::move(stalls)}};
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tml::fw::native
