// SPDX-License-Identifier: Apache-2.0
#include "daemon/snapshot_pump.hpp"

#include <utility>

namespace tml::daemon {

void SnapshotPump::offer(serial::SnapshotImage image) {
  ++counts_.offered;
  const bool early = sent_before_ && clock_.steady() - last_sent_ < kInterval;
  if (closed_ || busy_ || early || !world_.ready()) {
    ++counts_.dropped;
    return;
  }
  busy_ = true;
  world_.spawn(pass_on(shared_from_this(), std::move(image)));
}

Awaitable<void> SnapshotPump::pass_on(std::shared_ptr<SnapshotPump> /*self*/, serial::SnapshotImage image) {
  auto jpeg = co_await world_.encode(std::move(image));
  busy_ = false;
  if (!jpeg) {
    ++counts_.damaged;
  } else if (closed_ || !world_.ready()) {
    ++counts_.dropped;
  } else {
    ++counts_.sent;
    sent_before_ = true;
    last_sent_ = clock_.steady();
    world_.send(*jpeg);
  }
}

}  // namespace tml::daemon
