// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/cbor.hpp"

#include <cmath>
#include <cstdio>

#include "tests/unit/wire/support.hpp"

namespace tml::wire {
namespace {

using test::Bytes;

std::string notation(const CborItem& item) {
  switch (item.type) {
    case CborType::unsigned_int:
      return "u" + std::to_string(item.value);
    case CborType::negative_int:
      return "n" + std::to_string(item.value);
    case CborType::bytes:
      return "B" + test::hex(item.bytes);
    case CborType::text:
      return "T" + test::hex(as_bytes(item.text));
    case CborType::array:
      return item.indefinite ? "[_" : "[" + std::to_string(item.value);
    case CborType::map:
      return item.indefinite ? "{_" : "{" + std::to_string(item.value);
    case CborType::end:
      return ".";
    case CborType::tag:
      return "t" + std::to_string(item.value);
    case CborType::boolean:
      return item.value != 0 ? "true" : "false";
    case CborType::null:
      return "null";
    case CborType::undefined:
      return "undefined";
    case CborType::simple:
      return "s" + std::to_string(item.value);
    case CborType::real: {
      std::array<char, 40> text{};
      std::snprintf(text.data(), text.size(), "r%.17g", item.real);
      return text.data();
    }
    case CborType::done:
      return "done";
  }
  return "?";
}

std::vector<std::string> events(const Bytes& input, CborReader::Limits limits = {}) {
  CborReader reader(input, limits);
  std::vector<std::string> list;
  for (;;) {
    const auto item = reader.next();
    if (!item) {
      list.push_back("!" + std::string(errc_name(item.error())));
      return list;
    }
    if (item->type == CborType::done) return list;
    list.push_back(notation(*item));
  }
}

TEST(CborReader, Rfc8949AppendixA) {
  CborReader::Limits limits;
  limits.tags = CborReader::Tags::report;
  for (const auto& line : test::golden("cbor_rfc8949.txt")) {
    const auto seen = events(test::unhex(line[0]), limits);
    ASSERT_EQ(seen.size(), line.size() - 1) << line[0];
    for (std::size_t i = 0; i < seen.size(); ++i) {
      if (line[i + 1][0] == 'r') {
        const double expected = std::stod(line[i + 1].substr(1));
        const double actual = std::stod(seen[i].substr(1));
        EXPECT_TRUE(std::isnan(expected) ? std::isnan(actual)
                                         : expected == actual && std::signbit(expected) == std::signbit(actual))
            << line[0];
      } else {
        EXPECT_EQ(seen[i], line[i + 1]) << line[0];
      }
    }
  }
}

TEST(CborReader, EveryTruncationIsAnError) {
  for (const auto& line : test::golden("cbor_rfc8949.txt")) {
    if (line[1][0] == '!') continue;
    const Bytes whole = test::unhex(line[0]);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const auto seen = events(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
      ASSERT_FALSE(seen.empty()) << line[0];
      EXPECT_EQ(seen.back(), "!truncated") << line[0] << " cut to " << size;
    }
  }
}

TEST(CborReader, NotWellFormed) {
  for (const std::string_view bad :
       {"ff", "1c", "3d", "5e", "fc", "fe", "f818", "1f", "3f", "df", "81ff", "bf01ff", "a101ff", "c1ff", "9fc1ff"}) {
    EXPECT_EQ(events(test::unhex(bad)).back(), "!malformed") << bad;
  }
}

TEST(CborReader, Limits) {
  CborReader::Limits limits;
  limits.depth = 2;
  EXPECT_EQ(events(test::unhex("818100"), limits).back(), ".");
  EXPECT_EQ(events(test::unhex("81818100"), limits).back(), "!limit");
  EXPECT_EQ(events(Bytes(200, std::byte{0x81})).back(), "!limit");
  Bytes deep(200, std::byte{0x9F});
  EXPECT_EQ(events(deep).back(), "!limit");
  EXPECT_EQ(events(test::unhex("9bffffffffffffffff00")).back(), "!truncated");
  EXPECT_EQ(events(test::unhex("bbffffffffffffffff00")).back(), "!truncated");
  EXPECT_EQ(events(test::unhex("7bffffffffffffffff00")).back(), "!truncated");
  limits = {};
  limits.items = 3;
  EXPECT_EQ(events(test::unhex("820102"), limits).back(), ".");
  EXPECT_EQ(events(test::unhex("83010203"), limits).back(), "!limit");
  EXPECT_EQ(events(Bytes(100, std::byte{0xC1}), limits).back(), "!limit") << "a chain of tags";
  limits = {};
  limits.string_bytes = 3;
  EXPECT_EQ(events(test::unhex("6449455446"), limits).back(), "!limit");
  limits = {};
  limits.container_items = 3;
  EXPECT_EQ(events(test::unhex("a201020304"), limits).back(), "!limit");
}

TEST(CborReader, StopsBehindTheItemAndReportsOffsets) {
  const Bytes input = test::unhex("a1617362aabb0102");
  CborReader reader(input);
  EXPECT_TRUE(reader.enter_map());
  const auto key = reader.next();
  ASSERT_TRUE(key);
  EXPECT_EQ(key->offset, 1U);
  EXPECT_EQ(key->content, 2U);
  const auto value = reader.peek();
  ASSERT_TRUE(value);
  EXPECT_EQ(value->offset, 3U);
  EXPECT_EQ(reader.position(), 3U);
  EXPECT_EQ(reader.depth(), 1U);
  EXPECT_TRUE(reader.skip_value());
  EXPECT_TRUE(reader.take_end().value());
  EXPECT_EQ(reader.next()->type, CborType::done);
  EXPECT_EQ(reader.position(), 6U);
}

TEST(CborReader, TypedReadsLeaveOtherItemsInPlace) {
  const Bytes input = test::unhex("86016161f5f93e0041ff29");
  CborReader reader(input);
  EXPECT_EQ(reader.read_unsigned().error(), Errc::wrong_type);
  EXPECT_EQ(reader.enter_map().error(), Errc::wrong_type);
  ASSERT_TRUE(reader.enter_array());
  EXPECT_EQ(reader.read_text().error(), Errc::wrong_type);
  EXPECT_EQ(reader.read_unsigned(0).error(), Errc::limit);
  EXPECT_EQ(reader.read_unsigned(1).value(), 1U);
  EXPECT_EQ(reader.read_text().value(), "a");
  EXPECT_TRUE(reader.read_bool().value());
  EXPECT_EQ(reader.read_number().value(), 1.5);
  EXPECT_EQ(reader.read_bytes().value().size(), 1U);
  EXPECT_FALSE(reader.take_end().value());
  EXPECT_EQ(reader.read_integer().value(), -10);
  EXPECT_EQ(reader.skip_value().error(), Errc::wrong_type);
  EXPECT_TRUE(reader.take_end().value());
}

TEST(CborReader, TagsAreSkippedByDefault) {
  EXPECT_EQ(events(test::unhex("c1d81801")), std::vector<std::string>{"u1"});
}

std::string written(auto&& write) {
  std::array<std::byte, 64> memory{};
  CborWriter writer(memory);
  write(writer);
  return test::hex(writer.written());
}

TEST(CborWriter, ShortestRealOfAppendixA) {
  for (const auto& line : test::golden("cbor_rfc8949.txt")) {
    if (line[1][0] != 'r' || line.size() != 2) continue;
    const double value = std::stod(line[1].substr(1));
    const auto text = written([value](CborWriter& writer) { writer.real(value); });
    if (std::isinf(value) || std::isnan(value)) {
      EXPECT_EQ(text.size(), 6U);
    } else {
      EXPECT_EQ(text, line[0]);
    }
  }
}

TEST(CborWriter, Heads) {
  EXPECT_EQ(written([](CborWriter& w) { w.unsigned_int(UINT64_MAX); }), "1bffffffffffffffff");
  EXPECT_EQ(written([](CborWriter& w) { w.integer(INT64_MIN); }), "3b7fffffffffffffff");
  EXPECT_EQ(written([](CborWriter& w) { w.integer(-1000); }), "3903e7");
  EXPECT_EQ(written([](CborWriter& w) { w.map_indefinite(), w.text("a"), w.null(), w.end(); }), "bf6161f6ff");
  EXPECT_EQ(written([](CborWriter& w) { w.tag(32), w.boolean(true), w.single(1.5F); }), "d820f5fa3fc00000");
}

TEST(CborWriter, OverflowSticksAndKeepsWholeItems) {
  std::array<std::byte, 4> memory{};
  CborWriter writer(memory);
  writer.text("abc");
  writer.unsigned_int(1);
  EXPECT_TRUE(writer.overflowed());
  EXPECT_EQ(writer.finish().error(), Errc::overflow);
  EXPECT_EQ(writer.size(), 4U);
  writer.reset();
  EXPECT_EQ(writer.finish().value().size(), 0U);
}

TEST(Cbor, NumbersRoundTripInTheShortestForm) {
  EXPECT_TRUE(rc::check([](std::int64_t integer, double real, std::uint32_t float_bits, std::uint16_t half_bits) {
    std::array<std::byte, 64> memory{};
    CborWriter writer(memory);
    writer.array_indefinite();
    writer.integer(integer);
    writer.real(real);
    const auto single = static_cast<double>(std::bit_cast<float>(float_bits));
    const std::size_t before = writer.size();
    writer.real(single);
    RC_ASSERT(writer.size() - before <= 5U);
    const double half = half_to_double(half_bits);
    const std::size_t before_half = writer.size();
    writer.real(half);
    RC_ASSERT(writer.size() - before_half == 3U);
    if (!std::isnan(half)) RC_ASSERT(memory[before_half + 1] == static_cast<std::byte>(half_bits >> 8U));
    if (!std::isnan(half)) RC_ASSERT(memory[before_half + 2] == static_cast<std::byte>(half_bits & 0xFFU));
    writer.end();
    CborReader reader(writer.written());
    RC_ASSERT(reader.enter_array().has_value());
    RC_ASSERT(reader.read_integer().value() == integer);
    const auto same = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); };
    RC_ASSERT(same(reader.read_number().value(), real));
    RC_ASSERT(same(reader.read_number().value(), single));
    RC_ASSERT(same(reader.read_number().value(), half));
    RC_ASSERT(reader.take_end().value());
  }));
}

