// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Views between bytes and text, and a non-owning function reference: what the freestanding parts use where hosts use
// std::function. Nothing here owns or allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "common/wire/errc.hpp"

namespace tml::wire {

/// The bytes of a text. Same lifetime as the text.
[[nodiscard]] inline std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
/// Bytes seen as text. Same lifetime as the bytes.
[[nodiscard]] inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <class Signature>
class FunctionRef;

/// Refers to a callable that somebody else keeps alive: a parameter may be bound to a temporary lambda, a stored
/// FunctionRef needs a callable (or function) that outlives it.
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef> && std::is_invocable_r_v<R, F&, Args...> &&
           !std::is_function_v<std::remove_reference_t<F>>)
      // NOLINTNEXTLINE(google-explicit-constructor): made to be passed a lambda
      constexpr FunctionRef(F&& callable)
      : context_(const_cast<void*>(static_cast<const void*>(&callable))), call_([](void* context, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(context))(static_cast<Args&&>(args)...);
        }) {}
  /// For C-style callbacks: `call` receives `context` first.
  constexpr FunctionRef(void* context, R (*call)(void*, Args...)) : context_(context), call_(call) {}

  R operator()(Args... args) const { return call_(context_, static_cast<Args&&>(args)...); }

 private:
  void* context_;
  R (*call_)(void*, Args...);
};

/// Takes text output; it cannot fail (a serial port that is gone swallows what it gets).
using TextSink = FunctionRef<void(std::string_view)>;
/// Takes binary output; a failure stops the producer with the same error.
using ByteSink = FunctionRef<Result<void>(std::span<const std::byte>)>;

}  // namespace tml::wire
