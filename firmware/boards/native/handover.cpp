// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/handover.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

namespace tml::fw::native {
namespace {

using Json = nlohmann::json;
using std::chrono::nanoseconds;

constexpr const char* kVariable = "TML_BOARD_HANDOVER";
constexpr const char* kTitle = "tml-board handover 1";
constexpr std::size_t kMaxPageBytes = 64U << 20U;      // a playlist may have 100 000 labels
constexpr std::size_t kMaxArgumentsBytes = 4U << 20U;  // above ARG_MAX of Linux

Json to_json(const ByteFaultCounts& counts) {
  return {counts.dropped, counts.corrupted, counts.flipped, counts.duplicated, counts.delayed};
}

ByteFaultCounts counts_from(const Json& in) {
  ByteFaultCounts out;
  out.dropped = in.at(0);
  out.corrupted = in.at(1);
  out.flipped = in.at(2);
  out.duplicated = in.at(3);
  out.delayed = in.at(4);
  return out;
}

Json to_json(const PtyUart::Account& line) {
  const LineCounters& c = line.counters;
  return {{"counters", {c.tx_bytes, c.rx_bytes, c.tx_overrun, c.rx_overrun, c.tx_unheard, c.garbled}},
          {"tx_faults", to_json(line.tx_faults)},
          {"rx_faults", to_json(line.rx_faults)},
          {"tx_fault_bytes", line.tx_fault_bytes},
          {"rx_fault_bytes", line.rx_fault_bytes},
          {"host_visits", line.host_visits}};
}

PtyUart::Account line_from(const Json& in) {
  PtyUart::Account out;
  const Json& c = in.at("counters");
  out.counters = {c.at(0), c.at(1), c.at(2), c.at(3), c.at(4), c.at(5)};
  out.tx_faults = counts_from(in.at("tx_faults"));
  out.rx_faults = counts_from(in.at("rx_faults"));
  out.tx_fault_bytes = in.at("tx_fault_bytes");
  out.rx_fault_bytes = in.at("rx_fault_bytes");
  out.host_visits = in.at("host_visits");
  return out;
}

Json to_json(const Handover& in) {
  return {{"title", kTitle},
          {"pid", ::getpid()},
          {"reason", static_cast<unsigned>(in.reason)},
          {"stay", in.stay},
          {"lock", in.lock.get()},
          {"master", in.master.get()},
          {"slave", in.slave.get()},
          {"state", in.state},
          {"state_is_temporary", in.state_is_temporary},
          {"seed", in.seed},
          {"started", in.started.count()},
          {"clock_started", in.clock_started.count()},
          {"replug_at", in.replug_at.count()},
          {"timed_faults", in.timed_faults},
          {"announced", in.announced},
          {"line", to_json(in.line)},
          {"reported_losses", in.reported_losses},
          {"programs", in.programs},
          {"program_bytes", in.program_bytes},
          {"sensors", in.sensors},
          {"camera", in.camera}};
}

// The descriptor is ours when it is open and of the kind that was handed over.
UniqueFd take_fd(const Json& in, mode_t kind) {
  const int fd = in;
  struct stat info {};
  if (fd < 0 || ::fstat(fd, &info) != 0 || (info.st_mode & S_IFMT) != kind) return {};
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return UniqueFd(fd);
}

Handover from_json(const Json& in) {
  Handover out;
  out.reason = static_cast<wire::flash::BootReason>(in.at("reason").get<unsigned>());
  out.stay = in.at("stay");
  out.lock = take_fd(in.at("lock"), S_IFREG);
  out.master = take_fd(in.at("master"), S_IFCHR);
  out.slave = take_fd(in.at("slave"), S_IFCHR);
  out.state = in.at("state");
  out.state_is_temporary = in.at("state_is_temporary");
  out.seed = in.at("seed");
  out.started = nanoseconds(in.at("started").get<nanoseconds::rep>());
  out.clock_started = nanoseconds(in.at("clock_started").get<nanoseconds::rep>());
  out.replug_at = nanoseconds(in.at("replug_at").get<nanoseconds::rep>());
  out.timed_faults = in.at("timed_faults");
  out.announced = in.at("announced");
  out.line = line_from(in.at("line"));
  out.reported_losses = in.at("reported_losses");
  out.programs = in.at("programs");
  out.program_bytes = in.at("program_bytes");
  out.sensors = in.at("sensors").get<std::vector<SourceState>>();
  out.camera = in.at("camera").get<SourceState>();
  return out;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

std::optional<std::string> read_page(int fd) {
  struct stat info {};
  // Only a memfd has seals to tell of: a number that means another file now is left alone.
  if (::fcntl(fd, F_GET_SEALS) < 0 || ::fstat(fd, &info) != 0) return std::nullopt;
  if (info.st_size < 0 || static_cast<std::size_t>(info.st_size) > kMaxPageBytes) return std::nullopt;
  std::string out(static_cast<std::size_t>(info.st_size), '\0');
  for (std::size_t at = 0; at < out.size();) {
    const ssize_t got = ::pread(fd, out.data() + at, out.size() - at, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;
    at += static_cast<std::size_t>(got);
  }
  return out;
}

}  // namespace

std::optional<Handover> take_handover() {
  const char* const text = std::getenv(kVariable);
  if (text == nullptr) return std::nullopt;
  int number = -1;
  const auto [end, code] = std::from_chars(text, text + std::strlen(text), number);
  const bool valid = code == std::errc{} && *end == '\0' && number >= 0;
  ::unsetenv(kVariable);
  if (!valid) return std::nullopt;
  const std::optional<std::string> page = read_page(number);
  if (!page) return std::nullopt;
  try {
    const Json json = Json::from_cbor(*page);
    if (json.at("title") != kTitle || json.at("pid") != ::getpid()) return std::nullopt;
    ::close(number);
    return from_json(json);
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

Error execute_again(const Handover& handover) {
  const auto failed = [](const char* what) { return fail_errno(errno, what).value(); };
  Result<std::string> arguments = read_file("/proc/self/cmdline", kMaxArgumentsBytes);
  if (!arguments) return std::move(arguments.error());
  std::vector<char*> argv;
  for (std::size_t at = 0; at < arguments->size(); at += std::strlen(arguments->data() + at) + 1)
    argv.push_back(arguments->data() + at);
  argv.push_back(nullptr);

  // CBOR and not text: paths and labels are bytes of any kind.
  std::string bytes;
  Json::to_cbor(to_json(handover), bytes);
  const UniqueFd page(::memfd_create("tml-board-handover", MFD_ALLOW_SEALING));
  if (!page.valid() || !write_all(page.get(), bytes)) return failed("cannot keep the mailbox");
  const std::array<int, 3> kept{handover.lock.get(), handover.master.get(), handover.slave.get()};
  const auto inherit = [&kept](int flags) {
    for (const int fd : kept) {
      if (fd >= 0) ::fcntl(fd, F_SETFD, flags);
    }
  };
  ::setenv(kVariable, std::to_string(page.get()).c_str(), 1);
  inherit(0);
  ::execv("/proc/self/exe", argv.data());
  const Error error = failed("cannot execute the board again");
  inherit(FD_CLOEXEC);
  ::unsetenv(kVariable);
  return error;
}

}  // namespace tml::fw::native
