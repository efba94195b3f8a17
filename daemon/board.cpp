// SPDX-License-Identifier: Apache-2.0
#include "daemon/board.hpp"

namespace tml::daemon {
namespace {

tl::unexpected<Error> at_port(Error error, const std::string& path) {
  if (error.where.empty()) error.where = path;
  return pass(std::move(error));
}

}  // namespace

std::string Board::device_id() const {
  if (identity.key.empty() || identity.source == serial::IdentitySource::firmware_id) return info.id;
  const std::size_t colon = identity.key.find(':');
  return colon == std::string::npos ? identity.key : identity.key.substr(colon + 1);
}

serial::AtOptions at_options(const Options& options) {
  serial::AtOptions at;
  at.base_baud = options.baud_rate;
  at.echo_window = options.echo_window;
  at.always_pace = options.write_pacing;
  at.use_fast_baud = !options.no_fast_baud;
  return at;
}

Awaitable<Result<std::shared_ptr<Board>>> open_board(boost::asio::any_io_executor executor, serial::PortInfo port,
                                                     serial::AtOptions options,
                                                     std::function<void(const std::shared_ptr<Board>&)> opened) {
  auto board = std::make_shared<Board>();
  board->port = std::move(port);
  serial::PortOptions port_options;
  port_options.baud = options.base_baud;
  auto stream = serial::PortStream::open(executor, board->port.path, port_options);
  if (!stream) co_return pass(stream.error());
  board->stream = *std::move(stream);
  board->session = std::make_unique<serial::AtSession>(*board->stream, options);
  if (opened) opened(board);
  const std::string& path = board->port.path;
  auto awake = co_await board->session->connect();
  if (!awake) {
    Error error = awake.error();
    if (error.code == Errc::timeout || error.code == Errc::garbage) {
      error.hint = "Check that the board runs firmware with AT commands, and its rate (--baud-rate)";
    }
    co_return at_port(std::move(error), path);
  }
  auto info = co_await board->session->config();
  if (!info) co_return at_port(info.error(), path);
  board->info = *std::move(info);
  auto about = co_await board->session->info();
  if (!about) co_return at_port(about.error(), path);
  board->about = *std::move(about);
  co_return board;
}

Result<void> identify(Board& board, serial::IdentityRegistry& registry) {
  serial::IdentityFacts facts;
  facts.firmware_id = board.info.id;
  facts.usb_serial = board.port.usb_serial;
  facts.topology = board.port.topology;
  facts.path = board.port.path;
  auto identity = registry.claim(facts);
  if (!identity) return pass(identity.error());
  board.identity = *std::move(identity);
  return {};
}

std::string firmware_version(const serial::InfoReply& about) {
  static constexpr std::string_view kKey = "TML firmware version";
  const std::size_t at = about.text.find(kKey);
  if (at == std::string::npos) return {};
  std::string_view line = std::string_view(about.text).substr(at + kKey.size());
  line = line.substr(0, line.find('\n'));
  const std::size_t start = line.find_first_not_of(" :");
  if (start == std::string_view::npos) return {};
  line.remove_prefix(start);
  return std::string(line.substr(0, line.find_first_of(" \r")));
}

const serial::SensorInfo* find_sensor(const serial::DeviceInfo& info, std::string_view name) {
  for (const serial::SensorInfo& sensor : info.sensors) {
    if (name.empty() || sensor.name == name) return &sensor;
  }
  return nullptr;
}

std::string sensor_names(const serial::DeviceInfo& info) {
  std::string names;
  for (const serial::SensorInfo& sensor : info.sensors) {
    if (!names.empty()) names += ", ";
    names += sensor.name;
  }
  return names.empty() ? "none" : names;
}

}  // namespace tml::daemon
