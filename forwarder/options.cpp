// SPDX-License-Identifier: Apache-2.0
#include "forwarder/options.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "common/cli/flags.hpp"
#include "common/cli/reporter.hpp"
#include "common/stream/trigger.hpp"
#include "common/stream/window.hpp"
#include "forwarder/metrics.hpp"

namespace tml::forwarder {
namespace {

/// Flags as texts, before they mean something.
struct Raw {
  std::string baud = "115200";
  std::string axes;
  std::string category = "training";
  std::string on_gap = "keep";
  std::string spool_limit;
  std::string when_full = "block";
  double replay_speed = 1;
  bool fast = false;
  bool continuous = false;
  bool silent = false;
  bool dev = false;
  bool json_document = false;
};

void add_input_flags(CLI::App& app, Options& options, Raw& raw) {
  app.add_option("--port", options.inputs,
                 "Input: a serial port (path or serial=USB-SERIAL), tcp://HOST:PORT, rfc2217://HOST:PORT, "
                 "raw://HOST:PORT, or - for standard input; may be repeated")
      ->type_name("INPUT")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_flag("--all", options.all_ports, "Every USB serial port, also those that come later");
  app.add_option("--which-device", options.which_device, "The i-th of several ports, from 0, as they are listed")
      ->type_name("I");
  app.add_option("--baud-rate", raw.baud, "Line rate, or auto to find it out")
      ->type_name("N|auto")
      ->capture_default_str();
  app.add_option("--replay", options.replay_file, "Read a log that --record wrote, in place of a port")
      ->type_name("FILE");
  app.add_option("--replay-speed", raw.replay_speed, "How many times faster than it was recorded")
      ->check(CLI::Range(0.01, 1e6))
      ->type_name("X");
  app.add_flag("--fast", raw.fast, "Replay as fast as the log can be read");
  app.add_option("--record", options.record_file, "Write all bytes and their arrival times to a log")
      ->type_name("FILE");
  app.add_option("--axes", raw.axes, "Names of the axes, separated by commas")->type_name("A,B,...");
  app.add_option("--frequency", options.frequency_hz, "Readings per second, when known; default: measured")
      ->check(CLI::Range(1e-4, 1e6))
      ->type_name("HZ");
  app.add_option("--device-id", options.device_id, "Device id in place of the USB serial number or port")
      ->type_name("ID");
}

void add_sample_flags(CLI::App& app, Options& options, Raw& raw) {
  app.add_option("--label", options.label, "Label of the samples")->type_name("L");
  app.add_option("--length-ms", options.length_ms, "Length of a sample in milliseconds")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}))
      ->type_name("N");
  app.add_option("--repeat", options.repeat, "How many samples; 0 = until stopped")->type_name("R");
  app.add_option("--rest-ms", options.rest_ms, "Pause between samples")->type_name("M");
  app.add_flag("--continuous", raw.continuous, "One sample after another, without a pause");
  app.add_option("--overlap-ms", options.overlap_ms, "What neighbours share, with --continuous")->type_name("N");
  app.add_option("--trigger", options.trigger, "Take a sample when this holds: \"abs(accX) > 15 && accY < 2\"")
      ->type_name("EXPR");
  app.add_option("--before-ms", options.before_ms, "How much of the sample lies before the trigger")->type_name("N");
  app.add_option("--category", raw.category, "training, testing, anomaly, ...")->type_name("C");
  app.add_option("--on-gap", raw.on_gap, "Missing readings: keep, interpolate or reject")->type_name("POLICY");
  app.add_flag("--cbor", options.cbor, "Store documents as CBOR; default: JSON");
  app.add_flag("--json-document", raw.json_document, "Store documents as JSON (the default)");
  app.add_option("--start-timeout", options.start_timeout_s, "Seconds until axes and rate must be known; default 30")
      ->check(CLI::Range(1U, 86'400U))
      ->type_name("S");
}

void add_store_flags(CLI::App& app, Options& options, Raw& raw) {
  app.add_option("--spool-limit", raw.spool_limit, "Most that the spool may hold: 500MB, 2GiB; default: no limit")
      ->type_name("SIZE");
  app.add_option("--when-full", raw.when_full, "Then: block, drop-oldest or drop-newest")->type_name("POLICY");
  app.add_flag("--no-deliver", options.no_deliver, "Leave the samples in the spool");
  app.add_option("--flush-timeout", options.flush_timeout_s,
                 "At the end, seconds without progress after which delivery is left to the next run; 0 = wait for ever")
      ->type_name("S")
      ->capture_default_str();
  app.add_option("--project", options.project, "Project id, when the key or user has several")->type_name("ID");
  app.add_option("--config", options.config_file, "Configuration file in place of the default")->type_name("F");
  app.add_flag("--clean", options.clean, "Forget what was answered for the device and ask again");
  app.add_flag("--silent", raw.silent, "As --no-input");
  app.add_flag("--dev", raw.dev, "Accepted for compatibility; --host chooses the server");
  app.add_flag("--plot", options.plot, "Show the readings in the terminal");
  app.add_option("--metrics", options.metrics, "Serve Prometheus metrics on this port (of 127.0.0.1)")
      ->type_name("PORT|ADDR:PORT");
}

std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> names;
  std::size_t at = 0;
  while (at <= text.size()) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    std::string name = text.substr(at, comma - at);
    const std::size_t first = name.find_first_not_of(" \t");
    const std::size_t last = name.find_last_not_of(" \t");
    names.push_back(first == std::string::npos ? std::string{} : name.substr(first, last - first + 1));
    at = comma + 1;
  }
  return names;
}

