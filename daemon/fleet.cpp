// SPDX-License-Identifier: Apache-2.0
#include "daemon/fleet.hpp"

#include <poll.h>

#include <algorithm>

#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "common/base/spawn.hpp"

namespace tml::daemon {
namespace {

/// A hang-up that no hotplug source reports (a pseudo-terminal whose owner was killed) is seen this soon.
constexpr Millis kWatchEvery{1'000};

}  // namespace

Fleet::Fleet(Context& context, spool::AsyncSpool& spool, Deliveries& deliveries,
             std::vector<serial::PortSelector> selectors)
    : context_(context),
      spool_(spool),
      selectors_(std::move(selectors)),
      identity_file_(context.paths.state_dir / "identities.json"),
      identities_(load_identities(identity_file_)),
      kept_identities_(identities_.entries()),
      bench_{context,
             spool,
             deliveries,
             identities_,
             images_,
             [this] { keep_identities(); },
             [this](const std::string& path, const Error& error) { hopeless(path, error); }},
      stopped_(context.io.get_executor()),
      empty_(context.io.get_executor()),
      watch_pause_(context.io.get_executor()) {}

void Fleet::keep_identities() {
  auto entries = identities_.entries();
  if (entries == kept_identities_) return;
  kept_identities_ = entries;
  auto save = [file = identity_file_, entries = std::move(entries)](spool::Spool&) {
    return save_identities(file, entries);
  };
  auto task = [](spool::AsyncSpool& spool, decltype(save) work) -> Awaitable<void> {
    auto saved = co_await spool.run(std::move(work));
    if (!saved) log_warning("cannot keep the identities of boards: " + saved.error().message());
  };
  spawn_logged(context_.io.get_executor(), task(spool_, std::move(save)), "identities");
}

void Fleet::hopeless(const std::string& path, const Error& error) {
  const auto found = seats_.find(path);
  if (found == seats_.end() || stopping_) return;
  found->second.hopeless = error;
  const bool any_left = std::ranges::any_of(seats_, [](const auto& seat) { return !seat.second.hopeless; });
  // With ports still to come (no --port given) an unusable one is a nuisance; a refused key concerns all of them.
  const bool may_grow = selectors_.empty() && error.code != Errc::auth && error.code != Errc::usage;
  if (any_left || may_grow) return;
  fatal_ = error;
  stop();
}

std::optional<serial::PortSelector> Fleet::selector_for(const serial::PortInfo& port) const {
  if (selectors_.empty()) return serial::PortSelector{serial::PortSelector::Kind::path, port.path};
  for (const serial::PortSelector& selector : selectors_) {
    if (selector.matches(port)) return selector;
  }
  return std::nullopt;
}

void Fleet::add_port(const std::string& path, const serial::PortSelector& selector) {
  Seat& seat = seats_[path];
  if (seat.actor) return;
  seat.actor = std::make_shared<BoardActor>(bench_, path, selector);
  if (auto watched = hotplug_->watch(path); !watched) log_debug(watched.error().message());
  ++running_;
  auto task = [](Fleet& fleet, std::shared_ptr<BoardActor> actor) -> Awaitable<void> {
    try {
      co_await actor->run();
    } catch (...) {
      log_error(actor->path() + ": " + exception_text(std::current_exception()));
    }
    if (--fleet.running_ == 0) fleet.empty_.set();
  };
  spawn_logged(context_.io.get_executor(), task(*this, seat.actor), path);
}

Result<void> Fleet::find_ports() {
  // Hotplug first, so that no port comes between list and watch.
  serial::HotplugOptions options;
  options.watch_dev = selectors_.empty() || std::ranges::any_of(selectors_, [](const auto& selector) {
                        return selector.kind != serial::PortSelector::Kind::path;
                      });
  auto hotplug = serial::Hotplug::create(context_.io.get_executor(), options);
  if (!hotplug) return pass(hotplug.error());
  hotplug_ = *std::move(hotplug);
  for (const serial::PortSelector& selector : selectors_) {
    if (selector.kind == serial::PortSelector::Kind::path) add_port(selector.value, selector);
  }
  if (!options.watch_dev) return {};
  serial::ListOptions list;
  list.check = false;
  auto ports = serial::list_ports(list);
  if (!ports) return pass(ports.error());
  for (const serial::PortInfo& port : *ports) {
    const auto selector = selector_for(port);
    if (selector && selector->kind != serial::PortSelector::Kind::path) add_port(port.path, *selector);
    if (selector && selectors_.empty()) add_port(port.path, *selector);
  }
  return {};
}

void Fleet::on_hotplug(const serial::HotplugEvent& event) {
  using Kind = serial::HotplugEvent::Kind;
  if (const auto found = seats_.find(event.path); found != seats_.end()) {
    found->second.hopeless.reset();
    if (event.kind == Kind::left) {
      found->second.actor->port_left();
    } else {
      found->second.actor->port_arrived(event.kind == Kind::replaced);
    }
    return;
  }
  if (event.kind != Kind::arrived) return;
  auto port = serial::describe_port(event.path, false);
  if (!port) return;
  if (const auto selector = selector_for(*port)) add_port(event.path, *selector);
}

Awaitable<void> Fleet::follow_hotplug() {
  while (!stopping_) {
    auto event = co_await hotplug_->next();
    if (!event) {
      if (event.error().code != Errc::interrupted) log_error("hot-plug: " + event.error().message());
      co_return;
    }
    on_hotplug(*event);
  }
}

Awaitable<void> Fleet::watch_lines() {
  std::vector<pollfd> lines;
  std::vector<BoardActor*> actors;
  while (!stopping_) {
    lines.clear();
    actors.clear();
    for (auto& [path, seat] : seats_) {
      if (const int fd = seat.actor->port_fd(); fd >= 0) {
        lines.push_back({fd, 0, 0});
        actors.push_back(seat.actor.get());
      }
    }
    if (!lines.empty() && ::poll(lines.data(), lines.size(), 0) > 0) {
      for (std::size_t i = 0; i < lines.size(); ++i) {
        if ((lines[i].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) actors[i]->port_left();
      }
    }
    co_await watch_pause_.wait_for(kWatchEvery);
  }
}

Awaitable<Result<void>> Fleet::run() {
  auto found = find_ports();
  if (!found) co_return pass(found.error());
  if (seats_.empty()) log_info("no board yet; waiting for one to be plugged in");
  spawn_logged(context_.io.get_executor(), follow_hotplug(), "hot-plug");
  spawn_logged(context_.io.get_executor(), watch_lines(), "line watch");
  Json ports = Json::array();
  for (const auto& [path, seat] : seats_) ports.push_back(path);
  context_.reporter.event("serving", Json{{"ports", std::move(ports)}, {"host", context_.settings.host}});
  co_await stopped_.wait();
  for (auto& [path, seat] : seats_) seat.actor->stop();
  while (running_ > 0) {
    empty_.clear();
    co_await empty_.wait();
  }
  hotplug_->close();
  watch_pause_.wake();
  if (fatal_) co_return pass(*fatal_);
  co_return Result<void>{};
}

std::vector<std::shared_ptr<BoardActor>> Fleet::actors() const {
  std::vector<std::shared_ptr<BoardActor>> all;
  for (const auto& [path, seat] : seats_) all.push_back(seat.actor);
  return all;
}

void Fleet::stop() {
  stopping_ = true;
  stopped_.set();
}

}  // namespace tml::daemon
