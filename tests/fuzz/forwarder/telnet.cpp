// SPDX-License-Identifier: Apache-2.0
// Any bytes from a peer in every mode: data and answers do not depend on how the bytes are cut, raw bytes pass
// unchanged, and answers are bounded by what asked for them.
#include "forwarder/telnet.hpp"

#include <cstdint>
#include <cstdlib>

namespace {

struct Heard {
  std::vector<std::byte> data;
  std::string reply;
  bool operator==(const Heard&) const = default;
};

Heard hear(std::span<const std::byte> bytes, std::size_t piece, tml::forwarder::Telnet::Mode mode) {
  tml::forwarder::Telnet telnet(mode);
  Heard heard;
  telnet.set_baud(115'200, heard.reply);
  heard.reply += telnet.greeting();
  for (std::size_t at = 0; at < bytes.size(); at += piece)
    telnet.push(bytes.subspan(at, std::min(piece, bytes.size() - at)), heard.data, heard.reply);
  return heard;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using Mode = tml::forwarder::Telnet::Mode;
  const auto bytes = std::as_bytes(std::span(data, size));
  for (const Mode mode : {Mode::raw, Mode::detect, Mode::telnet}) {
    const Heard whole = hear(bytes, size == 0 ? 1 : size, mode);
    if (hear(bytes, 1, mode) != whole) std::abort();
    if (whole.data.size() > size) std::abort();
    // Three bytes ask for three at most; agreeing to the port option sends four settings on top, once per agreement.
    if (whole.reply.size() > 64 + size * 32) std::abort();
    if (mode == Mode::raw && (whole.data.size() != size || !whole.reply.empty())) std::abort();
  }
  return 0;
}
