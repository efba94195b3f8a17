// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <cstdint>
#include <cstdlib>

#include "server/remote_messages.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::server;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const Encoding encoding : {Encoding::json, Encoding::cbor}) {
    const auto message = read_message(bytes, encoding);
    if (!message) {
      if (hello_refused(message.error().message(), encoding).empty()) std::abort();
      continue;
    }
    if (const auto* hello = std::get_if<Hello>(&*message)) {
      if (hello->device_id.empty() || hello->api_key.empty() || sensors_text(hello->sensors).empty()) std::abort();
    }
  }
  return 0;
}
