// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/qemu_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

namespace tml::fw::native {
namespace {

constexpr const char* kProgram = "qemu-system-arm";
constexpr std::string_view kReset = "system_reset\n";

struct Pair {
  UniqueFd ours;
  UniqueFd theirs;
};

Result<Pair> socket_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return fail_errno(errno, "cannot make the sockets to QEMU");
  Pair out{UniqueFd(ends[0]), UniqueFd(ends[1])};
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return out;
}

std::vector<std::string> arguments(const QemuOptions& options, int line, int events, int monitor) {
  const auto chardev = [](std::string_view id, int fd) {
    return "socket,id=" + std::string(id) + ",fd=" + std::to_string(fd);
  };
  std::vector<std::string> out{kProgram,
                               "-M",
                               "mps2-an386,memory-backend=psram",
                               "-object",
                               "memory-backend-file,id=psram,size=16M,share=on,mem-path=" + options.memory.string(),
                               "-nodefaults",
                               "-nic",  // the machine's Ethernet, which nothing uses, complains of an open end
                               "user,restrict=on",
                               "-display",
                               "none",
                               "-chardev",
                               chardev("line", line),
                               "-serial",
                               "chardev:line",
                               "-chardev",
                               chardev("events", events),
                               "-serial",
                               "chardev:events",
                               "-chardev",
                               chardev("monitor", monitor),
                               "-mon",
                               "chardev=monitor,mode=readline",
                               "-kernel",
                               options.firmware.string()};
  if (options.icount) out.insert(out.end(), {"-icount", "shift=0"});
  return out;
}

// Between fork and exec: system calls alone.
[[noreturn]] void become_qemu(const std::vector<char*>& argv, std::array<int, 4> kept, int complaint, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  for (const int fd : kept) ::fcntl(fd, F_SETFD, 0);
  const int nothing = ::open("/dev/null", O_RDWR);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(nothing, STDOUT_FILENO);
  ::execvp(argv[0], argv.data());
  const int error_number = errno;
  [[maybe_unused]] const ssize_t told = ::write(complaint, &error_number, sizeof error_number);
  ::_exit(127);
}

}  // namespace

Result<QemuProcess> QemuProcess::start(const QemuOptions& options, int lock) {
  if (::access(options.firmware.c_str(), R_OK) != 0) {
    return fail_errno(errno, "--qemu: cannot read the firmware", options.firmware.string(),
                      "Build it: cmake --preset fw-mps2-an386 && cmake --build build/fw-mps2-an386");
  }
  // QEMU reads a comma as the end of an option's value.
  if (options.memory.string().find(',') != std::string::npos)
    return fail(Errc::usage, "--state: QEMU takes no folder with a comma in its name", options.memory.string());
  std::array<Pair, 3> pairs;
  for (Pair& pair : pairs) {
    Result<Pair> made = socket_pair();
    if (!made) return pass(std::move(made.error()));
    pair = std::move(*made);
  }
  std::array<int, 2> complaint{};
  if (::pipe2(complaint.data(), O_CLOEXEC) != 0) return fail_errno(errno, "cannot make a pipe to QEMU");
  const UniqueFd complaint_in(complaint[0]);
  UniqueFd complaint_out(complaint[1]);

  std::vector<std::string> texts =
      arguments(options, pairs[0].theirs.get(), pairs[1].theirs.get(), pairs[2].theirs.get());
  std::vector<char*> argv;
  for (std::string& text : texts) argv.push_back(text.data());
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, "cannot start QEMU");
  if (pid == 0) {
    become_qemu(argv, {pairs[0].theirs.get(), pairs[1].theirs.get(), pairs[2].theirs.get(), lock}, complaint_out.get(),
                parent);
  }
  QemuProcess out;
  out.pid_ = pid;
  out.line_ = std::move(pairs[0].ours);
  out.events_ = std::move(pairs[1].ours);
  out.monitor_ = std::move(pairs[2].ours);
  complaint_out.reset();
  int error_number = 0;
  if (::read(complaint_in.get(), &error_number, sizeof error_number) > 0) {
    return fail_errno(error_number, "cannot start QEMU", kProgram, "Install it: scripts/setup --test");
  }
  out.ended_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!out.ended_.valid()) return fail_errno(errno, "cannot watch QEMU");
  return out;
}

QemuProcess::QemuProcess(QemuProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      line_(std::move(other.line_)),
      events_(std::move(other.events_)),
      monitor_(std::move(other.monitor_)),
      ended_(std::move(other.ended_)) {}

QemuProcess::~QemuProcess() { kill(); }

void QemuProcess::reset() const {
  [[maybe_unused]] const ssize_t told = ::send(monitor_.get(), kReset.data(), kReset.size(), MSG_NOSIGNAL);
}

void QemuProcess::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace tml::fw::native
