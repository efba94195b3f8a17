// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>

#include "common/sample/builder.hpp"

namespace tml::sample {

namespace {

/// Reports how far the lexer has read, which is how the place of the signature is known without searching for it.
struct CountingIterator {
  using iterator_category = std::forward_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at = nullptr;
  const char** reached = nullptr;

  reference operator*() const { return *at; }
  CountingIterator& operator++() {
    *reached = ++at;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator old = *this;
    ++*this;
    return old;
  }
  friend bool operator==(const CountingIterator& a, const CountingIterator& b) { return a.at == b.at; }
};

class Handler final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Handler(Builder& builder, std::string_view text, const char* const* reached)
      : builder_(builder), text_(text), reached_(reached) {}

  bool null() override { return builder_.other(); }
  bool boolean(bool) override { return builder_.other(); }
  bool number_integer(number_integer_t value) override { return builder_.integer(value); }
  bool number_unsigned(number_unsigned_t value) override { return builder_.number(static_cast<double>(value)); }
  bool number_float(number_float_t value, const string_t&) override { return builder_.number(value); }
  bool string(string_t& value) override {
    // The lexer stops at the closing quote. Where the decoded text stands right between two quotes, it stands there
    // unescaped.
    const auto end = static_cast<std::size_t>(*reached_ - text_.data()) - 1;
    std::size_t offset = kNoOffset;
    if (end > value.size() && text_[end - value.size() - 1] == '"' &&
        text_.substr(end - value.size(), value.size()) == value) {
      offset = end - value.size();
    }
    return builder_.text(value, offset);
  }
  bool binary(binary_t&) override { return builder_.other(); }
  bool start_object(std::size_t) override { return builder_.begin_map(); }
  bool key(string_t& name) override { return builder_.key(name); }
  bool end_object() override { return builder_.end_map(); }
  bool start_array(std::size_t) override { return builder_.begin_array(); }
  bool end_array() override { return builder_.end_array(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return builder_.stop(Errc::malformed,
                         "acquisition document is no valid JSON at offset " + std::to_string(position));
  }

 private:
  Builder& builder_;
  std::string_view text_;
  const char* const* reached_;
};

}  // namespace

bool read_json(Bytes bytes, Builder& builder) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const char* reached = text.data();
  Handler handler(builder, text, &reached);
  const CountingIterator first{text.data(), &reached};
  const CountingIterator last{text.data() + text.size(), &reached};
  return nlohmann::json::sax_parse(first, last, &handler);
}

}  // namespace tml::sample
