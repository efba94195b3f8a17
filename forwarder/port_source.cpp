// SPDX-License-Identifier: Apache-2.0
#include "common/serial/port.hpp"
#include "forwarder/sources.hpp"

namespace tml::forwarder {
namespace {

class PortSource final : public Source {
 public:
  PortSource(const SourceWorld& world, std::string name, serial::PortSelector selector, std::uint32_t baud)
      : world_(world),
        name_(std::move(name)),
        selector_(std::move(selector)),
        baud_(baud == 0 ? serial::kDefaultBaud : baud),
        pump_(world.executor) {}

  Awaitable<Result<void>> run(SourceSink& sink) override;
  void stop() override { pump_.stop(); }
  bool comes_back() const override { return true; }
  Awaitable<Result<void>> set_baud(std::uint32_t bits_per_second) override;
  const std::string& name() const override { return name_; }

 private:
  [[nodiscard]] Awaitable<Result<std::string>> find_path();
  [[nodiscard]] Awaitable<SourceFacts> describe(std::string path);

  SourceWorld world_;
  std::string name_;
  serial::PortSelector selector_;
  std::uint32_t baud_;
  std::optional<serial::Port> port_;
  FdPump pump_;
};

Awaitable<Result<std::string>> PortSource::find_path() {
  if (selector_.kind == serial::PortSelector::Kind::path) co_return selector_.value;
  auto look = [selector = selector_]() -> Result<std::string> {
    serial::ListOptions options;
    options.check = false;
    auto ports = serial::list_ports(options);
    if (!ports) return pass(ports.error());
    for (const serial::PortInfo& port : *ports) {
      if (selector.matches(port)) return port.path;
    }
    return fail(Errc::not_found, "no port with the USB serial number " + selector.value, "--port",
                "Run tml-daemon ports to see what is there.");
  };
  auto path = co_await world_.worker.run(std::move(look));
  co_return path;
}

Awaitable<SourceFacts> PortSource::describe(std::string path) {
  SourceFacts facts;
  facts.has_baud = true;
  facts.where = path;
  facts.identity.path = path;
  auto look = [path = std::move(path)] { return serial::describe_port(path, false); };
  auto info = co_await world_.worker.run(std::move(look));
  if (info) {
    facts.identity.usb_serial = info->usb_serial;
    facts.identity.topology = info->topology;
  }
  co_return facts;
}

Awaitable<Result<void>> PortSource::run(SourceSink& sink) {
  pump_.begin();
  auto path = co_await find_path();
  if (!path) co_return pass(path.error());
  serial::PortOptions options;
  options.baud = baud_;
  auto port = serial::Port::open(*path, options);
  if (!port) co_return pass(port.error());
  port_ = *std::move(port);
  // Told before the first byte: what comes meanwhile waits in the driver, for some milliseconds.
  auto facts = co_await describe(*path);
  sink.on_open(facts);
  auto on_batch = [&sink](const Batch& batch) { sink.on_batch(batch); };
  auto end = co_await pump_.run(world_.reader, port_->fd(), TapOptions{}, std::move(on_batch));
  port_.reset();
  if (!end) co_return pass(end.error());
  if (!end->has_value()) co_return fail(Errc::interrupted, "stopped", *path);
  if (**end == 0) co_return fail(Errc::unplugged, "the port is gone", *path, "Plug it in again.");
  co_return pass(serial::port_error(**end, "cannot read", *path));
}

Awaitable<Result<void>> PortSource::set_baud(std::uint32_t bits_per_second) {
  baud_ = bits_per_second;
  if (!port_) co_return Result<void>{};
  auto set = port_->set_baud(bits_per_second);
  if (!set) co_return set;
  co_return port_->discard_input();
}

}  // namespace

std::unique_ptr<Source> make_port_source(const SourceWorld& world, std::string name, serial::PortSelector selector,
                                         std::uint32_t baud) {
  return std::make_unique<PortSource>(world, std::move(name), std::move(selector), baud);
}

}  // namespace tml::forwarder
