// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The worked examples of docs/image-format.md, which another program made from the text of that page.
#include <gtest/gtest.h>

#include <cstring>

#include "common/wire/boot_record.hpp"
#include "common/wire/crc.hpp"
#include "common/wire/hex.hpp"
#include "firmware/update/trailer.hpp"
#include "tests/support/flash_fakes.hpp"

namespace tml::fw::update {
namespace {

using wire::flash::BootRecord;
using wire::flash::ObjectClass;

template <class Value>
std::string hex_of(const Value& value, std::size_t first, std::size_t count) {
  std::string text(count * 2, ' ');
  EXPECT_TRUE(
      wire::hex_encode(std::as_bytes(std::span(&value, 1)).subspan(first, count), std::span(text.data(), text.size()))
          .has_value());
  return text;
}

flashtest::Object example() {
  const std::string_view text = "hello\n";
  flashtest::Object object =
      flashtest::make_object(ObjectClass::data, 1U << 6U, {text.begin(), text.end()}, 0x01020003, 4);
  object.manifest.product = {};
  std::memcpy(object.manifest.product.data(), "tml-virtual", 11);
  std::memcpy(object.manifest.name.data(), "greeting", 8);
  object.manifest.created_unix_s = 1763683200;
  flashtest::Signer::development().sign(object.manifest);
  return object;
}

TEST(Format, manifest) {
  const flashtest::Object object = example();
  EXPECT_EQ(
      hex_of(object.manifest, 0, 64),
      "544d4c5301000200746d6c2d7669727475616c000000000000000000000000000000ffff40000000030002010400000006000000010000"
      "000000000000000000");
  EXPECT_EQ(hex_of(object.manifest, 112, 32), "ecb65bb98f9d905b70458986c39fcbad7715e5f2fcc3b1f07767d7c83e2438cc");
  EXPECT_EQ(
      hex_of(object.manifest, 440, 72),
      "043bddb6fa4e06bca26b92253c5e950dc89b005190dcb7d241eca47eb20dc00af03d09cc055bdfb7b494bc13795c4ffd5a55d10a6319b6"
      "f8e34568617b263d768b8f7c1e052ba900");
}

TEST(Format, mark) {
  const flashtest::Object object = example();
  EXPECT_EQ(hex_of(make_seal(object.manifest), 0, 28), "544d4c5401000100a834c8276cc5d4d1363ad7b0929263a4839a20f5");
  std::array<std::uint8_t, 576 + 32> trailer{};
  ASSERT_EQ(make_trailer(object.manifest, object.list, trailer), trailer.size());
  EXPECT_EQ(std::memcmp(trailer.data() + 540, "FCRY", 4), 0);
  EXPECT_EQ(trailer[544], 0xFE);
  EXPECT_EQ(trailer[545], 0xFF);
}

TEST(Format, boot_record) {
  BootRecord record;
  record.sequence = 7;
  record.event = wire::flash::BootEvent::selected;
  record.slot = 1;
  record.lanes[0] = {0, 1};
  record.lanes[1].active = 2;
  record.floors[0] = 3;
  record.granted[0] = 3;
  record.attempts[0] = 0b011;
  record.crc = wire::Crc32c::of(std::as_bytes(std::span(&record, 1)).first(52));
  EXPECT_EQ(hex_of(record, 0, 16), "544d4c42070000000101000102ffffff");
  EXPECT_EQ(hex_of(record, 32, 16), "03000000000000000000000000000000");
  EXPECT_EQ(hex_of(record, 48, 16), "00000000f1de1e8803ffffff434d4954");
}

}  // namespace
}  // namespace tml::fw::update
