// SPDX-License-Identifier: Apache-2.0
//
// What a server may send to a device: anything.
#include "common/remote/protocol.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto cbor = tml::remote::parse_server_message(text, tml::remote::Encoding::cbor);
  if (!cbor && cbor.error().what.empty()) std::abort();
  const auto message = tml::remote::parse_server_message(text);
  if (!message) {
    if (message.error().what.empty()) std::abort();
  } else if (const auto* sample = std::get_if<tml::remote::SampleCommand>(&*message)) {
    const bool timed = sample->length_ms > 0 && sample->interval_ms > 0;
    const bool picture = tml::remote::parse_camera_sensor(sample->sensor).has_value();
    if ((!timed && !picture) || sample->path.empty()) std::abort();
  }
  if (message) static_cast<void>(tml::remote::unsupported_reply(*message));
  static_cast<void>(tml::remote::is_auth_refusal(text));
  if (const auto camera = tml::remote::parse_camera_sensor(text); camera && (camera->first == 0 || camera->second == 0))
    std::abort();
  return 0;
}
