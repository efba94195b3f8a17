// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// CBOR (RFC 8949): a writer into caller memory and a bounded pull reader over caller memory. Neither copies nor
// allocates.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/wire/errc.hpp"

namespace tml::wire {

/// Writes items one after another; it does not check that containers are filled. When the memory is full the writer
/// keeps what fitted, drops every later item and says so in overflowed().
class CborWriter {
 public:
  explicit CborWriter(std::span<std::byte> out) : out_(out) {}

  void unsigned_int(std::uint64_t value);
  void integer(std::int64_t value);
  void bytes(std::span<const std::byte> value);
  void text(std::string_view value);
  /// Head of a byte or text string whose `size` bytes follow by raw().
  void bytes_head(std::uint64_t size);
  void text_head(std::uint64_t size);
  void array(std::uint64_t count);
  void array_indefinite();
  void map(std::uint64_t pairs);
  void map_indefinite();
  /// Ends an indefinite array or map.
  void end();
  void boolean(bool value);
  void null();
  void tag(std::uint64_t number);
  /// The shortest of half, single and double that holds the value exactly (wire reference 6.3); NaN is F9 7E00.
  void real(double value);
  /// Always a single (FA), for readers that expect fixed-size elements.
  void single(float value);
  /// Bytes as they are.
  void raw(std::span<const std::byte> value);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::span<const std::byte> written() const { return out_.first(size_); }
  [[nodiscard]] bool overflowed() const { return overflow_; }
  /// The bytes written, or Errc::overflow.
  [[nodiscard]] Result<std::span<const std::byte>> finish() const;
  void reset();

 private:
  void head(unsigned major, std::uint64_t value);
  bool reserve(std::size_t count);
  void put(std::uint64_t value, unsigned bytes);

  std::span<std::byte> out_;
  std::size_t size_ = 0;
  bool overflow_ = false;
};

enum class CborType : std::uint8_t {
  unsigned_int,  ///< value
  negative_int,  ///< -1 - value
  bytes,         ///< bytes
  text,          ///< text (UTF-8 is not checked here: is_utf8 in text.hpp)
  array,         ///< opens an array; value = element count unless indefinite
  map,           ///< opens a map; value = pair count unless indefinite
  end,           ///< closes the innermost open array or map, of either form
  tag,           ///< value = tag number; only with Tags::report
  boolean,       ///< value = 0 or 1
  null,
  undefined,
  simple,  ///< value = number of the simple value
  real,    ///< real
  done,    ///< the one top-level item is complete; position() is the first byte behind it
};

struct CborItem {
  CborType type = CborType::done;
  bool indefinite = false;           ///< array or map without a count
  std::uint64_t value = 0;           ///< see CborType
  double real = 0;                   ///< real: the number
  std::string_view text;             ///< text: the contents, a view into the input
  std::span<const std::byte> bytes;  ///< bytes: the contents, a view into the input
  std::size_t offset = 0;            ///< of the item's first byte in the input (behind skipped tags)
  std::size_t content = 0;           ///< bytes and text: offset of the contents; the others: offset behind the head

  /// Integer as signed; nothing when it is no integer or does not fit.
  [[nodiscard]] std::optional<std::int64_t> as_integer() const;
  /// Integer or real as a double.
  [[nodiscard]] std::optional<double> as_number() const;
};

/// Reads exactly one top-level item, whatever follows it. Every container gives an opening event, its content, and
/// CborType::end. After an error every call gives the same error; offset_of_error() says where. Strings in chunks
/// (0x5F, 0x7F) are refused with Errc::unsupported: no producer of this ecosystem writes them and views could not stand
/// for them.
class CborReader {
 public:
  static constexpr std::size_t kMaxDepth = 16;
  enum class Tags : std::uint8_t { skip, report };
  struct Limits {
    std::size_t depth = kMaxDepth;               ///< open containers; at most kMaxDepth
    std::uint64_t items = 64U * 1024U * 1024U;   ///< items in all
    std::uint64_t string_bytes = UINT64_MAX;     ///< of one string
    std::uint64_t container_items = UINT64_MAX;  ///< elements of one array, keys plus values of one map
    Tags tags = Tags::skip;
  };

  explicit CborReader(std::span<const std::byte> input);
  CborReader(std::span<const std::byte> input, const Limits& limits);

  [[nodiscard]] Result<CborItem> next();
  /// The item that next() will give, without taking it.
  [[nodiscard]] Result<CborItem> peek();
  /// Takes and drops one whole value, with everything in it. Errc::wrong_type at an `end` or when done.
  [[nodiscard]] Result<void> skip_value();

  /// Typed reads: Errc::wrong_type leaves the item in place.
  [[nodiscard]] Result<std::uint64_t> read_unsigned(
      std::uint64_t max = UINT64_MAX);  ///< Errc::limit above max (not consumed)
  [[nodiscard]] Result<std::int64_t> read_integer();
  [[nodiscard]] Result<double> read_number();  ///< integer or real
  [[nodiscard]] Result<std::string_view> read_text();
  [[nodiscard]] Result<std::span<const std::byte>> read_bytes();
  [[nodiscard]] Result<bool> read_bool();
  /// Enter a container; then read until take_end() says true.
  [[nodiscard]] Result<CborItem> enter_map();
  [[nodiscard]] Result<CborItem> enter_array();
  /// Takes the `end` of the innermost container if that is what comes next.
  [[nodiscard]] Result<bool> take_end();

  /// Offset of the next unread byte.
  [[nodiscard]] std::size_t position() const { return has_peeked_ ? peek_position_ : position_; }
  /// Containers that are open.
  [[nodiscard]] std::size_t depth() const { return has_peeked_ ? peek_depth_ : depth_; }
  /// Where the item that failed begins.
  [[nodiscard]] std::size_t offset_of_error() const { return error_at_; }

 private:
  struct Level {
    std::uint64_t left = 0;  // items still to come; counts up for indefinite ones
    bool indefinite = false;
    bool map = false;
  };
  [[nodiscard]] tl::unexpected<Errc> fail_at(Errc code, std::size_t offset);
  [[nodiscard]] Result<CborItem> decode();
  [[nodiscard]] Result<std::uint64_t> argument(unsigned info, std::size_t offset);
  [[nodiscard]] Result<CborItem> open_container(CborItem item);
  [[nodiscard]] Result<CborItem> close(std::size_t offset);
  [[nodiscard]] Result<CborItem> string_item(CborItem item);
  [[nodiscard]] Result<CborItem> simple_item(CborItem item, unsigned info, std::uint64_t bits);
  [[nodiscard]] Result<CborItem> expect(CborType type);
  void take() { has_peeked_ = false; }
  void count_item();

  std::span<const std::byte> input_;
  Limits limits_;
  std::array<Level, kMaxDepth> levels_{};
  std::size_t depth_ = 0;
  std::size_t position_ = 0;
  std::uint64_t items_ = 0;
  bool started_ = false;
  bool after_tag_ = false;
  bool failed_ = false;
  Errc error_ = Errc::malformed;
  std::size_t error_at_ = 0;
  bool has_peeked_ = false;
  CborItem peeked_;
  std::size_t peek_position_ = 0;
  std::size_t peek_depth_ = 0;
};

/// Half precision to double, exactly (RFC 8949 appendix D gives the layout).
[[nodiscard]] double half_to_double(std::uint16_t bits);

}  // namespace tml::wire
