// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/update_options.hpp"

#include <CLI/CLI.hpp>
#include <cmath>

#include "common/wire/flash_link.hpp"

namespace tml::fw::native {
namespace {

constexpr double kMaxLatencyMs = 255;  // FTDI: one byte of milliseconds
constexpr std::size_t kMaxProduct = wire::flash::kProductBytes - 1;

bool is_product(std::string_view text) {
  return !text.empty() && text.size() <= kMaxProduct &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
             std::string_view::npos;
}

}  // namespace

bool UpdateFlags::any_of_the_board() const {
  const UpdateOptions plain;
  return options.blank || options.hardware != plain.hardware || options.product != plain.product || options.release ||
         options.allow_read || !root_key.empty() || !flash_times.empty();
}

void add_update_flags(CLI::App& app, UpdateFlags& flags) {
  UpdateOptions& options = flags.options;
  app.add_flag("--blank", options.blank, "No application from the factory: the bootloader stays on the line");
  app.add_option("--hardware", options.hardware, "Hardware revision (1)")->type_name("N");
  app.add_option("--product", options.product, "Product that manifests must name (tml-virtual)")->type_name("NAME");
  app.add_option("--root-key", flags.root_key, "Public key that signs key sets, instead of the development root")
      ->type_name("FILE.pub");
  app.add_flag("--release", options.release, "A release build: refuses the development key, and has no key at first");
  app.add_flag("--allow-read", options.allow_read, "Slots may be read over the link");
  app.add_option("--latency-model", flags.latency_ms,
                 "Bytes to the host wait in a USB bridge: for 62 of them or this many milliseconds")
      ->type_name("MS")
      ->check(CLI::Range(0.0, kMaxLatencyMs));
  app.add_option("--flash-model", flags.flash_times,
                 "How long the firmware stands still for an erase and for a page program, as 45:0.7 (0:0)")
      ->type_name("MS:MS");
  app.add_option("--make-image", flags.image, "Write an application image (.tmlu: signed) and end")->type_name("FILE");
  app.add_option("--image-version", flags.image_version, "Its version (1.0.0)")->type_name("X.Y.Z");
  app.add_option("--image-behaviour", flags.image_behaviour, "What it does wrong: crash, hang or mute")
      ->type_name("NAME");
  app.add_option("--image-bytes", flags.image_bytes, "Its size (16384)")
      ->type_name("N")
      ->check(CLI::Range(kMinImageBytes, kMaxImageBytes));
  app.add_option("--image-slots", flags.image_slots, "Slots that it is linked for: a, b or ab (ab)")
      ->type_name("SLOTS");
}

Result<UpdateOptions> update_options(const UpdateFlags& flags) {
  UpdateOptions out = flags.options;
  if (!is_product(out.product)) {
    return fail(Errc::usage, "--product: expected 1 to 23 letters, digits, dots, dashes or underscores",
                "'" + out.product + "'");
  }
  if (!flags.root_key.empty()) {
    auto key = read_public_key(flags.root_key);
    if (!key) return pass(std::move(key.error()));
    out.root_key = *key;
  }
  out.latency = std::chrono::nanoseconds(std::llround(flags.latency_ms * 1e6));
  if (!flags.flash_times.empty()) {
    const std::optional<FlashTimes> times = parse_flash_times(flags.flash_times);
    if (!times) {
      return fail(Errc::usage, "--flash-model: expected ERASE_MS:PAGE_MS, each 0 to 10000",
                  "'" + flags.flash_times + "'", "Serial NOR takes about 45:0.7");
    }
    out.flash = *times;
  }
  return out;
}

Result<ImageOrder> image_order(const UpdateFlags& flags, std::uint64_t seed) {
  ImageOrder out;
  out.path = flags.image;
  if (out.path.empty()) {
    if (!flags.image_version && !flags.image_behaviour && !flags.image_bytes && !flags.image_slots) return out;
    return fail(Errc::usage,
                "--image-version, --image-behaviour, --image-bytes and --image-slots are about an image to be made", {},
                "Add --make-image FILE");
  }
  const std::string version = flags.image_version.value_or("1.0.0");
  const std::optional<std::uint32_t> number = parse_version(version);
  if (!number) return fail(Errc::usage, "--image-version: expected X.Y.Z", "'" + version + "'");
  const std::string behaviour = flags.image_behaviour.value_or("good");
  const std::optional<Behaviour> chosen = behaviour_named(behaviour);
  if (!chosen) return fail(Errc::usage, "--image-behaviour: expected crash, hang or mute", "'" + behaviour + "'");
  const std::string slots = flags.image_slots.value_or("ab");
  if (slots != "a" && slots != "b" && slots != "ab")
    return fail(Errc::usage, "--image-slots: expected a, b or ab", "'" + slots + "'");
  out.spec.slots = slots == "a" ? 0x1 : slots == "b" ? 0x2 : kBothAppSlots;
  out.spec.version = *number;
  out.spec.behaviour = *chosen;
  out.spec.bytes = flags.image_bytes.value_or(kDefaultImageBytes);
  out.spec.seed = seed;
  out.spec.product = flags.options.product;
  return out;
}

}  // namespace tml::fw::native
