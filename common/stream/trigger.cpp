// SPDX-License-Identifier: Apache-2.0
#include "common/stream/trigger.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "common/stream/number.hpp"

namespace tml::stream {
namespace {

using Op = Trigger::Op;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

enum class Type : std::uint8_t { number, condition };

/// Operands that are waiting at once: at most one per open level, and a level per operator.
constexpr std::size_t kStack = 4 * kMaxTriggerDepth;

class Parser {
 public:
  Parser(std::string_view text, std::span<const std::string> axes, std::vector<Trigger::Step>& steps)
      : text_(text), axes_(axes), steps_(steps) {}

  Result<void> run() {
    const auto type = parse_or();
    if (error_) return pass(*error_);
    skip();
    if (at_ < text_.size()) return refuse_result("unexpected '" + std::string(1, text_[at_]) + "'");
    if (type != Type::condition) {
      at_ = 0;
      return refuse_result("a trigger is a condition", "Compare it with something, for example abs(accX) > 15.");
    }
    return {};
  }

 private:
  struct Level {
    explicit Level(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kMaxTriggerDepth) parser_.refuse("the expression is nested too deeply");
    }
    ~Level() { --parser_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    Parser& parser_;
  };

  void refuse(std::string what, std::string hint = {}) {
    if (error_) return;
    error_ =
        Error{Errc::usage, "trigger: " + std::move(what), "column " + std::to_string(at_ + 1), std::move(hint), {}};
  }
  Result<void> refuse_result(std::string what, std::string hint = {}) {
    refuse(std::move(what), std::move(hint));
    return pass(*error_);
  }
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  bool take(std::string_view token) {
    skip();
    if (error_ || !text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  void emit(Op op) { steps_.push_back({op, 0, 0}); }
  void need(Type got, Type wanted, std::size_t where, std::string_view what) {
    if (error_ || got == wanted) return;
    at_ = where;
    refuse(std::string(what) + (wanted == Type::number ? " needs a number here, not a condition"
                                                       : " needs a condition here, not a number"));
  }

  Type parse_or() {
    const Level level(*this);
    if (error_) return Type::condition;
    std::size_t start = at_;
    const Type left = parse_and();
    bool first = true;
    while (take("||")) {
      if (first) need(left, Type::condition, start, "||");
      first = false;
      start = at_;
      need(parse_and(), Type::condition, start, "||");
      emit(Op::logical_or);
    }
    return first ? left : Type::condition;
  }

  Type parse_and() {
    std::size_t start = at_;
    const Type left = parse_not();
    bool first = true;
    while (take("&&")) {
      if (first) need(left, Type::condition, start, "&&");
      first = false;
      start = at_;
      need(parse_not(), Type::condition, start, "&&");
      emit(Op::logical_and);
    }
    return first ? left : Type::condition;
  }

  Type parse_not() {
    skip();
    if (text_.substr(at_).starts_with("!=") || !take("!")) return parse_compare();
    const Level level(*this);
    if (error_) return Type::condition;
    const std::size_t start = at_;
    need(parse_not(), Type::condition, start, "!");
    emit(Op::logical_not);
    return Type::condition;
  }

  std::optional<Op> take_comparison() {
    static constexpr std::array<std::pair<std::string_view, Op>, 6> kOps = {{{"<=", Op::less_equal},
                                                                             {">=", Op::greater_equal},
                                                                             {"==", Op::equal},
                                                                             {"!=", Op::not_equal},
                                                                             {"<", Op::less},
                                                                             {">", Op::greater}}};
    for (const auto& [token, op] : kOps) {
      if (take(token)) return op;
    }
    return std::nullopt;
  }

  Type parse_compare() {
    std::size_t start = at_;
    const Type left = parse_sum();
    const auto op = take_comparison();
    if (!op) return left;
    need(left, Type::number, start, "a comparison");
    start = at_;
    need(parse_sum(), Type::number, start, "a comparison");
    emit(*op);
    skip();
    if (!error_ && take_comparison())
      refuse("comparisons cannot be chained", "Write a < b && b < c instead of a < b < c.");
    return Type::condition;
  }

  Type parse_sum() {
    std::size_t start = at_;
    const Type left = parse_product();
    for (bool first = true;; first = false) {
      const bool plus = take("+");
      if (!plus && !take("-")) return first ? left : Type::number;
      need(left, Type::number, start, plus ? "+" : "-");
      start = at_;
      need(parse_product(), Type::number, start, plus ? "+" : "-");
      emit(plus ? Op::add : Op::subtract);
      if (error_) return Type::number;
    }
  }

  Type parse_product() {
    std::size_t start = at_;
    const Type left = parse_unary();
    for (bool first = true;; first = false) {
      const bool times = take("*");
      if (!times && !take("/")) return first ? left : Type::number;
      need(left, Type::number, start, times ? "*" : "/");
      start = at_;
      need(parse_unary(), Type::number, start, times ? "*" : "/");
      emit(times ? Op::multiply : Op::divide);
      if (error_) return Type::number;
    }
  }

  Type parse_unary() {
    if (!take("-")) return parse_value();
    const Level level(*this);
    if (error_) return Type::number;
    const std::size_t start = at_;
    need(parse_unary(), Type::number, start, "-");
    emit(Op::negate);
    return Type::number;
  }

  Type parse_value() {
    skip();
    if (error_) return Type::number;
    if (at_ == text_.size()) {
      refuse("the expression ends where a value is expected");
      return Type::number;
    }
    const char c = text_[at_];
    if (take("(")) {
      const Type type = parse_or();
      if (!take(")")) refuse("a ')' is missing");
      return type;
    }
    if (is_digit(c) || c == '.') return parse_number();
    if (c == '`') {
      const std::size_t end = text_.find('`', at_ + 1);
      if (end == std::string_view::npos) {
        refuse("a name has no closing backquote");
        return Type::number;
      }
      return axis(text_.substr(at_ + 1, end - at_ - 1), end + 1);
    }
    if (is_letter(c)) {
      std::size_t end = at_;
      while (end < text_.size() && (is_letter(text_[end]) || is_digit(text_[end]))) ++end;
      const std::string_view name = text_.substr(at_, end - at_);
      std::size_t next = end;
      while (next < text_.size() && text_[next] == ' ') ++next;
      if (next < text_.size() && text_[next] == '(') return function(name, next + 1);
      return axis(name, end);
    }
    if (c == '=' || c == '&' || c == '|') {
      refuse("a single '" + std::string(1, c) + "' is no operator", "Write it twice: ==, && or ||.");
    } else {
      refuse("a value is expected, not '" + std::string(1, c) + "'");
    }
    return Type::number;
  }

  Type parse_number() {
    std::size_t end = at_;
    while (end < text_.size()) {
      const char c = text_[end];
      const bool sign = (c == '+' || c == '-') && (text_[end - 1] == 'e' || text_[end - 1] == 'E') && end > at_ &&
                        !text_.substr(at_).starts_with("0x");
      if (!is_letter(c) && !is_digit(c) && c != '.' && !sign) break;
      ++end;
    }
    const auto value = parse_field(text_.substr(at_, end - at_));
    if (!value) {
      refuse("'" + std::string(text_.substr(at_, end - at_)) + "' is not a number");
      return Type::number;
    }
    at_ = end;
    steps_.push_back({Op::number, 0, *value});
    return Type::number;
  }

  Type axis(std::string_view name, std::size_t end) {
    const auto found = std::find(axes_.begin(), axes_.end(), name);
    if (found == axes_.end()) {
      std::string known;
      for (const std::string& a : axes_) known += (known.empty() ? "" : ", ") + a;
      refuse("there is no axis '" + std::string(name) + "'", "The axes are: " + known + ".");
      return Type::number;
    }
    at_ = end;
    steps_.push_back({Op::axis, static_cast<std::size_t>(found - axes_.begin()), 0});
    return Type::number;
  }

  Type function(std::string_view name, std::size_t inside) {
    const Level level(*this);
    if (error_) return Type::number;
    const bool many = name == "min" || name == "max";
    if (!many && name != "abs" && name != "sqrt") {
      refuse("there is no function '" + std::string(name) + "'", "The functions are abs, sqrt, min and max.");
      return Type::number;
    }
    at_ = inside;
    std::size_t start = at_;
    need(parse_sum(), Type::number, start, name);
    while (many && take(",")) {
      start = at_;
      need(parse_sum(), Type::number, start, name);
      emit(name == "min" ? Op::min : Op::max);
      if (error_) return Type::number;
    }
    if (!take(")")) refuse("a ')' is missing after " + std::string(name) + "(");
    if (!many) emit(name == "abs" ? Op::abs : Op::sqrt);
    return Type::number;
  }

  std::string_view text_;
  std::span<const std::string> axes_;
  std::vector<Trigger::Step>& steps_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  std::optional<Error> error_;
};

double apply(Op op, double a, double b) {
  switch (op) {
    case Op::add:
      return a + b;
    case Op::subtract:
      return a - b;
    case Op::multiply:
      return a * b;
    case Op::divide:
      return b == 0 ? std::nan("") : a / b;
    case Op::min:
      return std::fmin(a, b);
    case Op::max:
      return std::fmax(a, b);
    case Op::less:
      return a < b ? 1 : 0;
    case Op::less_equal:
      return a <= b ? 1 : 0;
    case Op::greater:
      return a > b ? 1 : 0;
    case Op::greater_equal:
      return a >= b ? 1 : 0;
    case Op::equal:
      return a == b ? 1 : 0;
    case Op::not_equal:
      return a < b || a > b ? 1 : 0;
    case Op::logical_and:
      return a != 0 && b != 0 ? 1 : 0;
    default:
      return a != 0 || b != 0 ? 1 : 0;
  }
}

}  // namespace

Result<Trigger> Trigger::compile(std::string_view text, std::span<const std::string> axes) {
  if (text.size() > kMaxTriggerText) {
    return fail(Errc::usage,
                "trigger: the expression is longer than " + std::to_string(kMaxTriggerText) + " characters");
  }
  Trigger trigger;
  trigger.text_ = text;
  trigger.axes_ = axes.size();
  Parser parser(text, axes, trigger.steps_);
  if (auto parsed = parser.run(); !parsed) return pass(parsed.error());
  std::size_t height = 0;
  std::size_t highest = 0;
  for (const Step& step : trigger.steps_) {
    if (step.op == Op::number || step.op == Op::axis) {
      highest = std::max(highest, ++height);
    } else if (step.op != Op::negate && step.op != Op::abs && step.op != Op::sqrt && step.op != Op::logical_not) {
      --height;
    }
  }
  if (highest > kStack) return fail(Errc::usage, "trigger: the expression is nested too deeply");
  return trigger;
}

bool Trigger::fires(std::span<const double> values) const {
  if (values.size() < axes_) return false;
  std::array<double, kStack> stack{};
  std::size_t size = 0;
  for (const Step& step : steps_) {
    switch (step.op) {
      case Op::number:
        stack[size++] = step.number;
        break;
      case Op::axis:
        stack[size++] = values[step.axis];
        break;
      case Op::negate:
        stack[size - 1] = -stack[size - 1];
        break;
      case Op::abs:
        stack[size - 1] = std::fabs(stack[size - 1]);
        break;
      case Op::sqrt:
        stack[size - 1] = std::sqrt(stack[size - 1]);
        break;
      case Op::logical_not:
        stack[size - 1] = stack[size - 1] != 0 ? 0 : 1;
        break;
      default:
        --size;
        stack[size - 1] = apply(step.op, stack[size - 1], stack[size]);
        break;
    }
  }
  return stack[0] != 0;
}

}  // namespace tml::stream
