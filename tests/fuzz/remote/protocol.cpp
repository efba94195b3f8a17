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
    if (sample->length_ms == 0 || !(sample->interval_ms > 0) || sample->path.empty()) std::abort();
  }
  static_cast<void>(tml::remote::is_auth_refusal(text));
  return 0;
}
