// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <cstdint>

#include "common/sample/builder.hpp"

namespace tml::sample {

namespace {

struct TypeRow {
  BinaryType type;
  std::string_view name;
  std::size_t bytes;
};
constexpr TypeRow kTypes[] = {{BinaryType::u8, "u8", 1},  {BinaryType::u16, "u16", 2}, {BinaryType::u32, "u32", 4},
                              {BinaryType::i8, "i8", 1},  {BinaryType::i16, "i16", 2}, {BinaryType::i32, "i32", 4},
                              {BinaryType::f32, "f32", 4}};

template <std::size_t Size>
std::uint32_t load(Bytes raw, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < Size; ++i) value |= std::to_integer<std::uint32_t>(raw[at + i]) << (8U * i);
  return value;
}

template <std::size_t Size, class Convert>
void append_as(Bytes raw, std::vector<float>& out, Convert convert) {
  const std::size_t count = raw.size() / Size;
  out.reserve(out.size() + count);
  for (std::size_t i = 0; i < count; ++i) out.push_back(convert(load<Size>(raw, i * Size)));
}

}  // namespace

std::string_view binary_type_name(BinaryType type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) return row.name;
  }
  return {};
}

std::size_t binary_type_bytes(BinaryType type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) return row.bytes;
  }
  return 0;
}

BinaryType binary_type_from(std::string_view name) {
  for (const TypeRow& row : kTypes) {
    if (row.name == name) return row.type;
  }
  return BinaryType::none;
}

void append_binary(BinaryType type, Bytes raw, std::vector<float>& out) {
  switch (type) {
    case BinaryType::none:
      return;
    case BinaryType::u8:
      return append_as<1>(raw, out, [](std::uint32_t v) { return static_cast<float>(v); });
    case BinaryType::u16:
      return append_as<2>(raw, out, [](std::uint32_t v) { return static_cast<float>(v); });
    case BinaryType::u32:
      return append_as<4>(raw, out, [](std::uint32_t v) { return static_cast<float>(v); });
    case BinaryType::i8:
      return append_as<1>(raw, out, [](std::uint32_t v) { return static_cast<float>(static_cast<std::int8_t>(v)); });
    case BinaryType::i16:
      return append_as<2>(raw, out, [](std::uint32_t v) { return static_cast<float>(static_cast<std::int16_t>(v)); });
    case BinaryType::i32:
      return append_as<4>(raw, out, [](std::uint32_t v) { return static_cast<float>(static_cast<std::int32_t>(v)); });
    case BinaryType::f32:
      return append_as<4>(raw, out, [](std::uint32_t v) { return std::bit_cast<float>(v); });
  }
}

}  // namespace tml::sample
