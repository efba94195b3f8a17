// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Boards that stream from power-up, on a clock that is set by hand and a real pty.
#include "firmware/boards/native/stream_profile.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "common/base/file.hpp"
#include "firmware/boards/native/board_hal.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/board_native/host_port.hpp"

namespace tml::fw::native {
namespace {

using namespace std::chrono_literals;
using test::HostPort;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// Reading k of axis a is k + a / 4.
class CountingRows final : public SensorSource {
 public:
  bool begin(std::string_view, double) override {
    next_ = 0;
    return true;
  }
  void next(std::span<float> row) override {
    for (std::size_t a = 0; a < row.size(); ++a) row[a] = static_cast<float>(next_) + static_cast<float>(a) * 0.25F;
    ++next_;
  }
  std::string description() const override { return "counting"; }

 private:
  int next_ = 0;
};

class StreamProfileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto pty = Pty::open();
    ASSERT_TRUE(pty) << pty.error().message();
    path_ = pty->slave_path();
    uart_ = std::make_unique<PtyUart>(0, FaultPlan{}, 1, clock_, watch_);
    uart_->plug(std::move(*pty));
    clock_.advance(1s);
  }
  void make(StreamOptions options, const std::string& faults = {}, bool alone = true, std::uint64_t seed = 1) {
    sensor_ = std::make_unique<VirtualSensor>(options.sensor, std::make_unique<CountingRows>(), board_clock_,
                                              VirtualSensor::Label{});
    const ReadingFaults plan = faults.empty() ? ReadingFaults{} : parse_fault_spec(faults)->readings;
    options.truth = folder_.path() / "truth";
    ASSERT_TRUE(StreamProfile::prepare(options));
    profile_ = std::make_unique<StreamProfile>(
        options, plan, seed,
        StreamProfile::Wiring{
            .board = 0, .alone = alone, .sensor = *sensor_, .clock = board_clock_, .uart = *uart_, .events = events_});
    profile_->power_up(clock_.steady());
  }
  void open_host() {
    host_ = std::make_unique<HostPort>(path_);
    watch_.update();
    uart_->service(clock_.steady());
  }
  // Runs the board as its loop does; what the host reads is added to heard_.
  void run(std::chrono::nanoseconds time, bool reading = true) {
    for (const auto end = clock_.steady() + time; clock_.steady() < end;) {
      uart_->service(clock_.steady());
      const auto due = profile_->poll(clock_.steady());
      ++wakes_;
      if (reading) hear();
      clock_.advance(std::clamp(due - clock_.steady(), std::chrono::nanoseconds(100us), std::chrono::nanoseconds(5ms)));
    }
    uart_->service(clock_.steady());
    profile_->poll(clock_.steady());
    if (reading) hear();
  }
  void hear() {
    // Without a model what was written is there, or on its way through the kernel.
    while (heard_.size() < uart_->counters().tx_bytes - uart_->counters().tx_unheard - pending()) {
      const std::string more = host_->read(1);
      if (more.empty()) break;
      heard_ += more;
      char buffer[4096];
      const ssize_t got = ::read(host_->fd(), buffer, sizeof buffer);
      if (got > 0) heard_.append(buffer, static_cast<std::size_t>(got));
      uart_->service(clock_.steady());
    }
  }
  // Off the wire by the account, waiting for the pty.
  [[nodiscard]] std::size_t pending() const { return (uart_->poll_events() & POLLOUT) != 0 ? 8192 : 0; }
  [[nodiscard]] nlohmann::json truth() {
    profile_->end_session();
    return nlohmann::json::parse(*read_file(folder_.path() / "truth", 1 << 20));
  }
  [[nodiscard]] std::vector<std::string> lines() const {
    std::vector<std::string> out;
    for (std::size_t at = 0, end = 0; (end = heard_.find("\r\n", at)) != std::string::npos; at = end + 2)
      out.push_back(heard_.substr(at, end - at));
    return out;
  }

  ManualClock clock_;
  BoardClock board_clock_{clock_, 1};
  OpenWatch watch_;
  tml::test::TempDir folder_;
  Events events_{-1, Events::Form::json, false};
  std::unique_ptr<PtyUart> uart_;
  std::unique_ptr<VirtualSensor> sensor_;
  std::unique_ptr<StreamProfile> profile_;
  std::unique_ptr<HostPort> host_;
  std::string path_;
  std::string heard_;
  int wakes_ = 0;
};

TEST_F(StreamProfileTest, ASketchPrintsBannerHeaderAndReadingsAtItsRate) {
  open_host();
  make({.hz = 100, .banner = {"Sketch", "v2"}});
  run(1001ms);
  const auto printed = lines();
  ASSERT_EQ(printed.size(), 103U);
  EXPECT_EQ(printed[0], "Sketch");
  EXPECT_EQ(printed[1], "v2");
  EXPECT_EQ(printed[2], "accX,accY,accZ");
  EXPECT_EQ(printed[3], "0,0.25,0.5");
  EXPECT_EQ(printed[102], "99,99.25,99.5");
}

