// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Which boards a rollout is for: the ports that the plan names, who is on them, and which of those it selects. One
// executor.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "common/base/random.hpp"
#include "common/flashlink/board_updater.hpp"
#include "common/flashlink/daemon_client.hpp"
#include "common/flashlink/rollout_plan.hpp"

namespace tml::flasher {

/// Ports in the order of their names; for those that a daemon serves its name for them. Paths and patterns that are not
/// absolute begin in `folder`. Blocking, some milliseconds.
/// Errc::usage for a selector that cannot be read.
struct BenchPorts {
  std::vector<std::string> ports;
  std::map<std::string, std::string> daemon_ports;
};
[[nodiscard]] Result<BenchPorts> find_ports(const std::vector<std::string>& selectors,
                                            const std::filesystem::path& folder,
                                            const std::vector<flashlink::DaemonBoard>& daemon);

struct BenchLook {
  std::vector<flashlink::InspectedBoard> boards;      ///< That answered.
  std::vector<std::pair<std::string, Error>> silent;  ///< Ports without an answer, and why.
};
/// Asks every port, `parallel` at a time.
[[nodiscard]] Awaitable<BenchLook> look_at_ports(boost::asio::any_io_executor executor,
                                                 flashlink::BoardUpdater& updater, std::vector<std::string> ports,
                                                 std::size_t parallel);

/// Pure: whether a board is one of the plan's, and the order in which they go.
[[nodiscard]] bool is_selected(const flashlink::BoardSelection& select, const flashlink::InspectedBoard& board);
void put_in_order(const flashlink::RolloutPlan& plan, std::vector<flashlink::InspectedBoard>& boards);

}  // namespace tml::flasher
