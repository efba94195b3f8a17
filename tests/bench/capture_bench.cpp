// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Measures our own AtSession against one board, for scripts/bench capture. One JSON object per measurement on standard
// output:
//
//     tml-capture-bench connect     --port P --repeat 20
//     tml-capture-bench round-trips --port P --repeat 500
//     tml-capture-bench readout     --port P --sensor S --interval-ms I --length-ms L [--no-fast-baud]
//
// Numbers are for one host process on an otherwise idle board; who compares them with a goal is scripts/bench.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.hpp"
#include "common/serial/at_session.hpp"
#include "common/serial/port_stream.hpp"

namespace {

using tml::Error;
using tml::Result;
using tml::serial::AtCommand;
using tml::serial::AtSession;
using tml::serial::Awaitable;
using tml::serial::PortStream;

struct Options {
  std::string command;
  std::string port;
  std::string sensor;
  unsigned repeat = 20;
  double interval_ms = 10;
  unsigned length_ms = 1000;
  bool use_fast_baud = true;
};

double milliseconds(std::chrono::nanoseconds time) { return std::chrono::duration<double, std::milli>(time).count(); }

struct Link {
  std::unique_ptr<PortStream> stream;
  std::unique_ptr<AtSession> session;
};

// Opens the port, wakes the board and reads its configuration: what "connected" means for the daemon.
Awaitable<Result<Link>> connect(boost::asio::any_io_executor executor, const Options& options,
                                tml::serial::DeviceInfo& device) {
  auto stream = PortStream::open(executor, options.port);
  if (!stream) {
    co_return tml::pass(stream.error());
  }
  tml::serial::AtOptions at;
  at.use_fast_baud = options.use_fast_baud;
  Link link{std::move(*stream), nullptr};
  link.session = std::make_unique<AtSession>(*link.stream, at);
  const auto connected = co_await link.session->connect();
  if (!connected) {
    co_return tml::pass(connected.error());
  }
  auto config = co_await link.session->config();
  if (!config) {
    co_return tml::pass(config.error());
  }
  device = std::move(*config);
  co_return link;
}

Awaitable<Result<void>> measure_connect(boost::asio::any_io_executor executor, const Options& options) {
  std::vector<double> times;
  for (unsigned i = 0; i < options.repeat; ++i) {
    tml::serial::DeviceInfo device;
    const auto start = tml::system_clock().steady();
    auto link = co_await connect(executor, options, device);
    if (!link) {
      co_return tml::pass(link.error());
    }
    times.push_back(milliseconds(tml::system_clock().steady() - start));
    link->session.reset();
    link->stream->close();
  }
  std::sort(times.begin(), times.end());
  std::printf(R"({"median_ms": %.3f, "min_ms": %.3f, "max_ms": %.3f, "repeat": %zu})"
              "\n",
              times[times.size() / 2], times.front(), times.back(), times.size());
  co_return Result<void>();
}

Awaitable<Result<void>> measure_round_trips(boost::asio::any_io_executor executor, const Options& options) {
  tml::serial::DeviceInfo device;
  auto link = co_await connect(executor, options, device);
  if (!link) {
    co_return tml::pass(link.error());
  }
  const auto start = tml::system_clock().steady();
  for (unsigned i = 0; i < options.repeat; ++i) {
    auto command = AtCommand::make("DEVICEID", AtCommand::Form::read);
    if (!command) {
      co_return tml::pass(command.error());
    }
    const auto reply = co_await link->session->command(std::move(*command));
    if (!reply) {
      co_return tml::pass(reply.error());
    }
    if (const auto refusal = reply->refusal()) {
      co_return tml::fail(tml::Errc::refused, *refusal, "AT+DEVICEID?");
    }
  }
  const double seconds = milliseconds(tml::system_clock().steady() - start) / 1000.0;
  std::printf(R"({"round_trips_per_s": %.2f, "repeat": %u})"
              "\n",
              options.repeat / seconds, options.repeat);
  co_return Result<void>();
}

Awaitable<Result<void>> measure_readout(boost::asio::any_io_executor executor, const Options& options) {
  tml::serial::DeviceInfo device;
  auto link = co_await connect(executor, options, device);
  if (!link) {
    co_return tml::pass(link.error());
  }
  const auto info = co_await link->session->info();
  if (!info) {
    co_return tml::pass(info.error());
  }
  tml::serial::SampleRequest request;
  request.sensor = options.sensor;
  request.label = "bench";
  request.interval_ms = options.interval_ms;
  request.length_ms = options.length_ms;
  request.hmac_key = "0123456789abcdef0123456789abcdef";
  const auto file = co_await link->session->start_sample(std::move(request));
  if (!file) {
    co_return tml::pass(file.error());
  }
  tml::serial::ReadProgress progress;
  progress.target = {.file = file->in_buffer ? std::string() : file->name, .from = file->from, .to = file->to};
  const auto start = tml::system_clock().steady();
  const auto read = co_await link->session->read_out(progress);
  if (!read) {
    co_return tml::pass(read.error());
  }
  const double command_ms = milliseconds(tml::system_clock().steady() - start);
  const std::size_t chars = (progress.bytes.size() + 2) / 3 * 4;
  std::printf(R"({"bytes": %zu, "payload_chars": %zu, "payload_ms": %.3f, "command_ms": %.3f, "attempts": %u, )"
              R"("damaged": %u, "wasted_bytes": %llu, "transfer_baud": %u})"
              "\n",
              progress.bytes.size(), chars, milliseconds(progress.payload_time), command_ms, progress.attempts,
              progress.damaged, static_cast<unsigned long long>(progress.wasted_bytes), device.transfer_baud);
  co_return Result<void>();
}

template <class Number>
bool number(std::string_view text, Number& out) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), out);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

