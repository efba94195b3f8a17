// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/loader.hpp"

#include "common/base/version.hpp"
#include "firmware/boards/native/pty_uart.hpp"
#include "firmware/hal/flash_layout.hpp"
#include "firmware/update/development_key.hpp"

namespace tml::fw::native {
namespace {

// What USB bridges and UARTs of microcontrollers have in common.
constexpr std::array<std::uint32_t, wire::flash::kMaxBauds> kBauds{115'200,   230'400,   460'800,   921'600,
                                                                   1'000'000, 1'500'000, 2'000'000, 3'000'000};
std::span<const std::uint32_t> bauds_of(const hal::Uart& uart) {
  return uart.line_rate() == 0 ? std::span<const std::uint32_t>() : kBauds;
}

constexpr std::uint8_t kAllObjects = 0b111;  // application, model, data

update::Trust make_trust(const UpdateOptions& options) {
  update::Trust out;
  out.root_key = options.root_key.value_or(update::kDevelopmentRoot);
  out.release = options.release;
  out.allow_read = options.allow_read;
  // A release has no key of its own: its first key set comes over the link, signed by the root.
  if (!options.release) {
    out.factory_keys.count = 1;
    out.factory_keys.keys[0].public_key = update::kDevelopmentKey;
    out.factory_keys.keys[0].classes = kAllObjects;
  }
  return out;
}

}  // namespace

Loader::Loader(const UpdateOptions& options, const std::string& device_id, hal::Flash& flash, hal::Clock& clock,
               hal::Random& random, BootPort& port)
    : trust_(make_trust(options)),
      product_{.name = options.product,
               .hardware = options.hardware,
               .boot_version = parse_version(kVersion).value_or(0),
               .device_id = device_id,
               .flash_bytes = flash.size_bytes()},
      parts_{.flash = flash,
             .clock = clock,
             .random = random,
             .port = port,
             .boot_control = hal::kBootControlRegion,
             .keys = hal::kCountersRegion,
             .slots = hal::kSlotRegions,
             .trust = trust_,
             .product = product_} {}

Loader::Engine::Engine(const update::Parts& parts, const update::Memory& memory, hal::Uart& uart,
                       const update::LinkOptions& options)
    : installer(parts, memory), link(installer, parts, memory, uart, options), engine{installer, link, parts} {
  installer.mount();
}

void Loader::stop() {
  boot_.reset();
  engine_.reset();
}

void Loader::start_boot(hal::Uart& uart) {
  stop();
  boot_.emplace(uart, parts_, memory(), boot::Options{.bauds = bauds_of(uart), .rx_bytes = PtyUart::kRxFifoBytes});
  boot_->start();
}

const app::UpdateEngine& Loader::start_engine(hal::Uart& uart, std::uint32_t app_version) {
  stop();
  engine_.emplace(parts_, memory(), uart,
                  update::LinkOptions{.mode = wire::flash::Mode::application,
                                      .app_version = app_version,
                                      .bauds = bauds_of(uart),
                                      .rx_bytes = PtyUart::kRxFifoBytes});
  return engine_->engine;
}

}  // namespace tml::fw::native
