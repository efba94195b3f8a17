// SPDX-License-Identifier: Apache-2.0
#include "common/stream/types.hpp"

namespace tml::stream {

std::string_view gap_kind_name(GapKind kind) {
  switch (kind) {
    case GapKind::lost_lines:
      return "lost_lines";
    case GapKind::bad_line:
      return "bad_line";
    case GapKind::lost_frames:
      break;
  }
  return "lost_frames";
}

std::string_view gap_policy_name(GapPolicy policy) {
  switch (policy) {
    case GapPolicy::keep:
      return "keep";
    case GapPolicy::interpolate:
      return "interpolate";
    case GapPolicy::reject:
      break;
  }
  return "reject";
}

}  // namespace tml::stream
