// SPDX-License-Identifier: Apache-2.0
// The proof of the account (docs/stream.md): seeded boards of every rate over a line that loses, damages, bursts and
// stalls; bytes cut anywhere; through detector, reader, clock, windows and metadata, compared with what was injected.
//
// TML_LOSS_RUNS sets the runs per property (1,000), TML_LOSS_SEED the first seed. A failing run prints its seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "common/stream/pipeline.hpp"
#include "tests/support/arrival_model.hpp"
#include "tests/unit/stream/stream_bytes.hpp"

namespace tml::stream {
namespace {

using ::tml::test::Arrival;
using ::tml::test::ArrivalModel;
using ::tml::test::simulate;

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}
std::uint64_t first_seed() { return setting("TML_LOSS_SEED", 0); }
std::uint64_t end_seed(std::uint64_t runs = 1000) { return first_seed() + setting("TML_LOSS_RUNS", runs); }

std::uint64_t below(SeededRandom& random, std::uint64_t n) { return random.next_u64() % n; }
bool chance(SeededRandom& random, double p) { return random.next_unit() < p; }
double log_uniform(SeededRandom& random, double low, double high) {
  return low * std::pow(high / low, random.next_unit());
}

/// Bytes that reach the host at one moment, as one or more reads.
struct Delivery {
  Time at{0};
  test::Blob bytes;
};

/// What the line carried and what became of each reading; `missing` counts from the first reading that counts.
struct Injected {
  std::vector<Delivery> deliveries;
  std::uint64_t expected = 0;
  std::set<std::uint64_t> missing;
  std::uint64_t board_drops = 0;
  std::uint64_t base = 0;  ///< True index of the account's reading 0.
};

struct Outcome {
  Account total;
  std::vector<Reading> readings;
  std::vector<Gap> gaps;
  std::uint64_t rate_changes = 0;
  std::uint64_t reboots = 0;
  std::uint64_t window_received = 0;
  std::uint64_t window_missing = 0;
  std::uint64_t windows_end = 0;
  std::set<std::uint64_t> window_positions;  ///< As the metadata of the windows name them.
  std::set<std::uint64_t> between_windows;
  std::vector<std::string> problems;
};

std::set<std::uint64_t> positions_of(const std::map<std::string, std::string>& metadata) {
  std::set<std::uint64_t> out;
  const auto found = metadata.find("missing_positions");
  if (found == metadata.end()) return out;
  std::istringstream text(found->second);
  std::string part;
  while (std::getline(text, part, ',')) {
    unsigned long long first = 0;
    unsigned long long last = 0;
    const int fields = std::sscanf(part.c_str(), "%llu-%llu", &first, &last);
    if (fields == 1) last = first;
    for (unsigned long long i = first; i <= last; ++i) out.insert(i);
  }
  return out;
}

void take_windows(const Pipeline& pipeline, WindowCutter& cutter, Outcome& out) {
  while (auto window = cutter.take()) {
    const Account account = pipeline.account(*window, GapPolicy::keep);
    const auto strings = metadata(account);
    if (!account.consistent()) out.problems.push_back("window at " + std::to_string(window->first) + " inconsistent");
    // A hole longer than a window leaves whole windows out.
    for (; out.windows_end < window->first; ++out.windows_end) out.between_windows.insert(out.windows_end);
    const auto named = positions_of(strings);
    const bool all_named =
        strings.count("missing_positions") == 0 || strings.at("missing_positions").find("more") == std::string::npos;
    if (all_named && named.size() != account.missing)
      out.problems.push_back("window at " + std::to_string(window->first) + " names other positions than it counts");
    out.window_received += account.received;
    out.window_missing += account.missing;
    for (const std::uint64_t place : named) out.window_positions.insert(window->first + place);
    out.windows_end = window->first + window->length;
  }
}

/// The way a forwarder goes: pieces of bytes, readings, windows back to back, their accounts.
Outcome observe(const Injected& line, SeededRandom& random, PipelineSettings settings = {}) {
  Pipeline pipeline(settings);
  CutSettings cut;
  cut.mode = CutSettings::Mode::continuous;
  cut.length = 20 + below(random, 80);
  cut.max_ready = 1000;
  auto cutter = WindowCutter::create(cut);
  Outcome out;
  const auto sink = [&](const StreamEvent& event) {
    if (event.kind == StreamEvent::Kind::reading) {
      out.readings.push_back(event.reading);
      cutter->push(event.reading);
      take_windows(pipeline, *cutter, out);
    }
    if (event.kind == StreamEvent::Kind::gap) out.gaps.push_back(event.gap);
    if (event.kind == StreamEvent::Kind::rate_change) ++out.rate_changes;
    if (event.kind == StreamEvent::Kind::reboot) ++out.reboots;
  };
  for (const Delivery& delivery : line.deliveries) {
    std::span<const std::byte> rest(delivery.bytes);
    while (!rest.empty()) {
      const std::size_t size = chance(random, 0.8) ? rest.size() : 1 + below(random, rest.size());
      pipeline.push(rest.first(size), delivery.at, sink);
      rest = rest.subspan(size);
    }
  }
  pipeline.finish(sink);
  cutter->finish();
  take_windows(pipeline, *cutter, out);
  out.total = pipeline.total();
  return out;
}

/// Joins what arrives at one moment; now and then the beginning of the next piece comes along early, since a bridge
/// knows no lines.
class Wire {
 public:
  explicit Wire(SeededRandom& random) : random_(random) {}
  void send(Time at, test::Blob bytes) {
    if (deliveries_.empty() || deliveries_.back().at != at) {
      if (!deliveries_.empty() && bytes.size() > 1 && chance(random_, 0.3)) {
        const auto early = static_cast<std::ptrdiff_t>(1 + below(random_, bytes.size() - 1));
        auto& before = deliveries_.back().bytes;
        before.insert(before.end(), bytes.begin(), bytes.begin() + early);
        bytes.erase(bytes.begin(), bytes.begin() + early);
      }
      deliveries_.push_back({at, {}});
    }
    auto& now = deliveries_.back().bytes;
    now.insert(now.end(), bytes.begin(), bytes.end());
  }
  std::vector<Delivery> take() { return std::move(deliveries_); }