Result<void> check_axes(const std::vector<std::string>& axes) {
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (axes[i].empty()) return fail(Errc::usage, "an axis has an empty name", "--axes");
    for (std::size_t j = 0; j < i; ++j) {
      if (axes[i] == axes[j]) return fail(Errc::usage, "two axes are called \"" + axes[i] + "\"", "--axes");
    }
  }
  if (axes.size() > stream::kMaxAxes)
    return fail(Errc::usage, "a reading has at most " + std::to_string(stream::kMaxAxes) + " axes", "--axes");
  return {};
}

Result<void> read_input(Options& options, const Raw& raw) {
  if (raw.baud == "auto") {
    options.baud_rate = 0;
  } else {
    const auto [end, error] = std::from_chars(raw.baud.data(), raw.baud.data() + raw.baud.size(), options.baud_rate);
    if (error != std::errc{} || end != raw.baud.data() + raw.baud.size() || options.baud_rate < 300 ||
        options.baud_rate > 12'000'000)
      return fail(Errc::usage, "a line rate is a number from 300 to 12000000, or auto", "--baud-rate");
  }
  options.replay_speed = raw.fast ? 0 : raw.replay_speed;
  const bool replay = !options.replay_file.empty();
  if ((raw.fast || raw.replay_speed != 1) && !replay)
    return fail(Errc::usage, "only a recording has a speed", raw.fast ? "--fast" : "--replay-speed",
                "Add --replay FILE.");
  const int kinds = (options.inputs.empty() ? 0 : 1) + (options.all_ports ? 1 : 0) + (replay ? 1 : 0) +
                    (options.which_device >= 0 ? 1 : 0);
  if (kinds > 1)
    return fail(Errc::usage, "--port, --all, --which-device and --replay exclude one another", {}, "Give one of them.");
  for (std::size_t i = 0; i < options.inputs.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (options.inputs[i] == options.inputs[j])
        return fail(Errc::usage, "the input \"" + options.inputs[i] + "\" is named twice", "--port");
    }
  }
  const bool several = options.all_ports || options.inputs.size() > 1;
  if (several && !options.record_file.empty())
    return fail(Errc::usage, "a log holds one input", "--record", "Name one port.");
  if (several && !options.device_id.empty())
    return fail(Errc::usage, "several boards cannot have one device id", "--device-id", "Name one port.");
  std::error_code missing;
  if (replay && std::filesystem::equivalent(options.replay_file, options.record_file, missing))
    return fail(Errc::usage, "the log that is read would be overwritten", "--record", "Name another file.");
  if (!raw.axes.empty()) options.axes = split_names(raw.axes);
  return check_axes(options.axes);
}

