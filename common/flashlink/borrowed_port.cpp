// SPDX-License-Identifier: Apache-2.0
#include "common/flashlink/borrowed_port.hpp"

namespace tml::flashlink {

using serial::Awaitable;

Awaitable<Result<std::unique_ptr<serial::ByteStream>>> BorrowedPort::open(std::uint32_t baud) {
  if (!lease_ || lease_->lost()) {
    const BorrowRequest request;
    auto lease = co_await daemon_.borrow(board_, request);
    if (!lease) co_return pass(std::move(lease.error()));
    lease_.emplace(std::move(*lease));
  }
  OwnPort port(executor_, lease_->port());
  co_return co_await port.open(baud);
}

Awaitable<void> BorrowedPort::give_back() {
  if (!lease_) co_return;
  (void)co_await lease_->give_back();
  lease_.reset();
}

}  // namespace tml::flashlink
