// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One transfer over the flash link with the library that tml-flash uses, and what it took as one JSON object. The
// object is made and signed here, so that nothing but the link is measured.
//
//     tml-flash-bench --port PATH --slot NAME (--noise BYTES | --file FILE) [--seed N] [--baud N] [--raw]
//                     [--base NAME --base-file FILE] [--activate]
#include <nlohmann/json.hpp>

#include <cstdio>
#include <filesystem>
#include <map>
#include <string>

#include "common/base/file.hpp"
#include "common/base/spawn.hpp"
#include "common/flashlink/development_key.hpp"
#include "common/flashlink/object_file.hpp"
#include "common/flashlink/transfer.hpp"
#include "common/serial/port_stream.hpp"

namespace tml::flashlink {
namespace {

struct Arguments {
  std::map<std::string, std::string> values;
  [[nodiscard]] bool has(const std::string& name) const { return values.count(name) != 0; }
  [[nodiscard]] std::string text(const std::string& name) const { return has(name) ? values.at(name) : std::string(); }
  [[nodiscard]] std::uint32_t number(const std::string& name, std::uint32_t otherwise) const {
    return has(name) ? static_cast<std::uint32_t>(std::stoul(values.at(name))) : otherwise;
  }
};

Result<std::vector<std::byte>> content_of(const Arguments& arguments) {
  if (arguments.has("file")) return load_object_file(arguments.text("file"));
  std::vector<std::byte> bytes(arguments.number("noise", 1U << 20U));
  SeededRandom random(arguments.number("seed", 1));
  random.fill(bytes);
  return bytes;
}

serial::Awaitable<Result<nlohmann::json>> measure(serial::ByteStream& stream, const Arguments& arguments,
                                                  const SignedObject& object, const PayloadCache* cache) {
  const auto began = system_clock().steady();
  Session session(stream, system_random());
  auto identity = co_await session.connect();
  if (!identity) co_return pass(std::move(identity.error()));
  const auto connected = system_clock().steady();
  auto rate = co_await session.raise_baud(arguments.number("baud", 0));
  if (!rate) co_return pass(std::move(rate.error()));
  const auto negotiated = system_clock().steady();
  TransferOptions options;
  options.slot = wire::flash::slot_by_name(arguments.text("slot"));
  if (arguments.has("base")) options.base_slot = wire::flash::slot_by_name(arguments.text("base"));
  options.compress = !arguments.has("raw");
  Transfer transfer(object.view(), options, cache);
  auto done = co_await transfer.run(session);
  if (!done) co_return pass(std::move(done.error()));
  const auto committed = system_clock().steady();
  if (arguments.has("activate")) {
    wire::flash::Select select;
    select.slot = options.slot;
    select.permanent = 1;
    auto selected = co_await session.select(select);
    if (!selected) co_return pass(std::move(selected.error()));
  }
  const auto ended = system_clock().steady();
  if (session.baud() != 0) {
    // Whoever comes next finds the board at once, and not only when this session has timed out.
    auto restored = co_await session.use_baud(serial::kDefaultBaud);
    if (!restored) co_return pass(std::move(restored.error()));
  }
  const auto seconds = [](std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); };
  const TransferReport& report = transfer.report();
  const LinkCounters& link = session.link().counters();
  co_return nlohmann::json{{"baud", *rate},
                           {"payload_bytes", object.payload.size()},
                           {"chunks", report.chunks},
                           {"copied", report.copied},
                           {"raw", report.raw},
                           {"deflated", report.deflated},
                           {"deltas", report.deltas},
                           {"sent_bytes", report.sent_bytes},
                           {"line_bytes", report.line_bytes},
                           {"again_bytes", report.again_bytes},
                           {"lost_frames", report.lost_frames},
                           {"connect_s", seconds(connected - began)},
                           {"baud_s", seconds(negotiated - connected)},
                           {"data_s", report.data_seconds},
                           {"transfer_s", seconds(committed - negotiated)},
                           {"total_s", seconds(ended - began)},
                           {"request_repeats", link.request_repeats},
                           {"bad_frames", link.bad_frames}};
}

int run(const Arguments& arguments) {
  const auto complain = [](const Error& error) {
    std::fprintf(stderr, "tml-flash-bench: %s\n", error.message().c_str());
    return 1;
  };
  auto content = content_of(arguments);
  if (!content) return complain(content.error());
  ObjectFlags flags;
  flags.name = "bench";
  flags.data = arguments.text("slot") == "data";
  const SecretKey key = development_key();
  const auto objects = objects_of(std::move(*content), flags, &key, 0, "bench");
  if (!objects) return complain(objects.error());

  std::string folder = (std::filesystem::temp_directory_path() / "tml-flash-bench-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return 1;
  const PayloadCache cache(folder);
  if (arguments.has("base-file")) {
    const auto base = load_object_file(arguments.text("base-file"));
    if (!base) return complain(base.error());
    cache.keep(sha256(*base), *base);
  }
  boost::asio::io_context io(1);
  Result<nlohmann::json> result = fail(Errc::failed, "the measurement did not run");
  auto stream = serial::PortStream::open(io.get_executor(), arguments.text("port"));
  if (stream) {
    if (auto ended = run_to_end(io, measure(**stream, arguments, objects->front(), &cache))) result = std::move(*ended);
  } else {
    result = pass(stream.error());
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  if (!result) return complain(result.error());
  std::printf("%s\n", result->dump().c_str());
  return 0;
}

}  // namespace
}  // namespace tml::flashlink

int main(int argc, char** argv) {
  tml::flashlink::Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i];
    if (name.rfind("--", 0) != 0) {
      std::fprintf(stderr, "tml-flash-bench: unexpected '%s'\n", argv[i]);
      return 2;
    }
    name.erase(0, 2);
    const bool is_switch = name == "raw" || name == "activate";
    arguments.values[name] = is_switch || i + 1 == argc ? std::string() : std::string(argv[++i]);
  }
  return tml::flashlink::run(arguments);
}
