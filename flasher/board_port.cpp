// SPDX-License-Identifier: Apache-2.0
#include "flasher/board_port.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "common/base/log.hpp"
#include "common/base/random.hpp"
#include "common/flashlink/borrowed_port.hpp"
#include "common/flashlink/connection.hpp"
#include "common/serial/discovery.hpp"

namespace tml::flasher {
namespace {

using flashlink::DaemonBoard;
using flashlink::DaemonClient;
using flashlink::PortAccess;
using serial::Awaitable;
using serial::PortInfo;
using serial::PortSelector;

constexpr const char* kPlugHint = "Plug a board in, or name a port with --port (tml-daemon ports lists them)";

struct Candidate {
  PortInfo port;
  std::optional<DaemonBoard> lender;  ///< The daemon's entry for it.
};

const DaemonBoard* lender_of(const PortInfo& port, const std::vector<DaemonBoard>& boards) {
  const auto it = std::find_if(boards.begin(), boards.end(), [&port](const DaemonBoard& board) {
    return board.port == port.path || board.port == port.node || (!port.by_id.empty() && board.port == port.by_id);
  });
  return it == boards.end() ? nullptr : &*it;
}

std::string describe(const Candidate& candidate) {
  const PortInfo& port = candidate.port;
  std::string text = port.path;
  const std::string& what = port.product.empty() ? port.driver : port.product;
  if (!what.empty()) text += " (" + what + (port.usb_serial.empty() ? "" : ", " + port.usb_serial) + ")";
  if (candidate.lender && !candidate.lender->name.empty()) text += " \"" + candidate.lender->name + "\"";
  return text;
}

Result<std::vector<Candidate>> candidates(const std::optional<PortSelector>& selector,
                                          const std::vector<DaemonBoard>& boards) {
  std::vector<PortInfo> ports;
  if (selector && selector->kind == PortSelector::Kind::path) {
    auto port = serial::describe_port(selector->value);
    if (!port) return pass(port.error());
    port->path = selector->value;
    ports.push_back(*std::move(port));
  } else {
    serial::ListOptions options;
    for (const auto& board : boards) options.extra_paths.push_back(board.port);
    auto listed = serial::list_ports(options);
    if (!listed) return pass(listed.error());
    ports = *std::move(listed);
  }
  std::vector<Candidate> found;
  for (auto& port : ports) {
    if (selector && !selector->matches(port)) continue;
    Candidate candidate{std::move(port), std::nullopt};
    if (const auto* lender = lender_of(candidate.port, boards)) candidate.lender = *lender;
    found.push_back(std::move(candidate));
  }
  return found;
}

std::unique_ptr<PortAccess> access_of(const boost::asio::any_io_executor& executor, const Candidate& candidate,
                                      DaemonClient* daemon) {
  if (candidate.lender && daemon != nullptr)
    return std::make_unique<flashlink::BorrowedPort>(executor, *daemon, candidate.lender->port, candidate.port.path);
  return std::make_unique<flashlink::OwnPort>(executor, candidate.port.path);
}

bool same_id(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

Awaitable<Result<std::unique_ptr<PortAccess>>> find_id(boost::asio::any_io_executor executor,
                                                       std::vector<Candidate> list, DaemonClient* daemon,
                                                       std::string id, std::uint32_t start_baud) {
  for (const auto& candidate : list) {
    if (candidate.lender && same_id(candidate.lender->id, id)) co_return access_of(executor, candidate, daemon);
  }
  for (const auto& candidate : list) {
    if (candidate.lender || candidate.port.problem) continue;
    auto access = access_of(executor, candidate, daemon);
    flashlink::ConnectionOptions options;
    options.start_baud = start_baud;
    options.patience = Millis{1500};
    bool found = false;
    {
      flashlink::Connection connection(*access, system_random(), options);
      auto opened = co_await connection.open();
      if (!opened) log_info(opened.error().message());
      found = opened && same_id(flashlink::text_of(connection.session().identity().device_id), id);
    }
    if (found) co_return access;
  }
  co_return fail(Errc::not_found, "no board has the id " + id, {}, kPlugHint);
}

}  // namespace

Awaitable<Result<std::unique_ptr<PortAccess>>> choose_port(boost::asio::any_io_executor executor, BoardFlags flags,
                                                           DaemonClient* daemon, cli::Prompt prompt) {
  std::optional<PortSelector> selector;
  if (!flags.port.empty()) {
    auto parsed = PortSelector::parse(flags.port);
    if (!parsed) co_return pass(parsed.error());
    selector = *parsed;
  }
  std::vector<DaemonBoard> boards;
  if (daemon != nullptr) {
    auto served = co_await daemon->boards();
    if (served) boards = *std::move(served);
    if (!served && served.error().code != Errc::not_found) log_info(served.error().message());
  }
  auto list = candidates(selector, boards);
  if (!list) co_return pass(list.error());
  if (selector && selector->kind == PortSelector::Kind::firmware_id)
    co_return co_await find_id(executor, *std::move(list), daemon, selector->value, flags.start_baud);
  if (list->empty()) {
    const std::string what = selector ? "no port has the USB serial number " + selector->value
                                      : std::string("could not find any devices connected over serial port");
    co_return fail(Errc::not_found, what, {}, kPlugHint);
  }
  const auto closed = [](const Candidate& candidate) { return !candidate.lender && candidate.port.problem; };
  if (list->size() == 1 && closed(list->front())) co_return pass(*list->front().port.problem);
  std::erase_if(*list, closed);
  if (list->empty()) co_return fail(Errc::busy, "none of the ports can be opened", {}, "tml-daemon ports tells why");
  std::size_t index = 0;
  if (list->size() > 1) {
    std::vector<std::string> names;
    std::string all;
    for (const auto& candidate : *list) {
      names.push_back(describe(candidate));
      all += (all.empty() ? "" : ", ") + names.back();
    }
    if (!prompt.interactive())
      co_return fail(Errc::usage, "there are " + std::to_string(names.size()) + " ports: " + all, {},
                     "Say which one with --port");
    auto chosen = prompt.choose("Which device do you want to update?", "--port", names);
    if (!chosen) co_return pass(chosen.error());
    index = *chosen;
  }
  co_return access_of(executor, (*list)[index], daemon);
}

}  // namespace tml::flasher
