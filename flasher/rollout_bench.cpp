// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "flasher/rollout_bench.hpp"

#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "common/base/spawn.hpp"
#include "common/serial/discovery.hpp"

namespace tml::flasher {
namespace {

using flashlink::InspectedBoard;

std::vector<std::string> expand(const std::string& pattern) {
  std::vector<std::string> paths;
  glob_t found{};
  if (::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) paths.emplace_back(found.gl_pathv[i]);
  }
  ::globfree(&found);
  return paths;
}

bool same_node(const std::string& a, const std::string& b) {
  if (a == b) return true;
  std::error_code ignored;
  return std::filesystem::equivalent(a, b, ignored);
}

struct Look {
  flashlink::BoardUpdater& updater;
  std::vector<std::string> ports;
  std::size_t next = 0;
  std::size_t working = 0;
  BenchLook result;
  Event done;
};

Awaitable<void> look_on(std::shared_ptr<Look> look) {
  while (look->next < look->ports.size()) {
    const std::string port = look->ports[look->next++];
    auto board = co_await look->updater.inspect(port);
    if (board) {
      look->result.boards.push_back(*std::move(board));
    } else {
      look->result.silent.emplace_back(port, board.error());
    }
  }
  if (--look->working == 0) look->done.set();
}

}  // namespace

Result<BenchPorts> find_ports(const std::vector<std::string>& selectors, const std::filesystem::path& folder,
                              const std::vector<flashlink::DaemonBoard>& daemon) {
  std::set<std::string> ports;
  std::vector<serial::PortSelector> others;
  for (const std::string& text : selectors) {
    if (text.find_first_of("*?[") != std::string::npos) {
      for (std::string& path : expand((folder / text).string())) ports.insert(std::move(path));
      continue;
    }
    auto selector = serial::PortSelector::parse(text);
    if (!selector) return pass(selector.error());
    if (selector->kind == serial::PortSelector::Kind::path) {
      ports.insert((folder / selector->value).string());
    } else {
      others.push_back(*std::move(selector));
    }
  }
  if (selectors.empty() || !others.empty()) {
    serial::ListOptions options;
    options.check = false;
    auto listed = serial::list_ports(options);
    if (!listed) return pass(listed.error());
    for (const serial::PortInfo& port : *listed) {
      const bool wanted = selectors.empty() ||
                          std::ranges::any_of(others, [&port](const auto& selector) { return selector.matches(port); });
      if (wanted) ports.insert(port.path);
    }
  }
  if (selectors.empty()) {
    for (const flashlink::DaemonBoard& board : daemon) ports.insert(board.port);
  }
  BenchPorts found;
  found.ports.assign(ports.begin(), ports.end());
  for (const std::string& port : found.ports) {
    const auto served =
        std::ranges::find_if(daemon, [&port](const auto& board) { return same_node(board.port, port); });
    if (served != daemon.end()) found.daemon_ports.emplace(port, served->port);
  }
  return found;
}

Awaitable<BenchLook> look_at_ports(boost::asio::any_io_executor executor, flashlink::BoardUpdater& updater,
                                   std::vector<std::string> ports, std::size_t parallel) {
  const std::size_t workers = std::min(parallel, ports.size());
  std::shared_ptr<Look> look(new Look{updater, std::move(ports), 0, workers, {}, Event(executor)});
  if (workers == 0) co_return BenchLook{};
  for (std::size_t i = 0; i < workers; ++i) spawn_logged(executor, look_on(look), "look");
  co_await look->done.wait();
  co_return std::move(look->result);
}

bool is_selected(const flashlink::BoardSelection& select, const InspectedBoard& board) {
  if (!select.tag.empty() && select.tag != board.tag) return false;
  if (!select.product.empty() && select.product != board.product) return false;
  if (select.version && !select.version->contains(board.version)) return false;
  return select.ids.empty() || std::ranges::find(select.ids, board.id) != select.ids.end();
}

void put_in_order(const flashlink::RolloutPlan& plan, std::vector<InspectedBoard>& boards) {
  std::ranges::sort(boards, [](const InspectedBoard& a, const InspectedBoard& b) {
    return std::tie(a.id, a.port) < std::tie(b.id, b.port);
  });
  if (!plan.seed) return;
  // Fisher-Yates with our own generator: the same seed gives the same order everywhere.
  SeededRandom random(*plan.seed);
  for (std::size_t i = boards.size(); i > 1; --i) {
    std::swap(boards[i - 1], boards[static_cast<std::size_t>(random.next_u64() % i)]);
  }
}

}  // namespace tml::flasher