TEST_F(StreamProfileTest, ItIgnoresWhatIsTypedAndCanLeaveTheHeaderOut) {
  open_host();
  make({.hz = 100, .header = false});
  host_->write("AT+CONFIG?\rb\r");
  run(100ms);
  ASSERT_FALSE(lines().empty());
  EXPECT_EQ(lines()[0], "0,0.25,0.5");
  EXPECT_EQ(heard_.find("AT"), std::string::npos);
}

TEST_F(StreamProfileTest, TheHighestRateIsTheDefault) {
  open_host();
  make({});
  run(1s);
  EXPECT_NEAR(static_cast<double>(lines().size()), 104, 2);
}

TEST_F(StreamProfileTest, ALimitEndsTheStreamExactly) {
  open_host();
  make({.hz = 1000, .limit = 77});
  run(1s);
  EXPECT_EQ(lines().size(), 78U);
  EXPECT_EQ(lines().back(), "76,76.25,76.5");
  EXPECT_EQ(profile_->poll(clock_.steady()), StreamProfile::kNever);
  const auto account = truth();
  EXPECT_EQ(account["taken"], 77);
  EXPECT_EQ(account["sent"], 77);
}

TEST_F(StreamProfileTest, WhatTheFaultsDoIsWrittenDown) {
  open_host();
  make({.hz = 1000, .header = false, .limit = 2000}, "lose-line=0.05,bad-line=0.05,stall=0.002:30ms");
  run(4s);
  const auto account = truth();
  std::set<int> lost;
  std::set<int> damaged;
  for (const auto& range : account["lost"]["ranges"])
    for (int i = range[0]; i <= range[1]; ++i) lost.insert(i);
  for (const auto& range : account["damaged"]["ranges"])
    for (int i = range[0]; i <= range[1]; ++i) damaged.insert(i);
  EXPECT_GT(lost.size(), 50U);
  EXPECT_GT(damaged.size(), 50U);
  EXPECT_GT(account["stalls"]["count"], 0);
  EXPECT_EQ(account["lost"]["readings"], lost.size());
  EXPECT_EQ(account["sent"], 2000 - lost.size() - damaged.size());
  const auto printed = lines();
  std::size_t at = 0;
  for (int i = 0; i < 2000; ++i) {
    if (lost.count(i) > 0) continue;
    ASSERT_LT(at, printed.size());
    const std::string number = std::to_string(i);
    const std::string whole = number + "," + number + ".25," + number + ".5";
    EXPECT_EQ(printed[at] == whole, damaged.count(i) == 0) << i;
    EXPECT_EQ(printed[at].size(), whole.size());
    ++at;
  }
  EXPECT_EQ(at, printed.size());
}

TEST_F(StreamProfileTest, AStallPausesTheOutputAndNotTheSampling) {
  open_host();
  make({.hz = 100, .header = false}, "stall=1:95ms");
  run(105ms);
  const std::size_t first = lines().size();
  run(100ms);
  EXPECT_LE(first, 3U);
  EXPECT_LE(lines().size(), first + 2);
  EXPECT_GT(profile_->session().stall_count, 0U);
}

TEST_F(StreamProfileTest, WhatAHostDoesNotReadIsDroppedWholeAndOldestFirst) {
  open_host();
  make({.hz = 2000, .form = app::StreamForm::text, .header = false, .limit = 8000});
  run(3s, false);
  run(2s, true);
  const auto account = truth();
  EXPECT_EQ(account["taken"], 8000);
  EXPECT_GT(account["dropped"]["readings"], 1000);
  EXPECT_EQ(account["sent"].get<int>() + account["dropped"]["readings"].get<int>(), 8000);
  EXPECT_EQ(lines().size(), account["sent"].get<std::size_t>());
  ASSERT_EQ(account["dropped"]["ranges"].size(), 1U);
  const int first = account["dropped"]["ranges"][0][0];
  const int last = account["dropped"]["ranges"][0][1];
  EXPECT_THAT(lines()[static_cast<std::size_t>(first) - 1], StartsWith(std::to_string(first - 1) + ","));
  EXPECT_THAT(lines()[static_cast<std::size_t>(first)], StartsWith(std::to_string(last + 1) + ","));
}