bool parse(int argc, char** argv, Options& options) {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view name = arguments[i];
    if (i == 0) {
      options.command = name;
    } else if (name == "--no-fast-baud") {
      options.use_fast_baud = false;
    } else if (i + 1 == arguments.size()) {
      return false;
    } else if (const std::string_view value = arguments[++i]; name == "--port") {
      options.port = value;
    } else if (name == "--sensor") {
      options.sensor = value;
    } else if (name == "--repeat" && number(value, options.repeat) && options.repeat > 0) {
    } else if (name == "--interval-ms" && number(value, options.interval_ms)) {
    } else if (name == "--length-ms" && number(value, options.length_ms)) {
    } else {
      return false;
    }
  }
  return !options.port.empty();
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::fputs(
        "usage: tml-capture-bench connect|round-trips|readout --port PATH [--repeat N] [--sensor S] "
        "[--interval-ms X] [--length-ms N] [--no-fast-baud]\n",
        stderr);
    return 2;
  }
  boost::asio::io_context context;
  int exit_code = 1;
  const auto finish = [&exit_code](const std::exception_ptr& failure, const Result<void>& result) {
    if (failure) {
      std::fputs("tml-capture-bench: unexpected exception\n", stderr);
    } else if (!result) {
      std::fprintf(stderr, "tml-capture-bench: %s\n", result.error().message().c_str());
    } else {
      exit_code = 0;
    }
  };
  if (options.command == "connect") {
    boost::asio::co_spawn(context, measure_connect(context.get_executor(), options), finish);
  } else if (options.command == "round-trips") {
    boost::asio::co_spawn(context, measure_round_trips(context.get_executor(), options), finish);
  } else if (options.command == "readout") {
    boost::asio::co_spawn(context, measure_readout(context.get_executor(), options), finish);
  } else {
    std::fprintf(stderr, "tml-capture-bench: unknown measurement %s\n", options.command.c_str());
    return 2;
  }
  context.run();
  return exit_code;
}
