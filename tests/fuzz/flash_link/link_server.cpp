// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Sequences of valid and damaged frames, time and resets against the board's end of the link. Oracle: no byte of a slot
// changes unless a manifest with a valid signature named that slot, or ERASE did; a slot that is committed holds what
// was signed; flash rules are kept; what is sent is frames.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>

#include "tests/support/link_rig.hpp"

namespace {

using namespace tml::fw::flashtest;  // NOLINT(google-build-using-namespace): one file, all of it
using flash::Op;
using flash::Status;

class Input {
 public:
  explicit Input(std::span<const std::uint8_t> bytes) : rest_(bytes) {}
  [[nodiscard]] bool empty() const { return rest_.empty(); }
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const std::uint8_t value = rest_.front();
    rest_ = rest_.subspan(1);
    return value;
  }
  Bytes bytes(std::size_t most) {
    const auto part = std::as_bytes(rest_.first(std::min(most, rest_.size())));
    rest_ = rest_.subspan(part.size());
    return {part.begin(), part.end()};
  }

 private:
  std::span<const std::uint8_t> rest_;
};

const Object& object_of(unsigned n) {
  static const std::array objects{make_app(noise(5000, 1)), make_app(noise(9000, 2), 0x02000000),
                                  make_model(noise(6000, 3)), [] {
                                    Object forged = make_app(noise(5000, 4));
                                    forged.manifest.signature[5] ^= 1U;
                                    return forged;
                                  }()};
  return objects[n % objects.size()];
}

Bytes begin_of(const Object& object, std::uint8_t slot, std::uint8_t base, std::uint8_t flags, std::size_t entries) {
  Bytes payload = encoded(flash::Begin{slot, base, flags});
  const auto manifest = object.manifest_bytes();
  payload.insert(payload.end(), manifest.begin(), manifest.end());
  const auto list = object.list_bytes().first(std::min(entries * 32, object.list.size()));
  payload.insert(payload.end(), list.begin(), list.end());
  return payload;
}

void check(bool good) {
  if (!good) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  LinkRig rig;
  Input in(std::span(data, size));
  std::array<bool, flash::kSlots> named{};  // by something authentic
  const auto untouched = rig.bench.flash.bytes;
  for (int steps = 0; steps < 64 && !in.empty() && !rig.link->finished(); ++steps) {
    const std::uint8_t what = in.byte();
    const std::uint8_t a = in.byte();
    const auto slot = static_cast<std::uint8_t>(a % 8);
    flash::Frame frame{.kind = flash::Kind::request, .id = static_cast<std::uint8_t>(1 + steps)};
    Bytes payload;
    switch (what % 12) {
      case 0:
        if (rig.hello()) break;
        std::abort();
      case 1: {
        const Object& object = object_of(a / 8U);
        const auto base = static_cast<std::uint8_t>(in.byte() % 8U);
        payload = begin_of(object, slot, base == 7 ? flash::kNoSlot : base, 0, in.byte() % 4U);
        frame.op = static_cast<std::uint8_t>(Op::begin);
        if (&object != &object_of(3) && slot < flash::kSlots && (object.manifest.slots >> slot & 1U) != 0)
          named[slot] = true;
        break;
      }
      case 2: {
        const Object& object = object_of(a);
        payload = fields(static_cast<std::uint16_t>(in.byte() % 4U));
        payload.insert(payload.end(), object.list_bytes().begin(), object.list_bytes().end());
        frame.op = static_cast<std::uint8_t>(Op::list);
        break;
      }
      case 3:
        rig.send_granules(object_of(a), {}, in.byte() % 4U, in.byte() % 64U, 1 + in.byte() % 32U);
        break;
      case 4: {
        // Everything of one object, as a host would: so that later states are reached.
        const Object& object = object_of(a);
        for (std::size_t chunk = 0; chunk < (object.payload.size() + 4095) / 4096; ++chunk) {
          for (std::size_t g = 0; g < 64; g += 16) rig.send_granules(object, {}, chunk, g, 16);
          for (int i = 0; i < 20; ++i) rig.step();
        }
        break;
      }
      case 5:
        frame.op = static_cast<std::uint8_t>(Op::erase);
        payload = fields(slot);
        if (slot < flash::kSlots) named[slot] = true;
        break;
      case 6:
        frame.op = static_cast<std::uint8_t>(Op::commit);
        payload = fields(slot);
        break;
      case 7:
        frame.op = static_cast<std::uint8_t>(Op::select);
        payload = encoded(
            flash::Select{slot, static_cast<std::uint8_t>(in.byte() % 2), static_cast<std::uint8_t>(in.byte() % 10)});
        break;
      case 8: {
        // Any operation, any payload; not one that names a slot for writing without this program knowing.
        frame.op = in.byte();
        payload = in.bytes(in.byte());
        const auto op = static_cast<Op>(frame.op);
        if (op == Op::erase && !payload.empty() && std::to_integer<unsigned>(payload[0]) < flash::kSlots)
          named[std::to_integer<std::size_t>(payload[0])] = true;
        break;
      }
      case 9:
        rig.bench.clock.now_us += std::uint64_t{a} * 40'000;
        break;
      case 10:
        rig.send(in.bytes(a));
        break;
      case 11: {
        flash::Frame any{.kind = static_cast<flash::Kind>(0x10 + a % 8)};
        any.granule = static_cast<std::uint16_t>(in.byte() * 16U);
        any.encoded_bytes = static_cast<std::uint16_t>(1 + in.byte() * 16U);
        const Bytes bytes = in.bytes(in.byte());
        any.payload = bytes;
        any.op = in.byte() | 2U;
        if (any.kind != flash::Kind::request) rig.send_frame(any);
        break;
      }
    }
    if (frame.op != 0 && frame.op != 1) {
      frame.payload = payload;
      rig.send_frame(frame);
    }
    for (int i = 0; i < 4 + a % 32; ++i) rig.step();
  }
  for (int i = 0; i < 200; ++i) rig.step();
  check(rig.bench.flash.violations.empty());
  for (std::uint8_t slot = 0; slot < flash::kSlots; ++slot) {
    const auto region = rig.bench.slots[slot];
    const auto first = rig.bench.flash.bytes.begin() + region.offset;
    if (!named[slot]) check(std::equal(first, first + region.size_bytes, untouched.begin() + region.offset));
    flash::SlotInfo info;
    rig.installer->describe(slot, info);
    if (info.state != flash::SlotInfo::State::complete) continue;
    check(info.payload_bytes > 0 && info.payload_bytes <= region.size_bytes);
    const auto hash = sha256(std::span(rig.bench.flash.bytes).subspan(region.offset, info.payload_bytes));
    check(hash == info.payload_hash);
  }
  return 0;
}
