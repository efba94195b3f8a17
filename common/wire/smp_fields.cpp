// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/smp.hpp"

#include "common/wire/bytes.hpp"

namespace tml::wire::smp {
namespace {

// CBOR as these maps need it. The bootloader has no other use for a reader: CborReader would bring its floating point.
// Strings in chunks are refused as there. The first error stays, and what is read after it is empty.
class MapReader {
 public:
  explicit MapReader(std::span<const std::byte> input) : input_(input) {}

  struct Map {
    std::uint64_t left = 0;
    bool indefinite = false;
  };
  [[nodiscard]] Map enter_map() {
    const Head head = take(kMap);
    return {head.value, head.indefinite};
  }
  /// The next key; false at the map's end, or with an error. Its value has to be read, or skipped.
  [[nodiscard]] bool next(Map& map, std::string_view& key) {
    if (map.indefinite && at_ < input_.size() && input_[at_] == kBreak) {
      ++at_;
      return false;
    }
    if (!map.indefinite && map.left-- == 0) return false;
    key = text();
    return !failed_;
  }
  [[nodiscard]] std::uint64_t number() { return take(kUnsigned).value; }
  [[nodiscard]] bool flag() {
    const std::uint64_t value = take(kSimple).value;
    if (value != kFalse && value != kFalse + 1) fail_with(Errc::wrong_type);
    return value != kFalse;
  }
  [[nodiscard]] std::span<const std::byte> bytes() { return content(take(kBytes)); }
  [[nodiscard]] std::string_view text() { return as_text(content(take(kText))); }
  /// Some clients write null where they mean that there is none.
  [[nodiscard]] std::optional<std::span<const std::byte>> bytes_or_null() {
    if (at_ == input_.size() || input_[at_] != kNull) return bytes();
    ++at_;
    return std::nullopt;
  }
  [[nodiscard]] bool next_is_negative() const { return at_ < input_.size() && major_at(at_) == kNegative; }
  // NOLINTNEXTLINE(misc-no-recursion): as deep as kMaxDepth
  void skip(std::size_t depth = 0) {
    const Head head = take();
    if (head.major == kBytes || head.major == kText) static_cast<void>(content(head));
    if (head.major != kArray && head.major != kMap && head.major != kTag) return;
    if (depth == kMaxDepth) return fail_with(Errc::limit);
    const bool tag = head.major == kTag;
    if (!tag && head.value > input_.size()) return fail_with(Errc::truncated);
    std::uint64_t left = tag ? 1 : head.major == kMap ? head.value * 2 : head.value;
    while (!failed_ && (head.indefinite || left-- > 0)) {
      if (head.indefinite && at_ < input_.size() && input_[at_] == kBreak) {
        ++at_;
        return;
      }
      skip(depth + 1);
    }
  }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] Errc error() const { return error_; }

 private:
  enum Major : std::uint8_t { kUnsigned, kNegative, kBytes, kText, kArray, kMap, kTag, kSimple };
  static constexpr std::byte kBreak{0xFF};
  static constexpr std::byte kNull{0xF6};
  static constexpr std::uint64_t kFalse = 20;
  static constexpr std::size_t kMaxDepth = 6;
  struct Head {
    std::uint8_t major = kUnsigned;
    bool indefinite = false;
    std::uint64_t value = 0;
  };

  [[nodiscard]] std::uint8_t major_at(std::size_t at) const {
    return static_cast<std::uint8_t>(static_cast<std::uint8_t>(input_[at]) >> 5U);
  }
  void fail_with(Errc error) {
    if (!failed_) error_ = error;
    failed_ = true;
  }
  Head broken(Errc error) {
    fail_with(error);
    return {};
  }
  [[nodiscard]] Head take() {
    if (failed_ || at_ == input_.size()) return broken(Errc::truncated);
    Head head;
    head.major = major_at(at_);
    const unsigned info = static_cast<std::uint8_t>(input_[at_++]) & 31U;
    head.indefinite = info == 31;
    if (head.indefinite) return head.major >= kBytes && head.major <= kMap ? head : broken(Errc::malformed);
    head.value = info;
    if (info < 24) return head;
    if (info > 27) return broken(Errc::malformed);
    const std::size_t count = std::size_t{1} << (info - 24);
    if (count > input_.size() - at_) return broken(Errc::truncated);
    head.value = 0;
    for (std::size_t i = 0; i < count; ++i) head.value = head.value << 8U | static_cast<std::uint8_t>(input_[at_++]);
    return head;
  }
  /// The head of an item of this type.
  [[nodiscard]] Head take(std::uint8_t major) {
    if (at_ < input_.size() && major_at(at_) != major) return broken(Errc::wrong_type);
    return take();
  }
  [[nodiscard]] std::span<const std::byte> content(const Head& head) {
    if (head.indefinite) fail_with(Errc::unsupported);
    if (head.value > input_.size() - at_) fail_with(Errc::truncated);
    if (failed_) return {};
    const std::span<const std::byte> found = input_.subspan(at_, static_cast<std::size_t>(head.value));
    at_ += found.size();
    return found;
  }

