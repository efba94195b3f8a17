// SPDX-License-Identifier: Apache-2.0
#include "common/stream/document.hpp"

#include <cmath>

#include "common/sample/writer.hpp"

namespace tml::stream {

std::string_view units_for(std::string_view axis) {
  if (axis.starts_with("acc")) return "m/s2";
  if (axis == "audio") return "wav";
  return "N/A";
}

Result<SampleDocument> make_document(Window window, const Account& account, const DocumentSettings& settings) {
  if (settings.axes.size() != window.axes) {
    return fail(Errc::usage,
                std::to_string(settings.axes.size()) + " axis names for " + std::to_string(window.axes) + " axes",
                "--axes", "Name each axis once, separated by commas.");
  }
  if (!(settings.rate_hz > 0) || !std::isfinite(settings.rate_hz))
    return fail(Errc::usage, "the rate of the readings is not known yet", "--frequency",
                "Wait for a few seconds of readings, or state the frequency.");
  auto even = apply_policy(std::move(window), account.policy);
  if (!even) return pass(even.error());
  sample::Header header;
  header.hs256 = settings.hs256;
  header.issued_at_s = settings.issued_at_s;
  header.nonce = settings.nonce;
  header.device_name = settings.device_name;
  header.device_type = settings.device_type;
  header.interval_ms = 1000.0 / settings.rate_hz;
  for (const std::string& axis : settings.axes) header.sensors.push_back({axis, std::string(units_for(axis))});
  auto bytes = settings.cbor ? sample::write_cbor(header, even->rows) : sample::write_json(header, even->rows);
  if (!bytes) return pass(bytes.error());
  SampleDocument document;
  document.bytes = std::move(*bytes);
  document.metadata = metadata(account);
  if (even->cut_short) document.metadata["cut_short"] = "true";
  if (even->trigger) document.metadata["trigger_position"] = std::to_string(*even->trigger - even->first);
  return document;
}

}  // namespace tml::stream
