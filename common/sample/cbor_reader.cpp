// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "common/sample/builder.hpp"
#include "common/wire/cbor.hpp"

namespace tml::sample {

namespace {

struct Level {
  bool map = false;
  bool at_key = false;
};

bool stop_for(wire::Errc code, std::size_t offset, Builder& builder) {
  const std::string at = " at offset " + std::to_string(offset);
  if (code == wire::Errc::limit)
    return builder.stop(Errc::limit, "acquisition document nests too deep or holds too many items" + at);
  if (code == wire::Errc::unsupported)
    return builder.stop(Errc::unsupported, "acquisition document uses CBOR strings in chunks" + at);
  return builder.stop(Errc::malformed, "acquisition document is no valid CBOR" + at);
}

bool give(const wire::CborItem& item, Builder& builder) {
  using Type = wire::CborType;
  switch (item.type) {
    case Type::unsigned_int:
    case Type::negative_int:
    case Type::real:
      return builder.number(item.as_number().value_or(0));
    case Type::text:
      return builder.text(item.text, item.content);
    case Type::bytes:
      return builder.bytes({reinterpret_cast<const char*>(item.bytes.data()), item.bytes.size()});
    default:
      return builder.other();
  }
}

}  // namespace

bool read_cbor(Bytes bytes, const Limits& limits, Builder& builder, std::size_t& item_end) {
  using Type = wire::CborType;
  wire::CborReader::Limits bounds;
  bounds.depth = std::min(limits.max_depth, wire::CborReader::kMaxDepth);
  bounds.items = limits.max_values + std::uint64_t{limits.max_values} +
                 2 * limits.max_keys;  // Each value may be a row of its own.
  wire::CborReader reader(bytes, bounds);
  std::vector<Level> levels;
  while (true) {
    const auto item = reader.next();
    if (!item) return stop_for(item.error(), reader.offset_of_error(), builder);
    if (item->type == Type::done) {
      item_end = reader.position();
      return true;
    }
    if (item->type == Type::end) {
      const bool was_map = levels.back().map;
      levels.pop_back();
      if (!(was_map ? builder.end_map() : builder.end_array())) return false;
      continue;
    }
    if (!levels.empty() && levels.back().at_key) {
      if (item->type != Type::text)
        return builder.stop(Errc::malformed,
                            "acquisition document: a key is no text at offset " + std::to_string(item->offset));
      levels.back().at_key = false;
      if (!builder.key(item->text)) return false;
      continue;
    }
    if (!levels.empty() && levels.back().map) levels.back().at_key = true;
    if (item->type == Type::map || item->type == Type::array) {
      if (!(item->type == Type::map ? builder.begin_map() : builder.begin_array())) return false;
      levels.push_back({item->type == Type::map, item->type == Type::map});
    } else if (!give(*item, builder)) {
      return false;
    }
  }
}

}  // namespace tml::sample