  std::span<const std::byte> input_;
  std::size_t at_ = 0;
  bool failed_ = false;
  Errc error_ = Errc::malformed;
};

void read_error(MapReader& reader, Fields& fields) {
  MapReader::Map map = reader.enter_map();
  std::string_view key;
  while (reader.next(map, key)) {
    if (key == "group") {
      fields.err_group = reader.number();
    } else if (key == "rc") {
      fields.err_rc = reader.number();
    } else {
      reader.skip();
    }
  }
}

struct NumberKey {
  std::string_view key;
  std::optional<std::uint64_t> Fields::*field;
};
constexpr std::array<NumberKey, 5> kNumbers{{{"off", &Fields::off},
                                             {"len", &Fields::len},
                                             {"image", &Fields::image},
                                             {"buf_size", &Fields::buf_size},
                                             {"buf_count", &Fields::buf_count}}};
struct FlagKey {
  std::string_view key;
  std::optional<bool> Fields::*field;
};
constexpr std::array<FlagKey, 3> kFlags{
    {{"confirm", &Fields::confirm}, {"match", &Fields::match}, {"upgrade", &Fields::upgrade}}};
struct BytesKey {
  std::string_view key;
  std::optional<std::span<const std::byte>> Fields::*field;
};
constexpr std::array<BytesKey, 3> kBytes{{{"data", &Fields::data}, {"sha", &Fields::sha}, {"hash", &Fields::hash}}};
struct TextKey {
  std::string_view key;
  std::optional<std::string_view> Fields::*field;
};
constexpr std::array<TextKey, 3> kTexts{{{"d", &Fields::d}, {"r", &Fields::r}, {"rsn", &Fields::rsn}}};

void read_field(MapReader& reader, std::string_view key, Fields& fields) {
  for (const NumberKey& known : kNumbers) {
    if (key != known.key) continue;
    fields.*known.field = reader.number();
    return;
  }
  for (const FlagKey& known : kFlags) {
    if (key != known.key) continue;
    fields.*known.field = reader.flag();
    return;
  }
  for (const TextKey& known : kTexts) {
    if (key != known.key) continue;
    fields.*known.field = reader.text();
    return;
  }
  for (const BytesKey& known : kBytes) {
    if (key != known.key) continue;
    if (const auto bytes = reader.bytes_or_null()) fields.*known.field = bytes;
    return;
  }
  if (key == "rc") {
    // Signed in the specification; a negative one is an error all the same.
    if (reader.next_is_negative()) {
      reader.skip();
      fields.rc = static_cast<std::uint64_t>(Rc::unknown);
    } else {
      fields.rc = reader.number();
    }
  } else if (key == "err") {
    read_error(reader, fields);
  } else {
    reader.skip();
  }
}

}  // namespace

Result<Fields> parse_fields(std::span<const std::byte> body) {
  Fields fields;
  if (body.empty()) return fields;
  MapReader reader(body);
  MapReader::Map map = reader.enter_map();
  std::string_view key;
  while (reader.next(map, key)) read_field(reader, key, fields);
  if (reader.failed()) return fail(reader.error());
  return fields;
}

bool parse_request(std::span<const std::byte> body, Request& into) {
  into = {};
  if (body.empty()) return true;
  MapReader reader(body);
  MapReader::Map map = reader.enter_map();
  std::string_view key;
  while (reader.next(map, key)) {
    if (key == "off") {
      into.off = reader.number();
    } else if (key == "len") {
      into.len = reader.number();
    } else if (key == "image") {
      into.image = reader.number();
    } else if (key == "confirm") {
      into.confirm = reader.flag();
    } else if (key == "d") {
      into.d = reader.text();
    } else if (key == "data") {
      into.data = reader.bytes_or_null();
    } else if (key == "sha") {
      into.sha = reader.bytes_or_null();
    } else if (key == "hash") {
      into.hash = reader.bytes_or_null();
    } else {
      reader.skip();
    }
  }
  return !reader.failed();
}

}  // namespace tml::wire::smp
