// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/reopen.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace tml::flashlink {
namespace asio = boost::asio;

serial::Awaitable<Result<std::unique_ptr<serial::ByteStream>>> reopen(PortAccess& access, std::uint32_t baud,
                                                                      Millis patience, const Clock& clock,
                                                                      std::function<bool()> stop) {
  constexpr Millis kBetweenTries{50};
  constexpr Millis kPermissionSettles{2000};
  asio::steady_timer timer(co_await asio::this_coro::executor);
  const auto deadline = clock.steady() + patience;
  std::chrono::nanoseconds refused_since{0};
  for (;;) {
    if (stop && stop()) co_return fail(Errc::interrupted, "interrupted", access.name());
    auto stream = co_await access.open(baud);
    if (stream) co_return stream;
    const auto now = clock.steady();
    const Errc code = stream.error().code;
    if (code == Errc::permission && refused_since.count() == 0) refused_since = now;
    const bool heals = code == Errc::not_found || code == Errc::unplugged || code == Errc::io ||
                       (code == Errc::permission && now - refused_since < kPermissionSettles);
    if (!heals || now >= deadline) co_return stream;
    timer.expires_after(kBetweenTries);
    const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    if (error) co_return fail(Errc::interrupted, "interrupted", access.name());
  }
}

}  // namespace tml::flashlink
