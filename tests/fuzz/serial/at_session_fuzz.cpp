// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A session against a board that says anything: the input's first byte chooses the call, the rest is what the line
// brings. Nothing may crash, and in virtual time every call ends.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "common/serial/at_session.hpp"
#include "tests/unit/serial/fake_board.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::serial;
  using tml::serial::testing::FakeBoard;
  using tml::serial::testing::run;
  if (size < 2 || size > 4096) return 0;
  FakeBoard::Config config;
  config.fast_baud = (data[0] & 8U) != 0 ? 921'600 : 0;
  config.echo = (data[0] & 16U) != 0;
  config.max_chunk = 1 + data[0] / 4;
  config.byte_time = std::chrono::microseconds(2);
  FakeBoard board(config);
  std::string answer(reinterpret_cast<const char*>(data + 1), size - 1);
  board.answer = [&answer](const std::string& line) -> std::optional<std::string> {
    if (line == "b") return std::nullopt;
    return answer;
  };
  AtSession session(board);
  session.set_device({1, 8, 0}, config.fast_baud, {"ranges"});
  switch (data[0] & 7U) {
    case 0:
      static_cast<void>(run(session.config()));
      break;
    case 1:
      static_cast<void>(run(session.info()));
      break;
    case 2:
      static_cast<void>(run(session.read_buffer(0, 300)));
      break;
    case 3:
      static_cast<void>(run(session.read_file("/fs/x")));
      break;
    case 4:
      static_cast<void>(run(session.list_files()));
      break;
    case 5: {
      SampleRequest request;
      request.sensor = request.label = "x";
      request.interval_ms = 10;
      request.length_ms = 100;
      static_cast<void>(run(session.start_sample(request)));
      break;
    }
    case 6: {
      const auto on_line = [](std::string_view line) { return line.size() < 20; };
      static_cast<void>(run(session.stream_lines(*AtCommand::make("RUNIMPULSE"), on_line,
                                                 Timeouts{tml::Millis(2000), tml::Millis(500)})));
      break;
    }
    default:
      if ((data[0] & 32U) != 0) {
        static_cast<void>(run(session.snapshot({8, 8})));
      } else if ((data[0] & 64U) != 0) {
        unsigned frames = 0;
        const auto on_frame = [&frames](const SnapshotImage&) { return ++frames < 3; };
        static_cast<void>(run(session.snapshot_stream({8, 8}, on_frame)));
      } else {
        static_cast<void>(run(session.connect()));
      }
      break;
  }
  if (board.clock_.steady() > std::chrono::hours(3)) std::abort();
  return 0;
}
