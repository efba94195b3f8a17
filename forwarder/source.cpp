// SPDX-License-Identifier: Apache-2.0
#include "forwarder/source.hpp"

#include <algorithm>
#include <charconv>

#include "forwarder/sources.hpp"

namespace tml::forwarder {

Awaitable<Result<std::optional<int>>> FdPump::run(Reader& reader, int fd, TapOptions options,
                                                  std::function<void(const Batch&)> on_batch) {
  over_.clear();
  end_.reset();
  if (stopped_) co_return std::nullopt;
  auto on_end = [this](int error) {
    end_ = error;
    over_.set();
  };
  auto tap = reader.tap(fd, options, std::move(on_batch), std::move(on_end));
  if (!tap) co_return pass(tap.error());
  tap_ = *std::move(tap);
  tap_->pause(paused_);
  co_await over_.wait();
  tap_->close();
  tap_.reset();
  if (stopped_) co_return std::nullopt;
  co_return end_;
}

void FdPump::stop() {
  stopped_ = true;
  if (tap_) tap_->close();
  over_.set();
}

Result<std::pair<std::string, std::string>> split_address(std::string_view address) {
  const auto bad = [address] {
    return fail(Errc::usage, "\"" + std::string(address) + "\" is no HOST:PORT", "--port",
                "For example tcp://10.0.0.7:4000.");
  };
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return bad();
  std::string_view host = address.substr(0, colon);
  const std::string_view port = address.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']') && host.size() > 2) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad();
  }
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  const bool printable = std::ranges::all_of(host, [](char c) { return c > ' ' && c < 0x7F && c != '/'; });
  if (host.empty() || !printable || error != std::errc{} || end != port.data() + port.size() || number == 0 ||
      number > 65535)
    return bad();
  return std::pair(std::string(host), std::string(port));
}

Result<std::unique_ptr<Source>> make_source(const SourceWorld& world, const SourceSettings& settings) {
  if (!settings.replay_file.empty()) return make_replay_source(world, settings.replay_file, settings.replay_speed);
  const std::string& input = settings.input;
  if (input == "-") return make_stdin_source(world);
  struct Scheme {
    std::string_view prefix;
    Telnet::Mode mode;
  };
  for (const Scheme scheme : {Scheme{"tcp://", Telnet::Mode::detect}, Scheme{"raw://", Telnet::Mode::raw},
                              Scheme{"rfc2217://", Telnet::Mode::telnet}}) {
    if (!input.starts_with(scheme.prefix)) continue;
    std::string_view address = std::string_view(input).substr(scheme.prefix.size());
    if (address.ends_with('/')) address.remove_suffix(1);
    auto parts = split_address(address);
    if (!parts) return pass(parts.error());
    return make_tcp_source(world, input, parts->first, parts->second, scheme.mode, settings.baud);
  }
  auto selector = serial::PortSelector::parse(input);
  if (!selector) return pass(selector.error());
  if (selector->kind == serial::PortSelector::Kind::firmware_id)
    return fail(Errc::usage, "a board that only streams tells no id", "--port", "Use a path or serial=USB-SERIAL.");
  return make_port_source(world, input, *std::move(selector), settings.baud);
}

}  // namespace tml::forwarder
