// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Private to uploader/parse: cuts a large JSON text into pieces that are small enough to be parsed one by one, so that
// neither the text nor a tree of it is ever in memory as a whole.
//
// The top level may be an object (its members come as pieces; those named in `streamed` come item by item), an array
// (its items come as pieces), or any number of such values after each other (NDJSON: the second and later ones come
// whole). Only brackets and strings are followed here: what is inside a piece is checked when it is parsed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "uploader/parse/source.hpp"

namespace tml::uploader {

struct JsonPiece {
  enum class Kind : std::uint8_t {
    member,    ///< A member of the first object, whole.
    begin,     ///< A streamed member begins (also when it is empty); no text.
    item,      ///< An item of a streamed member, or of a top-level array (key empty).
    document,  ///< A whole value after the first.
  };
  Kind kind = Kind::member;
  std::string_view key;    ///< Of the member; valid until the next call.
  std::string_view name;   ///< Of an item, when the streamed member is an object; valid until the next call.
  std::string_view text;   ///< JSON; valid until the next call.
  std::uint64_t line = 0;  ///< Where the text begins, from 1.
  bool in_object = false;  ///< The streamed member is an object.
};

class JsonSlicer {
 public:
  /// `name` stands for the text in errors. `max_piece_bytes` bounds a piece and thereby the memory.
  JsonSlicer(std::string name, ByteSource source, std::vector<std::string> streamed, std::size_t max_piece_bytes);

  /// The next piece; empty at the end of a complete text. Errc::malformed, Errc::limit (a piece too long, or nested
  /// deeper than 64), or the error of the source; the same again after that.
  [[nodiscard]] Result<std::optional<JsonPiece>> next();
  /// Of the next character to be read.
  [[nodiscard]] std::uint64_t line() const { return line_; }

 private:
  enum class State : std::uint8_t { start, members, list, object, tail, done };

  [[nodiscard]] Result<std::optional<JsonPiece>> step();
  [[nodiscard]] Result<std::optional<JsonPiece>> start();
  [[nodiscard]] Result<std::optional<JsonPiece>> member();
  [[nodiscard]] Result<std::optional<JsonPiece>> item();
  [[nodiscard]] Result<std::optional<JsonPiece>> document();
  [[nodiscard]] Result<bool> more(char close);
  [[nodiscard]] Result<std::string> key_and_colon();
  [[nodiscard]] Result<void> slice();
  [[nodiscard]] Result<void> slice_closed();

  [[nodiscard]] Result<int> peek();
  [[nodiscard]] Result<int> skip_blanks();
  void take();
  [[nodiscard]] tl::unexpected<Error> broken(std::string what) const;
  [[nodiscard]] tl::unexpected<Error> over_limit(std::string what) const;

  std::string name_;
  ByteSource source_;
  std::vector<std::string> streamed_;
  std::size_t max_piece_bytes_;
  std::vector<char> buffer_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  bool source_ended_ = false;
  std::uint64_t line_ = 1;
  State state_ = State::start;
  bool top_is_list_ = false;
  bool first_ = true;  ///< No item or member came yet, at the current level.
  std::string key_;
  std::string item_name_;
  std::string piece_;
  std::optional<Error> error_;
};

}  // namespace tml::uploader
