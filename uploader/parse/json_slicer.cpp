// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "uploader/parse/json_slicer.hpp"

#include <algorithm>

#include "common/base/json.hpp"

namespace tml::uploader {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10U;
constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxKeyBytes = 4096;
constexpr int kEnd = -1;
constexpr std::string_view kBom = "\xEF\xBB\xBF";

bool is_blank(int c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
bool ends_scalar(int c) { return c == kEnd || is_blank(c) || c == ',' || c == ']' || c == '}' || c == ':'; }

}  // namespace

JsonSlicer::JsonSlicer(std::string name, ByteSource source, std::vector<std::string> streamed,
                       std::size_t max_piece_bytes)
    : name_(std::move(name)),
      source_(std::move(source)),
      streamed_(std::move(streamed)),
      max_piece_bytes_(max_piece_bytes),
      buffer_(kReadBytes) {}

tl::unexpected<Error> JsonSlicer::broken(std::string what) const {
  return fail(Errc::malformed, "no valid JSON, " + std::move(what) + ":", name_ + ", line " + std::to_string(line_));
}

tl::unexpected<Error> JsonSlicer::over_limit(std::string what) const {
  return fail(Errc::limit, std::move(what), name_ + ", line " + std::to_string(line_));
}

Result<int> JsonSlicer::peek() {
  if (at_ == end_) {
    if (source_ended_) return kEnd;
    auto got = source_(buffer_);
    if (!got) return pass(std::move(got.error()));
    at_ = 0;
    end_ = std::min(*got, buffer_.size());
    source_ended_ = end_ == 0;
    if (source_ended_) return kEnd;
  }
  return static_cast<unsigned char>(buffer_[at_]);
}

void JsonSlicer::take() {
  if (buffer_[at_] == '\n') ++line_;
  ++at_;
}

Result<int> JsonSlicer::skip_blanks() {
  while (true) {
    auto c = peek();
    if (!c || !is_blank(*c)) return c;
    take();
  }
}

// An object, an array or a text: up to the bracket or quote that closes the first one.
Result<void> JsonSlicer::slice_closed() {
  std::string open;
  bool in_text = false;
  bool escaped = false;
  while (true) {
    const auto c = peek();
    if (!c) return pass(c.error());
    if (*c == kEnd) return broken("it ends inside a value");
    const std::size_t begin = at_;
    bool closed = false;
    while (at_ < end_ && !closed) {
      const char here = buffer_[at_];
      take();
      if (in_text) {
        in_text = escaped || here != '"';
        escaped = here == '\\' && !escaped;
        closed = !in_text && open.empty();
      } else if (here == '"') {
        in_text = true;
      } else if (here == '{' || here == '[') {
        if (open.size() == kMaxDepth) return over_limit("JSON nests deeper than 64:");
        open += here == '{' ? '}' : ']';
      } else if (here == '}' || here == ']') {
        if (open.empty() || open.back() != here) return broken("brackets do not match");
        open.pop_back();
        closed = open.empty();
      }
    }
    if (piece_.size() + (at_ - begin) > max_piece_bytes_) {
      return over_limit("JSON value longer than " + std::to_string(max_piece_bytes_) + " bytes:");
    }
    piece_.append(buffer_.data() + begin, at_ - begin);
    if (closed) return {};
  }
}

Result<void> JsonSlicer::slice() {
  piece_.clear();
  auto c = skip_blanks();
  if (!c) return pass(std::move(c.error()));
  if (*c == '{' || *c == '[' || *c == '"') return slice_closed();
  if (ends_scalar(*c)) return broken("a value is missing");
  while (true) {
    if (piece_.size() == kMaxKeyBytes) return over_limit("number too long:");
    piece_ += buffer_[at_];
    take();
    c = peek();
    if (!c) return pass(std::move(c.error()));
    if (ends_scalar(*c)) return {};
  }
}

Result<std::string> JsonSlicer::key_and_colon() {
  const auto c = skip_blanks();
  if (!c) return pass(c.error());
  if (*c != '"') return broken("a key is missing");
  if (auto text = slice(); !text) return pass(std::move(text.error()));
  if (piece_.size() > kMaxKeyBytes) return over_limit("key too long:");
  const auto parsed = parse_json(piece_, name_);
  if (!parsed || !parsed->is_string()) return broken("a key is broken");
  std::string key = *parsed->get_ptr<const std::string*>();
  const auto colon = skip_blanks();
  if (!colon) return pass(colon.error());
  if (*colon != ':') return broken("a ':' is missing");
  take();
  return key;
}

// True when another member or item follows, false when `close` was read.
Result<bool> JsonSlicer::more(char close) {
  auto c = skip_blanks();
  if (!c) return pass(std::move(c.error()));
  if (*c == close) {
    take();
    return false;
  }
  if (first_) {
    first_ = false;
    return true;
  }
  if (*c != ',') return broken(std::string("a ',' or '") + close + "' is missing");
  take();
  return true;
}

Result<std::optional<JsonPiece>> JsonSlicer::start() {
  for (const char expected : kBom) {
    const auto c = peek();
    if (!c) return pass(c.error());
    if (*c != static_cast<unsigned char>(expected)) break;
    take();
  }
  const auto c = skip_blanks();
  if (!c) return pass(c.error());
  if (*c != '{' && *c != '[') return broken("it does not begin with '{' or '['");
  take();
  top_is_list_ = *c == '[';
  state_ = top_is_list_ ? State::list : State::members;
  return step();
}

Result<std::optional<JsonPiece>> JsonSlicer::member() {
  auto another = more('}');
  if (!another) return pass(std::move(another.error()));
  if (!*another) {
    state_ = State::tail;
    return step();
  }
  auto key = key_and_colon();
  if (!key) return pass(std::move(key.error()));
  key_ = std::move(*key);
  const auto c = skip_blanks();
  if (!c) return pass(c.error());
  const std::uint64_t line = line_;
  if ((*c == '[' || *c == '{') && std::find(streamed_.begin(), streamed_.end(), key_) != streamed_.end()) {
    take();
    state_ = *c == '[' ? State::list : State::object;
    first_ = true;
    return JsonPiece{JsonPiece::Kind::begin, key_, {}, {}, line, *c == '{'};
  }
  if (auto value = slice(); !value) return pass(std::move(value.error()));
  return JsonPiece{JsonPiece::Kind::member, key_, {}, piece_, line};
}

Result<std::optional<JsonPiece>> JsonSlicer::item() {
  const bool in_object = state_ == State::object;
  auto another = more(in_object ? '}' : ']');
  if (!another) return pass(std::move(another.error()));
  if (!*another) {
    state_ = top_is_list_ ? State::tail : State::members;
    first_ = false;  // the streamed member itself was one
    return step();
  }
  item_name_.clear();
  if (in_object) {
    auto name = key_and_colon();
    if (!name) return pass(std::move(name.error()));
    item_name_ = std::move(*name);
  }
  if (const auto c = skip_blanks(); !c) return pass(c.error());
  const std::uint64_t line = line_;
  if (auto value = slice(); !value) return pass(std::move(value.error()));
  return JsonPiece{JsonPiece::Kind::item, key_, item_name_, piece_, line, in_object};
}

Result<std::optional<JsonPiece>> JsonSlicer::document() {
  const auto c = skip_blanks();
  if (!c) return pass(c.error());
  if (*c == kEnd) {
    state_ = State::done;
    return std::nullopt;
  }
  const std::uint64_t line = line_;
  if (auto value = slice(); !value) return pass(std::move(value.error()));
  return JsonPiece{JsonPiece::Kind::document, {}, {}, piece_, line};
}

Result<std::optional<JsonPiece>> JsonSlicer::step() {
  switch (state_) {
    case State::start:
      return start();
    case State::members:
      return member();
    case State::list:
    case State::object:
      return item();
    case State::tail:
      return document();
    case State::done:
      break;
  }
  return std::nullopt;
}

Result<std::optional<JsonPiece>> JsonSlicer::next() {
  if (error_) return pass(*error_);
  auto piece = step();
  if (!piece) error_ = piece.error();
  return piece;
}

}  // namespace tml::uploader