TEST_F(StreamProfileTest, ABoardThatIsResetByItsHostBeginsWhenOneComes) {
  make({.hz = 100, .reset_on_open = 50ms});
  EXPECT_EQ(profile_->poll(clock_.steady()), StreamProfile::kNever);
  open_host();
  EXPECT_TRUE(profile_->host_came());
  EXPECT_EQ(profile_->poll(clock_.steady()), clock_.steady() + 50ms);
  run(200ms);
  EXPECT_THAT(heard_, StartsWith("accX,accY,accZ\r\n0,0.25,0.5\r\n"));
  const std::uint32_t sid = profile_->session().sid;
  host_.reset();
  watch_.update();
  uart_->service(clock_.steady());
  heard_.clear();
  open_host();
  EXPECT_TRUE(profile_->host_came());
  profile_->poll(clock_.steady());
  const std::uint64_t unheard = uart_->counters().tx_bytes;
  clock_.advance(60ms);
  profile_->poll(clock_.steady());
  EXPECT_NE(profile_->session().sid, sid);
  EXPECT_EQ(host_->read(static_cast<std::size_t>(uart_->counters().tx_bytes - unheard)), "accX,accY,accZ\r\n");
}

TEST_F(StreamProfileTest, ManyBoardsWakeUpTogetherAndFastReadingsAreGathered) {
  open_host();
  make({.hz = 200}, {}, false);
  run(100ms);
  for (int i = 0; i < 20; ++i) {
    const auto due = profile_->poll(clock_.steady());
    EXPECT_EQ(due % 2ms, 0ns);
    clock_.advance(due - clock_.steady());
  }
  make({.hz = 20'000});
  wakes_ = 0;
  run(1s);
  EXPECT_LE(wakes_, 1100);
  EXPECT_GE(profile_->session().sent, 19'900U);
}

TEST_F(StreamProfileTest, EachBoardHasFaultsOfItsOwn) {
  std::vector<std::uint64_t> losses;
  for (const std::uint64_t seed : {1U, 2U, 1U}) {
    make({.hz = 1000, .limit = 500}, "lose-line=0.2", true, seed);
    profile_->power_up(clock_.steady());
    for (int i = 0; i < 700; ++i) {
      profile_->poll(clock_.steady());
      uart_->service(clock_.steady());
      clock_.advance(1ms);
    }
    losses.push_back(profile_->session().lost.ranges()[3].first * 1000 + profile_->session().lost.readings());
  }
  EXPECT_EQ(losses[0], losses[2]);
  EXPECT_NE(losses[0], losses[1]);
}

TEST(IndexRanges, NeighboursAreMergedAndTheListIsBounded) {
  IndexRanges ranges;
  ranges.add(3, 2);
  ranges.add(5, 1);
  ranges.add(9, 1);
  ranges.add(10, 0);
  ASSERT_EQ(ranges.ranges().size(), 2U);
  EXPECT_EQ(ranges.ranges()[0].first, 3U);
  EXPECT_EQ(ranges.ranges()[0].last, 5U);
  EXPECT_EQ(ranges.readings(), 4U);
  for (std::uint64_t i = 0; i < IndexRanges::kMaxRanges; ++i) ranges.add(20 + 2 * i, 1);
  EXPECT_EQ(ranges.ranges().size(), IndexRanges::kMaxRanges);
  EXPECT_FALSE(ranges.complete());
  EXPECT_EQ(ranges.readings(), 4 + IndexRanges::kMaxRanges);
}

TEST(StreamSpec, SensorRateAndForm) {
  StreamOptions options;
  ASSERT_TRUE(parse_stream_spec("inertial,3000,batch", Profile::frames, options));
  EXPECT_EQ(options.sensor, SensorKind::inertial);
  EXPECT_DOUBLE_EQ(options.hz, 3000);
  EXPECT_EQ(options.form, app::StreamForm::batch);
  options = {};
  ASSERT_TRUE(parse_stream_spec("microphone", Profile::csv, options));
  EXPECT_EQ(options.sensor, SensorKind::microphone);
  EXPECT_DOUBLE_EQ(options.hz, 0);
  for (const char* const bad : {"", "nose", "inertial,", "inertial,0", "inertial,20001", "inertial,nan",
                                "inertial,100,frames,1", "inertial,100,text", "inertial,100,", "inertial,1e1x"}) {
    const auto read = parse_stream_spec(bad, Profile::frames, options);
    ASSERT_FALSE(read) << bad;
    EXPECT_EQ(read.error().code, Errc::usage);
    EXPECT_THAT(read.error().message(), HasSubstr("--stream"));
  }
  EXPECT_FALSE(parse_stream_spec("inertial,100,batch", Profile::csv, options));
}

TEST(BoardClockPpm, RunsFastByIt) {
  ManualClock clock;
  const BoardClock board(clock, 1 + 100e-6);
  clock.advance(100s);
  EXPECT_EQ(board.device_us(), 100'010'000U);
}

}  // namespace
}  // namespace tml::fw::native
