// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Cuts the power at every flash operation of every scenario, in five ways, then once more during the recovery.
//
//     powercut [--second-share N] [--chains N] [--seed N] [--only TEXT] [--json]
//
// First order: every operation, every way. Second order: behind one in N of those (1 = all) each of the first 20
// operations of what follows is cut too, in a way drawn from the seed. Chains: so many boards per scenario that lose
// power up to ten times at random. After each cut the board must boot into something authentic that is not below the
// floor, and the same job must bring it to its end. Exit 1 with one line per exception.
#include <sodium.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <random>
#include <string_view>

#include "tests/powercut/board.hpp"

namespace {

using namespace tml::powercut;  // NOLINT: this file is the program

constexpr std::uint64_t kSecondCuts = 20;
constexpr int kMaxCutsOfChain = 10;

struct Options {
  std::uint32_t second_share = 40;
  std::uint32_t chains = 50;
  std::uint32_t seed = 1;
  std::string only;
  bool json = false;
};

struct Tally {
  std::uint64_t operations = 0;
  std::uint64_t points = 0;
  std::uint64_t failures = 0;
};

const char* name_of(Fault::Kind kind) {
  switch (kind) {
    case Fault::Kind::before:
      return "before";
    case Fault::Kind::after:
      return "after";
    case Fault::Kind::torn_prefix:
      return "torn prefix";
    case Fault::Kind::torn_random:
      return "torn bits";
    case Fault::Kind::torn_unstable:
      return "torn, unstable";
    default:
      return "none";
  }
}

class Sweep {
 public:
  Sweep(const Scenario& scenario, const Options& options)
      : scenario_(scenario), options_(options), board_(options.seed) {
    scenario_.prepare(board_);
    start_ = board_.snapshot();
  }

  Tally run() {
    board_.restore(start_, options_.seed);
    board_.boot();
    if (!finish("without a cut")) return tally_;
    tally_.operations = board_.operations();
    std::uint32_t point = 0;
    for (std::uint64_t operation = 0; operation < tally_.operations; ++operation) {
      for (const Fault::Kind kind : tml::fw::flashtest::kPowerCuts) {
        first_cut(operation, kind);
        if (options_.second_share != 0 && point++ % options_.second_share == options_.seed % options_.second_share) {
          second_cuts(operation, kind);
        }
      }
    }
    for (std::uint32_t chain = 0; chain < options_.chains; ++chain) random_chain(chain);
    return tally_;
  }

 private:
  void fail(const std::string& where, const std::string& what) {
    ++tally_.failures;
    if (tally_.failures <= 20) std::printf("FAILED: %s: %s: %s\n", scenario_.name.c_str(), where.c_str(), what.c_str());
  }

  std::uint32_t seed_of(std::uint64_t operation, Fault::Kind kind) const {
    return options_.seed * 2654435761U + static_cast<std::uint32_t>(operation) * 40503U +
           static_cast<std::uint32_t>(kind);
  }

  /// Power is back: boot, look, and let the host do its job again. False after a complaint, or when the power fails
  /// again.
  bool recover(const std::string& where) {
    board_.boot();
    if (!board_.powered()) return false;
    const std::string wrong = scenario_.holds(board_);
    if (!wrong.empty()) {
      fail(where, wrong);
      return false;
    }
    return true;
  }

  bool finish(const std::string& where) {
    const tml::wire::flash::Status status = scenario_.job(board_);
    if (!board_.powered()) return false;
    if (status != tml::wire::flash::Status::ok) {
      fail(where, "the job does not end: " + std::string(tml::wire::flash::name(status)));
      return false;
    }
    board_.boot();
    if (!board_.powered()) return false;
    std::string wrong = scenario_.holds(board_);
    if (wrong.empty()) wrong = scenario_.ended(board_);
    if (!wrong.empty()) fail(where, "at the end: " + wrong);
    return wrong.empty();
  }

  /// From the start up to the cut. False when the job ended before it.
  bool cut_at(std::uint64_t operation, Fault::Kind kind) {
    board_.restore(start_, seed_of(operation, kind));
    board_.plan(operation, kind);
    board_.boot();
    if (board_.powered()) static_cast<void>(scenario_.job(board_));
    if (board_.powered()) board_.boot();
    return !board_.powered();
  }