 private:
  SeededRandom& random_;
  std::vector<Delivery> deliveries_;
};

std::set<std::uint64_t> choose_lost(SeededRandom& random, std::uint64_t from, std::uint64_t to, std::uint64_t events,
                                    std::uint64_t longest) {
  std::set<std::uint64_t> lost;
  for (std::uint64_t e = 0; e < events; ++e) {
    const std::uint64_t at = from + below(random, to - from);
    const std::uint64_t count = 1 + below(random, longest);
    for (std::uint64_t k = 0; k < count && at + k < to; ++k) lost.insert(at + k);
  }
  return lost;
}

std::string describe(const Outcome& out, const Injected& line) {
  std::string text = "injected " + std::to_string(line.missing.size()) + " of " + std::to_string(line.expected) +
                     ", reported " + std::to_string(out.total.missing) + " of " + std::to_string(out.total.expected) +
                     " (" + std::to_string(out.total.unresolved) + " unresolved, at most " +
                     std::to_string(out.total.unresolved_bound) + "), rate changes " +
                     std::to_string(out.rate_changes) + ", stalls " + std::to_string(out.total.stalls) + "\n injected:";
  for (const std::uint64_t place : line.missing) text += " " + std::to_string(place);
  text += "\n reported:";
  for (const Gap& gap : out.gaps) {
    text += " " + std::to_string(gap.first);
    if (gap.count > 1) text += "+" + std::to_string(gap.count);
    text += gap.kind == GapKind::bad_line ? "b" : "";
    if (!gap.resolved) text += "?from" + std::to_string(gap.earliest);
  }
  for (const std::string& problem : out.problems) text += "\n " + problem;
  return text;
}

// --- Frames
// -------------------------------------------------------------------------------------------------------------------------

/// Damages a frame so that no CRC lets it pass; true when its end is gone too, so that it swallows the next one. Not in
/// the CRC: a frame cut right before it is a whole frame that has none.
bool damage_frame(SeededRandom& random, test::Blob& bytes) {
  const auto at = static_cast<std::ptrdiff_t>(1 + below(random, bytes.size() - 8));
  switch (below(random, 5)) {
    case 0:
      bytes[static_cast<std::size_t>(at)] ^= static_cast<std::byte>(1U << below(random, 8));
      return false;
    case 1:
      bytes.erase(bytes.begin() + at);
      return false;
    case 2:
      bytes.insert(bytes.begin() + at, bytes[static_cast<std::size_t>(at)] ^ std::byte{0x5A});
      return false;
    case 3:  // A burst of zeros, as a line that was low.
      std::fill(bytes.begin() + at, bytes.end(), std::byte{0});
      return false;
    default:
      bytes.resize(static_cast<std::size_t>(at));
      return true;
  }
}

Injected frames_of(SeededRandom& random, std::uint64_t seed, double& rate_hz) {
  rate_hz = log_uniform(random, 0.1, 20'000);
  std::uint64_t batch = 1;
  if (rate_hz > 400 || chance(random, 0.2)) batch = 1 + below(random, 100);
  ArrivalModel model;
  model.rate_hz = rate_hz / static_cast<double>(batch);
  model.readings = 100 + below(random, 300);
  model.lost = choose_lost(random, 0, model.readings, below(random, 10), 1 + below(random, 20));
  model.damaged_share = chance(random, 0.2) ? 0 : 0.03 * random.next_unit();
  model.drift_ppm_per_s = random.next_unit();
  model.burst_s = chance(random, 0.7) ? 0.016 : 0.001;
  if (chance(random, 0.7)) model.stall_at_s = random.next_unit() * static_cast<double>(model.readings) / model.rate_hz;
  const auto arrivals = simulate(model, seed);

  const std::uint32_t start = chance(random, 0.5) ? static_cast<std::uint32_t>(random.next_u64())
                                                  : 0U - static_cast<std::uint32_t>(below(random, 200));
  wire::SessionInfo info = test::info(static_cast<std::uint32_t>(random.next_u64()));
  std::vector<std::byte> data(batch * 2 * sizeof(std::int16_t));
  Wire line(random);
  std::set<std::uint64_t> arrived;  // True indices.
  std::optional<std::uint32_t> first_dr;
  std::uint32_t last_dr = 0;
  bool swallowed = false;
  for (const Arrival& arrival : arrivals) {
    if (arrival.index == 0 || chance(random, 0.03)) {
      if (chance(random, 0.3)) info.dropped += static_cast<std::uint32_t>(below(random, 20));
      auto bytes = test::frame(info);
      bool gone = swallowed;
      swallowed = false;
      if (chance(random, model.damaged_share)) {
        swallowed = damage_frame(random, bytes);
        gone = true;
      }
      if (!gone) {
        if (!first_dr) first_dr = info.dropped;
        last_dr = info.dropped;
      }
      line.send(arrival.at, std::move(bytes));
    }
    const std::uint64_t first = arrival.index * batch;
    const auto seq = static_cast<std::uint32_t>(start + first);
    test::Blob bytes;
    if (batch == 1) {
      bytes = test::frame(test::reading(seq, static_cast<double>(first % 100'000)));
    } else {
      wire::SensorBatch items;
      items.seq = seq;
      items.period_us = static_cast<std::uint32_t>(std::lround(1e6 / rate_hz));
      items.count = static_cast<std::uint16_t>(batch);
      items.channels = 2;
      for (std::uint64_t i = 0; i < batch; ++i) {
        const auto value = static_cast<std::uint16_t>((first + i) % 30'000);
        data[i * 4] = static_cast<std::byte>(value & 0xFFU);
        data[i * 4 + 1] = static_cast<std::byte>(value >> 8U);
      }
      items.data = data;
      bytes = test::frame(items);
    }
    bool gone = swallowed;
    swallowed = false;
    if (arrival.damaged) {
      swallowed = damage_frame(random, bytes);
      gone = true;
    }
    if (!gone) {
      for (std::uint64_t i = 0; i < batch; ++i) arrived.insert(first + i);
    }
    line.send(arrival.at, std::move(bytes));
  }
  Injected out;
  out.deliveries = line.take();
  if (first_dr) out.board_drops = last_dr - *first_dr;
  if (arrived.empty()) return out;
  // What was lost before the first and after the last that arrived, nobody can know.
  out.base = *arrived.begin();
  out.expected = *arrived.rbegin() + 1 - out.base;
  for (std::uint64_t i = out.base; i <= *arrived.rbegin(); ++i) {
    if (!arrived.contains(i)) out.missing.insert(i - out.base);
  }
  return out;
}

TEST(LossAccounting, FramesExactCountAndPlace) {
  for (std::uint64_t seed = first_seed(); seed < end_seed(); ++seed) {
    SeededRandom random(seed ^ 0xF4A3E5);
    double rate_hz = 0;
    const Injected line = frames_of(random, seed, rate_hz);
    Outcome out = observe(line, random);
    const bool batches = rate_hz > 400;
    SCOPED_TRACE("seed " + std::to_string(seed) + ", " + std::to_string(rate_hz) + " Hz: " + describe(out, line));
    ASSERT_TRUE(out.problems.empty());
    ASSERT_TRUE(out.total.consistent());
    ASSERT_EQ(out.total.expected, line.expected);
    ASSERT_EQ(out.total.missing, line.missing.size());
    ASSERT_EQ(out.total.unresolved, 0U);
    ASSERT_EQ(out.total.unresolved_bound, 0U);
    ASSERT_EQ(out.total.board_drops, line.board_drops);
    ASSERT_EQ(out.reboots, 0U);
    std::set<std::uint64_t> reported;
    for (const Gap& gap : out.gaps) {
      for (std::uint64_t i = 0; i < gap.count; ++i) reported.insert(gap.first + i);
    }
    ASSERT_EQ(reported, line.missing);
    ASSERT_EQ(out.readings.size(), line.expected - line.missing.size());
    for (const Reading& r : out.readings) {
      const std::uint64_t truth = r.index + line.base;
      const double value = r.values.data[0];
      ASSERT_TRUE(value == static_cast<double>(truth % 100'000) || value == static_cast<double>(truth % 30'000))
          << truth << (batches ? " in batches" : "");
    }
    ASSERT_EQ(out.window_received, out.readings.size());
    ASSERT_EQ(out.window_missing + out.between_windows.size(), line.missing.size());
    out.window_positions.merge(out.between_windows);
    ASSERT_EQ(out.window_positions, line.missing);
  }
}

// --- Text
// -------------------------------------------------------------------------------------------------------------------------

/// A line that is spoilt in a way that shows, its LF intact.
std::string damage_line(SeededRandom& random, std::string text) {
  const auto comma = text.find(',');
  switch (below(random, 5)) {
    case 0:
      text.insert(below(random, text.size()), 1, static_cast<char>(1 + below(random, 8)));
      return text;
    case 1:
      text[comma] = static_cast<char>(0x80 + below(random, 0x70));
      return text;
    case 2:  // A byte is lost: two fields become one.
      text.erase(comma, 1);
      return text;
    case 3:  // The rest of the line is lost.
      return text.substr(0, comma);
    default:
      text.insert(comma + 1, "x");
      return text;
  }
}

struct TextCase {
  ArrivalModel model;
  bool midway = false;
  double banners = 0;
};

Injected text_of(SeededRandom& random, std::uint64_t seed, const TextCase& what) {
  const auto arrivals = simulate(what.model, seed);
  Wire line(random);
  Injected out;
  std::set<std::uint64_t> readable;
  std::uint64_t last = 0;
  for (const Arrival& arrival : arrivals) {
    char text[96];
    std::snprintf(text, sizeof text, "%llu,%.3f,%.2f,-7", static_cast<unsigned long long>(arrival.index),
                  static_cast<double>(arrival.index) * 0.25, 10 * std::sin(static_cast<double>(arrival.index) * 0.1));
    std::string bytes = text;
    // The first readings stay whole: a damaged line before any reading is a banner to a reader.
    const bool damaged = arrival.damaged && arrival.index > 2;
    if (damaged) bytes = damage_line(random, bytes);
    if (arrival.index == 0 && what.midway) bytes = bytes.substr(bytes.size() / 2);
    if (arrival.index > 10 && chance(random, what.banners)) bytes.insert(0, "# still alive\n");
    bytes += chance(random, 0.5) ? "\r\n" : "\n";
    const auto view = wire::as_bytes(std::string_view(bytes));
    line.send(arrival.at, test::Blob(view.begin(), view.end()));
    if (!damaged) readable.insert(arrival.index);
    last = arrival.index;
  }
  out.deliveries = line.take();
  out.base = what.midway ? 1 : 0;
  out.expected = last + 1 - out.base;
  for (std::uint64_t i = out.base; i <= last; ++i) {
    if (!readable.contains(i)) out.missing.insert(i - out.base);
  }
  return out;
}

/// After max(5 s, 50 readings) the rate is to be within 0.1 %.
bool rate_is_off(const Outcome& out, const ArrivalModel& model, const Injected& line) {
  const auto readings = static_cast<double>(model.readings);
  if (readings < 51 || readings / model.rate_hz < 5.1) return false;
  const double off = std::fabs(out.total.rate_hz / model.rate_hz - 1);
  if (off > 0.001) {
    std::printf("rate %.4f Hz fitted as %.4f Hz, error told %.4f %%, jitter %.1f ms, %s\n", model.rate_hz,
                out.total.rate_hz, out.total.rate_error * 100, out.total.jitter_s * 1e3, describe(out, line).c_str());
  }
  return off > 0.001;
}

/// Rates at which the interval exceeds twice the jitter: behind an FTDI bridge, or on native USB.
TextCase resolvable_case(SeededRandom& random) {
  TextCase what;
  const bool native = chance(random, 0.25);
  what.model.burst_s = native ? 0.001 : 0.016;
  what.model.rate_hz = log_uniform(random, 0.1, native ? 100 : 28);
  what.model.readings = 120 + below(random, 180);
  // What the end of a stream hides nobody can know: two late lines are needed to tell a loss there.
  what.model.lost = choose_lost(random, 3, what.model.readings - 20, below(random, 7), 4);
  what.model.damaged_share = chance(random, 0.2) ? 0 : 0.03 * random.next_unit();
  what.model.drift_ppm_per_s = 0.1 * random.next_unit();
  if (chance(random, 0.5)) {
    what.model.stall_at_s = random.next_unit() * static_cast<double>(what.model.readings) / what.model.rate_hz;
  }
  what.midway = chance(random, 0.5);
  what.banners = chance(random, 0.3) ? 0.02 : 0;
  return what;
}

TEST(LossAccounting, TextCountsExactlyWhereTheIntervalExceedsTwiceTheJitter) {
  std::uint64_t placed = 0;
  std::uint64_t runs = 0;
  std::uint64_t lost_while_learning = 0;
  std::uint64_t learnt_wrong = 0;
  std::uint64_t misplaced_runs = 0;
  std::uint64_t rate_off = 0;
  for (std::uint64_t seed = first_seed(); seed < end_seed(); ++seed, ++runs) {
    SeededRandom random(seed ^ 0x7E87);
    const TextCase what = resolvable_case(random);
    const Injected line = text_of(random, seed, what);
    const Outcome out = observe(line, random, {StreamKind::unknown, what.midway});
    SCOPED_TRACE("seed " + std::to_string(seed) + ", " + std::to_string(what.model.rate_hz) + " Hz, bursts " +
                 std::to_string(what.model.burst_s) + " s, stall at " +
                 std::to_string(what.model.stall_at_s.value_or(-1) * what.model.rate_hz) +
                 " readings: " + describe(out, line));
    EXPECT_TRUE(out.problems.empty());
    EXPECT_TRUE(out.total.consistent());
    EXPECT_EQ(out.window_received, out.readings.size());
    // Losses while the clock is learnt are found from the phase of few arrivals, which a stall or bursts of nearly half
    // the interval can spoil.
    const auto learning = std::max<std::uint64_t>(10, static_cast<std::uint64_t>(1.2 * what.model.rate_hz));
    const bool exact = out.total.missing == line.missing.size() && out.total.expected == line.expected;
    if (!what.model.lost.empty() && *what.model.lost.begin() < learning) {
      ++lost_while_learning;
      if (!exact) {
        ++learnt_wrong;
        continue;
      }
    }
    EXPECT_EQ(out.rate_changes, 0U);
    EXPECT_TRUE(exact);
    rate_off += rate_is_off(out, what.model, line) ? 1 : 0;
    // Places are exact wherever the account does not mark them.
    std::uint64_t misplaced = 0;
    for (const Reading& r : out.readings) {
      bool marked = false;
      for (const Gap& gap : out.gaps)
        marked = marked || (!gap.resolved && r.index >= gap.earliest && r.index < gap.first);
      const bool right = r.values.data[0] == static_cast<double>(r.index + line.base);
      if (!marked && !right) ++misplaced;
    }
    if (misplaced > 0) {
      ++misplaced_runs;
      std::printf("seed %llu: %llu readings at a wrong place\n", static_cast<unsigned long long>(seed),
                  static_cast<unsigned long long>(misplaced));
    }
    placed += misplaced == 0 && out.total.unresolved == 0 ? 1 : 0;
  }
  std::printf(
      "text: %llu of %llu runs without a marked place; %llu lost lines in the first second, %llu of those counted "
      "wrong\n",
      static_cast<unsigned long long>(placed), static_cast<unsigned long long>(runs),
      static_cast<unsigned long long>(lost_while_learning), static_cast<unsigned long long>(learnt_wrong));
  EXPECT_LE(learnt_wrong * 20, lost_while_learning);
  std::printf("text: %llu rates off by more than 0.1 %%\n", static_cast<unsigned long long>(rate_off));
  EXPECT_LE(rate_off * 200, runs);
  // A loss beside a stall may stand a few places off; its count is exact all the same.
  EXPECT_LE(misplaced_runs * 250, runs);
}

TEST(LossAccounting, TextInBurstsStaysWithinItsBound) {
  std::uint64_t within_one = 0;
  std::uint64_t changed = 0;
  std::uint64_t above_bound = 0;
  std::uint64_t rate_off = 0;
  std::uint64_t runs = 0;
  for (std::uint64_t seed = first_seed(); seed < end_seed(); ++seed, ++runs) {
    SeededRandom random(seed ^ 0xB0515);
    TextCase what;
    what.model.rate_hz = log_uniform(random, 34, 1500);
    what.model.readings = static_cast<std::uint64_t>(what.model.rate_hz * (6 + 6 * random.next_unit()));
    const std::uint64_t longest = 1 + below(random, 40);
    if (chance(random, 0.7)) {
      const std::uint64_t at = what.model.readings / 4 + below(random, what.model.readings / 2);
      const std::uint64_t count = 1 + below(random, longest);
      for (std::uint64_t k = 0; k < count; ++k) what.model.lost.insert(at + k);
    }
    what.model.damaged_share = chance(random, 0.3) ? 0 : 0.01 * random.next_unit();
    what.model.drift_ppm_per_s = 0.1 * random.next_unit();
    if (chance(random, 0.5)) {
      what.model.stall_at_s = random.next_unit() * static_cast<double>(what.model.readings) / what.model.rate_hz;
    }
    what.midway = chance(random, 0.5);
    const Injected line = text_of(random, seed, what);
    const Outcome out = observe(line, random, {StreamKind::unknown, what.midway});
    // Near a multiple of the timer's rate, the wrap of the beat looks like a lost line (docs/stream.md, "Downsides").
    const double periods = what.model.rate_hz * what.model.burst_s;
    const bool beats = std::fabs(periods / std::max(1.0, std::round(periods)) - 1) < 0.025;
    SCOPED_TRACE("seed " + std::to_string(seed) + ", " + std::to_string(what.model.rate_hz) + " Hz, stall at " +
                 std::to_string(what.model.stall_at_s.value_or(-1) * what.model.rate_hz) +
                 " readings: " + describe(out, line));
    EXPECT_TRUE(out.problems.empty());
    EXPECT_TRUE(out.total.consistent());
    changed += out.rate_changes > 0 ? 1 : 0;
    const std::uint64_t most = out.total.missing - out.total.unresolved + out.total.unresolved_bound;
    if (line.missing.size() > most) {
      ++above_bound;
      std::printf("seed %llu: above the bound: %s\n", static_cast<unsigned long long>(seed),
                  describe(out, line).c_str());
    }
    if (!beats) EXPECT_LE(out.total.missing, line.missing.size() + 1);
    EXPECT_EQ(out.window_received, out.readings.size());
    const std::uint64_t off = std::max<std::uint64_t>(out.total.missing, line.missing.size()) -
                              std::min<std::uint64_t>(out.total.missing, line.missing.size());
    within_one += off <= 1 ? 1 : 0;
    rate_off += !beats && rate_is_off(out, what.model, line) ? 1 : 0;
  }
  std::printf("text in bursts: %llu of %llu runs within one reading, %llu with a loss taken for another rate\n",
              static_cast<unsigned long long>(within_one), static_cast<unsigned long long>(runs),
              static_cast<unsigned long long>(changed));
  std::printf("text in bursts: %llu rates off by more than 0.1 %%\n", static_cast<unsigned long long>(rate_off));
  EXPECT_LE(rate_off * 60, runs);
  EXPECT_LE(above_bound * 1000, runs);
  EXPECT_LE(changed * 200, runs);
  EXPECT_GE(within_one * 100, runs * 96);
}

}  // namespace
}  // namespace tml::stream
