// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The command line of tml-forwarder as plain data, so that only one unit sees the parser (docs/tml-forwarder.md has
// every flag).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/exit_code.hpp"
#include "common/cli/common_flags.hpp"
#include "common/sample/names.hpp"
#include "common/stream/types.hpp"

namespace tml::forwarder {

/// What is taken from the stream.
enum class Way : std::uint8_t {
  requested,   ///< Neither flag: samples that the server asks for.
  labelled,    ///< --label L --length-ms N [--repeat R --rest-ms M]
  continuous,  ///< --continuous [--overlap-ms N]
  triggered,   ///< --trigger EXPR [--before-ms N]
};

/// What happens to a new sample when the spool has reached --spool-limit.
enum class WhenFull : std::uint8_t { block, drop_oldest, drop_newest };

struct Options : cli::OutputFlags, cli::ServerFlags {
  // Input.
  std::vector<std::string> inputs;  ///< PATH, serial=X, tcp://H:P, rfc2217://H:P, "-"; empty = find the only port.
  bool all_ports = false;
  std::string replay_file;
  double replay_speed = 1;  ///< 0 = as fast as can be read.
  std::string record_file;
  std::uint32_t baud_rate = 115'200;  ///< 0 = auto.
  int which_device = -1;              ///< --which-device, from 0; -1 = not given.
  // Stream.
  std::vector<std::string> axes;
  double frequency_hz = 0;  ///< 0 = fitted.
  std::string device_id;
  // Samples.
  Way way = Way::requested;
  std::string label;
  std::uint64_t length_ms = 0;
  std::uint64_t repeat = 1;  ///< 0 = until stopped.
  std::uint64_t rest_ms = 0;
  std::uint64_t overlap_ms = 0;
  std::string trigger;
  std::uint64_t before_ms = 0;
  sample::Category category = sample::Category::training;
  stream::GapPolicy on_gap = stream::GapPolicy::keep;
  bool cbor = false;
  std::uint32_t start_timeout_s = 0;  ///< 0 = 30 s, or 60 intervals of a stated frequency.
  // Spool.
  std::uint64_t spool_limit_bytes = 0;  ///< 0 = none.
  WhenFull when_full = WhenFull::block;
  bool no_deliver = false;
  std::uint32_t flush_timeout_s = 30;  ///< 0 = until everything is delivered.
  // Account and output.
  std::string project;  ///< Project id; empty = choose.
  std::string config_file;
  bool clean = false;  ///< Forget what is stored of the device, ask anew.
  bool plot = false;
  std::string metrics;  ///< PORT, ADDRESS:PORT (metrics.hpp); empty = none.
};

/// The options, or the code that the program should end with now (--help, --version, usage error; already printed).
[[nodiscard]] std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv);

/// "512MB", "1GiB", "4096" in bytes: K, M, G with an optional B are powers of 1000, Ki, Mi, Gi of 1024.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);

/// The flag's value: "drop-oldest".
[[nodiscard]] std::string_view when_full_name(WhenFull policy);

}  // namespace tml::forwarder
