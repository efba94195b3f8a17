// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <vector>

#include "firmware/boot/smp_server.hpp"
#include "tests/fuzz/wire/input.hpp"
#include "tests/support/flash_fakes.hpp"

// Nothing that comes over the line, as bytes or as requests with the right checksum, erases or programs anything
// without a right signature, or breaks a rule of the flash.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml;
  fw::flashtest::Bench bench({.app_sectors = 1, .model_sectors = 1, .data_sectors = 1});
  const fw::update::Parts parts = bench.parts();
  fw::update::Installer installer(parts, bench.memory());
  installer.mount();
  const std::uint64_t before = bench.flash.operations;
  fw::boot::SmpServer server(installer, parts, bench.window);
  const auto hear = [&](std::span<const std::byte> bytes) {
    for (const std::byte b : bytes) static_cast<void>(server.receive(static_cast<std::uint8_t>(b)));
    for (int i = 0; i < 1000 && (server.poll() || !server.output().empty()); ++i) server.sent(server.output().size());
  };
  hear(wire::fuzz::bytes(data, size));
  // The same as the bodies of packets: two bytes choose length and command.
  std::span<const std::byte> rest = wire::fuzz::bytes(data, size);
  while (rest.size() > 2) {
    const auto want = static_cast<std::size_t>(rest[0]) * 4;
    const auto command = static_cast<std::uint8_t>(rest[1]);
    const auto body = rest.subspan(2, std::min(want, rest.size() - 2));
    std::vector<std::byte> packet(wire::smp::kHeaderBytes + body.size());
    wire::smp::put_header({.version = 1,
                           .op = (command & 1U) != 0 ? wire::smp::Op::write : wire::smp::Op::read,
                           .body_bytes = static_cast<std::uint16_t>(body.size()),
                           .group = static_cast<std::uint16_t>(command >> 1U & 1U),
                           .sequence = 0,
                           .id = static_cast<std::uint8_t>(command >> 2U & 7U)},
                          std::span(packet).first<wire::smp::kHeaderBytes>());
    std::ranges::copy(body, packet.begin() + wire::smp::kHeaderBytes);
    std::vector<std::byte> lines(wire::smp::encoded_bytes(packet.size()));
    static_cast<void>(wire::smp::encode_lines(packet, lines));
    hear(lines);
    rest = rest.subspan(2 + body.size());
  }
  wire::fuzz::require(bench.flash.operations == before && bench.flash.violations.empty());
  return 0;
}