  void first_cut(std::uint64_t operation, Fault::Kind kind) {
    const std::string where = "operation " + std::to_string(operation) + ", " + name_of(kind);
    ++tally_.points;
    if (!cut_at(operation, kind)) return fail(where, "the power did not fail: the job is not deterministic");
    board_.power_up();
    if (recover(where)) static_cast<void>(finish(where));
  }

  void second_cuts(std::uint64_t operation, Fault::Kind kind) {
    std::mt19937 draw(seed_of(operation, kind));
    if (!cut_at(operation, kind)) return;
    const Snapshot torn = board_.snapshot();
    for (std::uint64_t second = 0; second < kSecondCuts; ++second) {
      const Fault::Kind how = tml::fw::flashtest::kPowerCuts[draw() % tml::fw::flashtest::kPowerCuts.size()];
      const std::string where = "operation " + std::to_string(operation) + ", " + name_of(kind) + ", then " +
                                std::to_string(second) + ", " + name_of(how);
      board_.restore(torn, static_cast<std::uint32_t>(draw()));
      board_.plan(second, how);
      if (recover(where)) {
        if (finish(where)) return;  // the recovery has no more operations
        if (board_.powered()) continue;
      }
      if (board_.powered()) continue;
      ++tally_.points;
      board_.power_up();
      if (recover(where)) static_cast<void>(finish(where));
    }
  }

  void random_chain(std::uint32_t chain) {
    std::mt19937 draw(options_.seed * 7919U + chain);
    board_.restore(start_, static_cast<std::uint32_t>(draw()));
    for (int cut = 0; cut < kMaxCutsOfChain; ++cut) {
      const Fault::Kind how = tml::fw::flashtest::kPowerCuts[draw() % tml::fw::flashtest::kPowerCuts.size()];
      const std::string where = "chain " + std::to_string(chain) + ", cut " + std::to_string(cut);
      board_.plan(draw() % (tally_.operations + 1), how);
      const std::uint64_t failures = tally_.failures;
      if (recover(where) && finish(where)) return;
      if (tally_.failures != failures) return;
      ++tally_.points;
      board_.power_up();
    }
    const std::string where = "chain " + std::to_string(chain) + ", at the end";
    if (recover(where)) static_cast<void>(finish(where));
  }

  const Scenario& scenario_;
  const Options& options_;
  Board board_;
  Snapshot start_{tml::fw::flashtest::NorFlash(0)};
  Tally tally_;
};

bool number(std::string_view text, std::uint32_t& value) {
  return std::from_chars(text.data(), text.data() + text.size(), value).ptr == text.data() + text.size() &&
         !text.empty();
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--json") {
      options.json = true;
      continue;
    }
    if (++i == argc) return false;
    if (flag == "--only") {
      options.only = argv[i];
    } else if (std::uint32_t* const value = flag == "--second-share" ? &options.second_share
                                            : flag == "--chains"     ? &options.chains
                                            : flag == "--seed"       ? &options.seed
                                                                     : nullptr;
               value == nullptr || !number(argv[i], *value)) {
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options) || sodium_init() < 0) {
    std::fprintf(stderr, "powercut [--second-share N] [--chains N] [--seed N] [--only TEXT] [--json]\n");
    return 2;
  }
  Tally total;
  for (const Scenario& scenario : scenarios()) {
    if (scenario.name.find(options.only) == std::string::npos) continue;
    const auto started = std::chrono::steady_clock::now();
    const Tally tally = Sweep(scenario, options).run();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    total.points += tally.points;
    total.failures += tally.failures;
    if (!options.json) {
      std::printf("%-42s %5llu operations %8llu points %5llu failures %7.1f s\n", scenario.name.c_str(),
                  static_cast<unsigned long long>(tally.operations), static_cast<unsigned long long>(tally.points),
                  static_cast<unsigned long long>(tally.failures), seconds);
      std::fflush(stdout);
    }
  }
  if (options.json) {
    std::printf("{\"points\": %llu, \"failures\": %llu}\n", static_cast<unsigned long long>(total.points),
                static_cast<unsigned long long>(total.failures));
  } else {
    std::printf("%llu points, %llu failures\n", static_cast<unsigned long long>(total.points),
                static_cast<unsigned long long>(total.failures));
  }
  return total.failures == 0 && total.points > 0 ? 0 : 1;
}
