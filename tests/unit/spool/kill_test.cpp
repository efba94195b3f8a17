// SPDX-License-Identifier: Apache-2.0
// Real processes, killed at random points of a commit: what put() had reported is there afterwards, whole, and nothing
// else is half there.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "tests/unit/spool/support.hpp"

namespace tml::spool {
namespace {

using test::entry_of;

std::string payload_of(std::uint64_t number) {
  // Every fourth one is large enough to be a file.
  return "payload " + std::to_string(number) + std::string(number % 4 == 0 ? kInlineBytes + 1 : 100, 'p');
}

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* given = std::getenv(variable);
  return given != nullptr ? std::strtoull(given, nullptr, 10) : otherwise;
}

/// Puts and delivers until the `die_after`th step, then is killed. Tells of each completed call through the pipe: "+id"
/// put, "-id" delivered.
[[noreturn]] void child(const std::filesystem::path& folder, int out, std::uint64_t die_after, std::uint64_t seed) {
  ManualClock clock;
  SeededRandom random(seed);
  SpoolOptions options;
  options.folder = folder;
  auto spool = Spool::open(options, clock, random);
  if (!spool) ::_exit(2);
  std::uint64_t steps = 0;
  (*spool)->on_step = [&steps, die_after](const char*) {
    if (++steps == die_after) ::kill(::getpid(), SIGKILL);
  };
  const auto tell = [out](char what, const std::string& id) {
    const std::string line = what + id + "\n";
    if (::write(out, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::_exit(3);
  };
  for (std::uint64_t i = 0;; ++i) {
    const auto put = (*spool)->put_capture("board", "f" + std::to_string(seed * 1000 + i),
                                           entry_of("board", payload_of(seed * 1000 + i)));
    if (!put) ::_exit(4);
    tell('+', put->envelope);
    if (i % 3 == 2) {
      const auto head = (*spool)->list();
      if (!head || !(*spool)->mark_delivered(head->front().envelope)) ::_exit(5);
      tell('-', head->front().envelope);
    }
  }
}

TEST(SpoolKill, NothingCommittedIsLost) {
  const test::TemporaryFolder folder;
  ManualClock clock;
  const std::uint64_t seed = number_from("TML_SEED", system_random().next_u64() % 1'000'000);
  // Each round waits for the disk some dozens of times; a few per run keep the unit tests quick, and seeds add up.
  const std::uint64_t rounds = number_from("TML_KILL_ROUNDS", 6);
  std::printf("seed %llu (TML_SEED repeats it), %llu rounds (TML_KILL_ROUNDS)\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(rounds));
  SeededRandom random(seed);
  std::set<std::string> stored;
  std::uint64_t delivered = 0;
  for (std::uint64_t round = 1; round <= rounds; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const std::uint64_t die_after = 1 + random.next_u64() % 30;
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) child(folder.path() / "spool", ends[1], die_after, seed * 100 + round);
    ::close(ends[1]);
    std::string said;
    char chunk[4096];
    for (ssize_t got = 0; (got = ::read(ends[0], chunk, sizeof chunk)) > 0;)
      said.append(chunk, static_cast<std::size_t>(got));
    ::close(ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        << "round " << round << " exit " << WEXITSTATUS(status);
    std::set<std::string> gone;
    for (std::size_t at = 0, end = 0; (end = said.find('\n', at)) != std::string::npos; at = end + 1) {
      (said[at] == '+' ? stored : gone).insert(said.substr(at + 1, end - at - 1));
    }
    for (const std::string& id : gone) stored.erase(id);

    auto spool = test::open_spool(folder.path() / "spool", clock);
    ASSERT_NE(spool, nullptr);
    EXPECT_TRUE(spool->verify()->damaged.empty());
    std::set<std::string> there;
    const auto entries = spool->list().value();
    for (const EntryInfo& entry : entries) there.insert(entry.envelope);
    std::size_t missing = 0;
    for (const std::string& id : stored) missing += there.contains(id) ? 0 : 1;
    // The call under way when the child died may be committed without having been told of. A delivery that is says so
    // in the counter of the same commit; anything else that is missing is lost.
    const std::uint64_t now_delivered = spool->totals()->delivered;
    const std::uint64_t untold = now_delivered - delivered - gone.size();
    delivered = now_delivered;
    EXPECT_LE(untold, 1U) << "round " << round;
    EXPECT_EQ(missing, untold) << "round " << round;
    EXPECT_LE(there.size() + missing, stored.size() + 1) << "round " << round;
    stored = std::move(there);
    const auto blobs = std::distance(std::filesystem::directory_iterator(folder.path() / "spool" / "blobs"), {});
    std::ptrdiff_t large = 0;
    for (const EntryInfo& entry : entries) large += entry.size_bytes > kInlineBytes ? 1 : 0;
    EXPECT_GE(blobs, large);
  }
}

TEST(SpoolKill, TwoProcessesPutAtOnce) {
  const test::TemporaryFolder folder;
  ManualClock clock;
  constexpr int kEach = 50;
  pid_t pids[2];
  for (pid_t& pid : pids) {
    pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid != 0) continue;
    SpoolOptions options;
    options.folder = folder.path() / "spool";
    auto spool = Spool::open(options, clock, system_random());
    if (!spool) ::_exit(2);
    for (int i = 0; i < kEach; ++i) {
      if (!(*spool)->put(entry_of("board", "same content"))) ::_exit(3);
    }
    ::_exit(0);
  }
  for (const pid_t pid : pids) {
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(test::open_spool(folder.path() / "spool", clock)->list()->size(), 2U * kEach);
}

TEST(SpoolKill, AFileSizeLimitIsAFullDisk) {
  const test::TemporaryFolder folder;
  ManualClock clock;
  test::open_spool(folder.path() / "spool", clock);
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    auto spool = test::open_spool(folder.path() / "spool", clock);
    const rlimit limit{300'000, 300'000};
    if (!spool || ::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(2);
    // Both ways to the disk: the database's log and a payload file.
    const auto blob = spool->put(entry_of("board", std::string(kInlineBytes + 1, 'b')));
    if (blob || blob.error().code != Errc::disk_full) ::_exit(3);
    const auto row = spool->put(entry_of("board", std::string(400'000, 'r')));
    if (row || row.error().code != Errc::disk_full) {
      std::fprintf(stderr, "%s\n", row ? "stored" : row.error().message().c_str());
      ::_exit(4);
    }
    ::_exit(spool->put(entry_of("board", "small")) ? 0 : 5);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  auto spool = test::open_spool(folder.path() / "spool", clock);
  EXPECT_EQ(spool->list()->size(), 1U);
  EXPECT_TRUE(spool->verify()->damaged.empty());
  EXPECT_TRUE(std::filesystem::is_empty(folder.path() / "spool" / "blobs"));
}

}  // namespace
}  // namespace tml::spool