Result<void> read_samples(Options& options, const Raw& raw, bool repeat_given) {
  if (raw.continuous && !options.trigger.empty())
    return fail(Errc::usage, "--continuous and --trigger exclude one another", {}, "Give one of them.");
  const bool some = raw.continuous || !options.trigger.empty() || !options.label.empty();
  options.way = raw.continuous             ? Way::continuous
                : !options.trigger.empty() ? Way::triggered
                : !options.label.empty()   ? Way::labelled
                                           : Way::requested;
  if (some && options.label.empty()) return fail(Errc::usage, "the samples need a label", "--label");
  if (some && options.length_ms == 0)
    return fail(Errc::usage, "the samples need a length", "--length-ms", "For example --length-ms 2000.");
  if (!some && options.length_ms != 0)
    return fail(Errc::usage, "a length needs a label", "--label", "Or leave both out to serve the server's requests.");
  if (options.label.size() > 255) return fail(Errc::usage, "a label has at most 255 bytes", "--label");
  if (options.overlap_ms != 0 && !raw.continuous)
    return fail(Errc::usage, "only --continuous samples overlap", "--overlap-ms");
  if (options.before_ms != 0 && options.trigger.empty())
    return fail(Errc::usage, "only a trigger has a time before it", "--before-ms");
  if (raw.continuous && options.overlap_ms >= options.length_ms)
    return fail(Errc::usage, "the overlap must be shorter than the sample", "--overlap-ms");
  if (!options.trigger.empty() && options.before_ms >= options.length_ms)
    return fail(Errc::usage, "the time before the trigger must be shorter than the sample", "--before-ms");
  if (!options.trigger.empty() && !options.axes.empty()) {
    auto trigger = stream::Trigger::compile(options.trigger, options.axes);
    if (!trigger) {
      Error error = trigger.error();
      error.where = "--trigger, " + error.where;
      return pass(std::move(error));
    }
  }
  if (raw.continuous && (repeat_given || options.rest_ms != 0))
    return fail(Errc::usage, "--continuous takes no --repeat and no --rest-ms",
                repeat_given ? "--repeat" : "--rest-ms");
  if (options.way == Way::triggered && !repeat_given) options.repeat = 0;
  auto category = sample::parse_category(raw.category);
  if (!category) return pass(category.error());
  options.category = *category;
  bool known = false;
  for (const auto policy : {stream::GapPolicy::keep, stream::GapPolicy::interpolate, stream::GapPolicy::reject}) {
    if (stream::gap_policy_name(policy) != raw.on_gap) continue;
    options.on_gap = policy;
    known = true;
  }
  if (!known) return fail(Errc::usage, "\"" + raw.on_gap + "\" is no policy: keep, interpolate, reject", "--on-gap");
  if (options.cbor && raw.json_document)
    return fail(Errc::usage, "--cbor and --json-document exclude one another", {}, "Give one of them.");
  return {};
}

Result<void> read_store(Options& options, const Raw& raw) {
  if (!options.metrics.empty()) {
    const auto address = parse_metrics_address(options.metrics);
    if (!address) return pass(address.error());
  }
  if (options.plot && options.json)
    return fail(Errc::usage, "--plot and --json exclude one another", {}, "Programs read --json or --metrics.");
  if (!raw.spool_limit.empty()) {
    const auto size = parse_size(raw.spool_limit);
    if (!size || *size == 0)
      return fail(Errc::usage, "\"" + raw.spool_limit + "\" is no size", "--spool-limit", "For example 500MB or 2GiB.");
    options.spool_limit_bytes = *size;
  }
  for (const auto policy : {WhenFull::block, WhenFull::drop_oldest, WhenFull::drop_newest}) {
    if (when_full_name(policy) != raw.when_full) continue;
    options.when_full = policy;
    return {};
  }
  return fail(Errc::usage, "\"" + raw.when_full + "\" is no policy: block, drop-oldest, drop-newest", "--when-full");
}

}  // namespace

std::string_view when_full_name(WhenFull policy) {
  switch (policy) {
    case WhenFull::drop_oldest:
      return "drop-oldest";
    case WhenFull::drop_newest:
      return "drop-newest";
    case WhenFull::block:
      break;
  }
  return "block";
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || !(number >= 0)) return std::nullopt;
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (unit.ends_with('B') || unit.ends_with('b')) unit.remove_suffix(1);
  double factor = 1;
  if (!unit.empty()) {
    constexpr std::string_view kLetters = "KMGT";
    const auto letter = static_cast<char>(unit.front() & ~0x20);
    const std::size_t power = kLetters.find(letter);
    const bool binary = unit.size() == 2 && unit[1] == 'i';
    if (power == std::string_view::npos || (unit.size() != 1 && !binary)) return std::nullopt;
    factor = std::pow(binary ? 1024.0 : 1000.0, static_cast<double>(power + 1));
  }
  constexpr double kMost = 1e18;
  if (number * factor > kMost) return std::nullopt;
  return static_cast<std::uint64_t>(number * factor);
}

std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv) {
  Options options;
  Raw raw;
  CLI::App app("Turns what boards print on serial ports into samples, stores and delivers them.", "tml-forwarder");
  cli::set_up_app(app, "tml-forwarder");
  cli::add_output_flags(app, options);
  cli::add_server_flags(app, options);
  add_input_flags(app, options, raw);
  add_sample_flags(app, options, raw);
  add_store_flags(app, options, raw);
  if (auto code = cli::parse_arguments(app, argc, argv)) return *code;
  options.no_input = options.no_input || raw.silent;
  auto checked = read_input(options, raw);
  if (checked) checked = read_samples(options, raw, app.count("--repeat") != 0);
  if (checked) checked = read_store(options, raw);
  if (checked) return options;
  cli::Reporter reporter({"tml-forwarder", options.json, options.quiet, cli::color_wanted()});
  return reporter.error(checked.error());
}

}  // namespace tml::forwarder