// A random tree is written, read back event by event, and skipped as a whole.
void write_tree(CborWriter& writer, std::string& expected, int depth) {
  const int kind = *rc::gen::inRange(0, depth > 0 ? 9 : 6);
  const auto text = *rc::gen::container<std::string>(rc::gen::inRange<char>('a', 'z'));
  const auto value = *rc::gen::arbitrary<std::uint64_t>();
  const auto children = *rc::gen::inRange<std::size_t>(0, 4);
  switch (kind) {
    case 0:
      writer.unsigned_int(value), expected += "u" + std::to_string(value) + " ";
      return;
    case 1:
      writer.text(text), expected += "T" + test::hex(as_bytes(text)) + " ";
      return;
    case 2:
      writer.bytes(as_bytes(text)), expected += "B" + test::hex(as_bytes(text)) + " ";
      return;
    case 3:
      writer.boolean(true), expected += "true ";
      return;
    case 4:
      writer.null(), expected += "null ";
      return;
    case 5:
      writer.real(0.5), expected += "r0.5 ";
      return;
    case 6:
      writer.array(children), expected += "[" + std::to_string(children) + " ";
      break;
    case 7:
      writer.array_indefinite(), expected += "[_ ";
      break;
    default:
      writer.map(children), expected += "{" + std::to_string(children) + " ";
      break;
  }
  const std::size_t items = kind == 8 ? children * 2 : children;
  for (std::size_t i = 0; i < items; ++i) write_tree(writer, expected, depth - 1);
  if (kind == 7) writer.end();
  expected += ". ";
}

TEST(Cbor, TreesRoundTrip) {
  EXPECT_TRUE(rc::check([] {
    Bytes memory(1U << 20U);
    CborWriter writer(memory);
    std::string expected;
    write_tree(writer, expected, 4);
    RC_ASSERT(!writer.overflowed());
    const Bytes input(writer.written().begin(), writer.written().end());
    std::string seen;
    for (const auto& event : events(input)) seen += event + " ";
    RC_ASSERT(seen == expected);
    CborReader reader(input);
    RC_ASSERT(reader.skip_value().has_value());
    RC_ASSERT(reader.position() == input.size());
    RC_ASSERT(reader.next().value().type == CborType::done);
  }));
}

}  // namespace
}  // namespace tml::wire
