// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "common/base/log.hpp"
#include "daemon/fleet.hpp"
#include "daemon/wizard.hpp"

namespace tml::daemon {
namespace {

using serial::PortInfo;
using serial::PortSelector;

constexpr const char* kPlugHint = "Plug a board in, or name a port with --port (tml-daemon ports lists them)";

Result<std::vector<PortInfo>> candidates(const std::optional<PortSelector>& selector) {
  if (selector && selector->kind == PortSelector::Kind::path) {
    auto port = serial::describe_port(selector->value);
    if (!port) return pass(port.error());
    port->path = selector->value;
    return std::vector<PortInfo>{*std::move(port)};
  }
  auto ports = serial::list_ports();
  if (!ports || !selector) return ports;
  std::erase_if(*ports, [&selector](const PortInfo& port) { return !selector->matches(port); });
  return ports;
}

std::string describe(const PortInfo& port) {
  std::string text = port.path;
  const std::string& what = port.product.empty() ? port.driver : port.product;
  if (!what.empty()) text += " (" + what + (port.usb_serial.empty() ? "" : ", " + port.usb_serial) + ")";
  return text;
}

Awaitable<Result<std::shared_ptr<Board>>> open_identified(Context& context, PortInfo port) {
  auto board = co_await open_board(context.io.get_executor(), std::move(port), at_options(context.options));
  if (!board) co_return board;
  serial::IdentityRegistry registry(load_identities(context.paths.state_dir / "identities.json"));
  auto identified = identify(**board, registry);
  if (!identified) co_return pass(identified.error());
  if (!(*board)->identity.note.empty()) log_warning((*board)->identity.note);
  log_secret((*board)->info.api_key);
  if ((*board)->info.has_hmac_key()) log_secret((*board)->info.hmac_key);
  co_return board;
}

Awaitable<Result<std::shared_ptr<Board>>> open_by_id(Context& context, std::vector<PortInfo> ports,
                                                     PortSelector selector) {
  std::optional<Error> last;
  for (PortInfo& port : ports) {
    const PortInfo known = port;
    auto board = co_await open_identified(context, std::move(port));
    if (!board) {
      last = board.error();
      log_info(board.error().message());
      continue;
    }
    if (selector.matches(known, (*board)->info.id)) co_return board;
    (*board)->stream->close();
  }
  if (last && ports.size() == 1) co_return pass(*last);
  co_return fail(Errc::not_found, "no board has the id " + selector.value, {}, kPlugHint);
}

}  // namespace

Awaitable<Result<std::shared_ptr<Board>>> choose_board(Context& context, const cli::Prompt& prompt) {
  const auto& given = context.options.ports;
  if (given.size() > 1) co_return fail(Errc::usage, "this command takes one board", "--port");
  std::optional<PortSelector> selector;
  if (!given.empty()) {
    auto parsed = PortSelector::parse(given.front());
    if (!parsed) co_return pass(parsed.error());
    selector = *parsed;
  }
  auto ports = candidates(selector);
  if (!ports) co_return pass(ports.error());
  if (selector && selector->kind == PortSelector::Kind::firmware_id) {
    co_return co_await open_by_id(context, *std::move(ports), *selector);
  }
  if (ports->empty()) {
    co_return fail(Errc::not_found, "could not find any devices connected over serial port", {}, kPlugHint);
  }
  if (ports->size() == 1 && ports->front().problem) co_return pass(*ports->front().problem);
  std::erase_if(*ports, [](const PortInfo& port) { return port.problem.has_value(); });
  if (ports->empty()) co_return fail(Errc::busy, "none of the ports can be opened", {}, "tml-daemon ports tells why");
  std::vector<std::string> names;
  for (const PortInfo& port : *ports) names.push_back(describe(port));
  auto index = prompt.choose("Which device do you want to connect to?", "--port", names);
  if (!index) co_return pass(index.error());
  PortInfo port = (*ports)[*index];
  co_return co_await open_identified(context, std::move(port));
}

}  // namespace tml::daemon
