// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <bit>
#include <limits>

#include "common/wire/bytes.hpp"
#include "common/wire/cbor.hpp"

namespace tml::wire {
namespace {

constexpr unsigned kIndefinite = 31;
constexpr auto kMaxSigned = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

// An IEEE 754 number of fewer bits as a double, which holds it exactly. Integers alone: no processor without double
// precision is made to carry its software for this.
double widen(std::uint32_t bits, unsigned exponent_bits, unsigned fraction_bits) {
  constexpr unsigned kFraction = 52;
  constexpr std::uint32_t kBias = 1023;
  constexpr std::uint64_t kSpecial = 0x7FF;
  const std::uint32_t fraction = bits & ((1U << fraction_bits) - 1);
  const std::uint32_t special = (1U << exponent_bits) - 1;
  const std::uint32_t exponent = (bits >> fraction_bits) & special;
  const std::uint32_t bias = special >> 1U;
  std::uint64_t wide = std::uint64_t{(bits >> (exponent_bits + fraction_bits)) & 1U} << 63U;
  if (exponent == special) {
    wide |= kSpecial << kFraction | std::uint64_t{fraction} << (kFraction - fraction_bits);
  } else if (exponent != 0) {
    wide |= std::uint64_t{exponent + kBias - bias} << kFraction | std::uint64_t{fraction}
                                                                      << (kFraction - fraction_bits);
  } else if (fraction != 0) {
    const auto width = static_cast<unsigned>(std::bit_width(fraction));
    const std::uint64_t leading = std::uint64_t{1} << kFraction;
    wide |= std::uint64_t{width + kBias - bias - fraction_bits} << kFraction;
    wide |= (std::uint64_t{fraction} << (kFraction + 1 - width)) & (leading - 1);
  }
  return std::bit_cast<double>(wide);
}

}  // namespace

double half_to_double(std::uint16_t bits) { return widen(bits, 5, 10); }

std::optional<std::int64_t> CborItem::as_integer() const {
  if (value > kMaxSigned) return std::nullopt;
  if (type == CborType::unsigned_int) return static_cast<std::int64_t>(value);
  if (type == CborType::negative_int) return -1 - static_cast<std::int64_t>(value);
  return std::nullopt;
}

std::optional<double> CborItem::as_number() const {
  if (type == CborType::real) return real;
  if (type == CborType::unsigned_int) return static_cast<double>(value);
  if (type == CborType::negative_int) return -1.0 - static_cast<double>(value);
  return std::nullopt;
}

CborReader::CborReader(std::span<const std::byte> input) : CborReader(input, Limits{}) {}

CborReader::CborReader(std::span<const std::byte> input, const Limits& limits) : input_(input), limits_(limits) {
  if (limits_.depth > kMaxDepth) limits_.depth = kMaxDepth;
}

tl::unexpected<Errc> CborReader::fail_at(Errc code, std::size_t offset) {
  failed_ = true;
  error_ = code;
  error_at_ = offset;
  return fail(code);
}

Result<CborItem> CborReader::next() {
  if (has_peeked_) {
    has_peeked_ = false;
    return peeked_;
  }
  if (failed_) return fail(error_);
  return decode();
}

Result<CborItem> CborReader::peek() {
  if (has_peeked_) return peeked_;
  if (failed_) return fail(error_);
  peek_position_ = position_;
  peek_depth_ = depth_;
  auto item = decode();
  if (item) {
    peeked_ = *item;
    has_peeked_ = true;
  }
  return item;
}

Result<std::uint64_t> CborReader::argument(unsigned info, std::size_t offset) {
  if (info < 24) return info;
  if (info > 27) return fail_at(Errc::malformed, offset);
  const std::size_t size = std::size_t{1} << (info - 24U);
  if (input_.size() - position_ < size) return fail_at(Errc::truncated, offset);
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = (value << 8U) | static_cast<std::uint64_t>(input_[position_++]);
  return value;
}

void CborReader::count_item() {
  started_ = true;
  after_tag_ = false;
  if (depth_ == 0) return;
  Level& level = levels_[depth_ - 1];
  if (level.indefinite) {
    ++level.left;
  } else {
    --level.left;
  }
}

Result<CborItem> CborReader::close(std::size_t offset) {
  --depth_;
  CborItem item;
  item.type = CborType::end;
  item.offset = offset;
  item.content = position_;
  return item;
}

Result<CborItem> CborReader::open_container(CborItem item) {
  const std::uint64_t per_item = item.type == CborType::map ? 2 : 1;
  if (depth_ == limits_.depth) return fail_at(Errc::limit, item.offset);
  Level level;
  level.map = item.type == CborType::map;
  level.indefinite = item.indefinite;
  if (!item.indefinite) {
    // Each element takes a byte at least, so a count beyond the rest of the input cannot be true: refused before anyone
    // trusts it.
    if (item.value > (input_.size() - position_) / per_item) return fail_at(Errc::truncated, item.offset);
    level.left = item.value * per_item;
    if (level.left > limits_.container_items) return fail_at(Errc::limit, item.offset);
  }
  count_item();
  levels_[depth_++] = level;
  item.content = position_;
  return item;
}

Result<CborItem> CborReader::string_item(CborItem item) {
  if (item.value > limits_.string_bytes) return fail_at(Errc::limit, item.offset);
  if (item.value > input_.size() - position_) return fail_at(Errc::truncated, item.offset);
  const auto contents = input_.subspan(position_, static_cast<std::size_t>(item.value));
  item.content = position_;
  if (item.type == CborType::text) {
    item.text = as_text(contents);
  } else {
    item.bytes = contents;
  }
  position_ += contents.size();
  count_item();
  return item;
}

Result<CborItem> CborReader::simple_item(CborItem item, unsigned info, std::uint64_t bits) {
  switch (info) {
    case 20:
    case 21:
      item.type = CborType::boolean;
      item.value = bits - 20;
      break;
    case 22:
      item.type = CborType::null;
      break;
    case 23:
      item.type = CborType::undefined;
      break;
    case 25:
      item.type = CborType::real;
      item.real = half_to_double(static_cast<std::uint16_t>(bits));
      break;
    case 26:
      item.type = CborType::real;
      item.real = widen(static_cast<std::uint32_t>(bits), 8, 23);
      break;
    case 27:
      item.type = CborType::real;
      item.real = std::bit_cast<double>(bits);
      break;
    default:
      if (info == 24 && bits < 32) return fail_at(Errc::malformed, item.offset);
      item.type = CborType::simple;
      item.value = bits;
      break;
  }
  item.content = position_;
  count_item();
  return item;
}

Result<CborItem> CborReader::decode() {
  for (;;) {
    const std::size_t offset = position_;
    if (depth_ == 0 && started_ && !after_tag_) {
      CborItem done;
      done.offset = offset;
      done.content = offset;
      return done;
    }
    const Level* level = depth_ > 0 ? &levels_[depth_ - 1] : nullptr;
    if (level != nullptr && !level->indefinite && level->left == 0) return close(offset);
    if (position_ == input_.size()) return fail_at(Errc::truncated, offset);

    const auto first = static_cast<unsigned>(input_[position_++]);
    if (first == 0xFF) {
      const bool legal = level != nullptr && level->indefinite && !after_tag_ && (!level->map || level->left % 2 == 0);
      if (!legal) return fail_at(Errc::malformed, offset);
      return close(offset);
    }
    if (++items_ > limits_.items) return fail_at(Errc::limit, offset);

    const unsigned major = first >> 5U;
    const unsigned info = first & 31U;
    CborItem item;
    item.offset = offset;
    if (info == kIndefinite) {
      if (major == 2 || major == 3) return fail_at(Errc::unsupported, offset);
      if (major != 4 && major != 5) return fail_at(Errc::malformed, offset);
      item.type = major == 4 ? CborType::array : CborType::map;
      item.indefinite = true;
      return open_container(item);
    }
    const auto value = argument(info, offset);
    if (!value) return fail(value.error());
    item.value = *value;
    switch (major) {
      case 0:
      case 1:
        item.type = major == 0 ? CborType::unsigned_int : CborType::negative_int;
        item.content = position_;
        count_item();
        return item;
      case 2:
        item.type = CborType::bytes;
        return string_item(item);
      case 3:
        item.type = CborType::text;
        return string_item(item);
      case 4:
        item.type = CborType::array;
        return open_container(item);
      case 5:
        item.type = CborType::map;
        return open_container(item);
      case 6:
        after_tag_ = true;
        started_ = true;
        if (limits_.tags == Tags::skip) continue;
        item.type = CborType::tag;
        item.content = position_;
        return item;
      default:
        item.value = 0;
        return simple_item(item, info, *value);
    }
  }
}

Result<void> CborReader::skip_value() {
  for (;;) {
    const auto first = peek();
    if (!first) return fail(first.error());
    if (first->type == CborType::end || first->type == CborType::done) return fail(Errc::wrong_type);
    take();
    if (first->type == CborType::tag) continue;
    if (first->type != CborType::array && first->type != CborType::map) return {};
    break;
  }
  const std::size_t outside = depth_ - 1;
  while (depth_ > outside) {
    if (const auto item = decode(); !item) return fail(item.error());
  }
  return {};
}

Result<CborItem> CborReader::expect(CborType type) {
  const auto item = peek();
  if (!item) return item;
  if (item->type != type) return fail(Errc::wrong_type);
  return item;
}

Result<std::uint64_t> CborReader::read_unsigned(std::uint64_t max) {
  const auto item = expect(CborType::unsigned_int);
  if (!item) return fail(item.error());
  if (item->value > max) return fail(Errc::limit);
  take();
  return item->value;
}

Result<std::int64_t> CborReader::read_integer() {
  const auto item = peek();
  if (!item) return fail(item.error());
  const auto value = item->as_integer();
  if (!value) return fail(Errc::wrong_type);
  take();
  return *value;
}

Result<double> CborReader::read_number() {
  const auto item = peek();
  if (!item) return fail(item.error());
  const auto value = item->as_number();
  if (!value) return fail(Errc::wrong_type);
  take();
  return *value;
}

Result<std::string_view> CborReader::read_text() {
  const auto item = expect(CborType::text);
  if (!item) return fail(item.error());
  take();
  return item->text;
}

Result<std::span<const std::byte>> CborReader::read_bytes() {
  const auto item = expect(CborType::bytes);
  if (!item) return fail(item.error());
  take();
  return item->bytes;
}

Result<bool> CborReader::read_bool() {
  const auto item = expect(CborType::boolean);
  if (!item) return fail(item.error());
  take();
  return item->value != 0;
}

Result<CborItem> CborReader::enter_map() {
  const auto item = expect(CborType::map);
  if (item) take();
  return item;
}

Result<CborItem> CborReader::enter_array() {
  const auto item = expect(CborType::array);
  if (item) take();
  return item;
}

Result<bool> CborReader::take_end() {
  const auto item = peek();
  if (!item) return fail(item.error());
  if (item->type != CborType::end) return false;
  take();
  return true;
}

}  // namespace tml::wire
