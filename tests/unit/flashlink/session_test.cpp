// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// HELLO, requests and line rates over simulated lines.
#include "common/flashlink/session.hpp"

#include "tests/support/run_on.hpp"
#include "tests/unit/flashlink/objects.hpp"
#include "tests/unit/flashlink/sim_line.hpp"

namespace tml::flashlink::testing {
namespace {

struct Rig {
  explicit Rig(SimBoard::Config board_config = {}, SimLine::Config line_config = {})
      : board(std::move(board_config)), line(board, clock, std::move(line_config)), session(line, random) {}
  template <class T>
  T run(serial::Awaitable<T> work) {
    return tml::test::run_on(io, std::move(work));
  }
  boost::asio::io_context io;
  ManualClock clock;
  SimBoard board;
  SimLine line;
  SeededRandom random{3};
  Session session;
};

TEST(Session, connects_to_bootloader_and_application) {
  for (const auto mode : {flash::Mode::bootloader, flash::Mode::application}) {
    SimBoard::Config config;
    config.mode = mode;
    Rig rig(config);
    const auto identity = rig.run(rig.session.connect());
    ASSERT_TRUE(identity) << identity.error().message();
    EXPECT_EQ(identity->mode, mode);
    EXPECT_LT(rig.clock.steady(), 200ms);
    EXPECT_TRUE(rig.run(rig.session.ping()));
  }
}

TEST(Session, nobody_there_is_a_timeout_noise_is_garbage) {
  {
    Rig rig;
    rig.board.dead = true;
    const auto identity = rig.run(rig.session.connect(2000ms));
    ASSERT_FALSE(identity);
    EXPECT_EQ(identity.error().code, Errc::timeout);
    EXPECT_NEAR(static_cast<double>(rig.clock.steady() / 1ms), 2000.0, 10.0);
  }
  {
    SimBoard::Config config;
    config.start_baud = 9600;  // answers at another rate
    Rig rig(config);
    rig.line.config.down.flip_per_bit = 0.2;
    rig.board.baud = 115'200;
    const auto identity = rig.run(rig.session.connect(2000ms));
    ASSERT_FALSE(identity);
    EXPECT_EQ(identity.error().code, Errc::garbage) << identity.error().message();
  }
}

TEST(Session, takes_the_highest_rate_that_the_line_carries) {
  for (const std::uint32_t good : {3'000'000U, 921'600U, 500'000U, 115'200U}) {
    Rig rig;
    rig.line.config.good_until = good;
    ASSERT_TRUE(rig.run(rig.session.connect()));
    const auto rate = rig.run(rig.session.raise_baud());
    ASSERT_TRUE(rate) << rate.error().message();
    std::uint32_t best = 0;
    for (const std::uint32_t known : rig.board.config.bauds) best = known <= good ? known : best;
    EXPECT_EQ(*rate, best);
    EXPECT_EQ(rig.board.baud, best);
    EXPECT_TRUE(rig.run(rig.session.ping()));
  }
}

TEST(Session, a_rate_that_garbles_half_of_the_frames_is_left) {
  Rig rig;
  ASSERT_TRUE(rig.run(rig.session.connect()));
  rig.line.on_time = [&rig](Nanos) {
    const double flips = rig.line.baud() > 1'000'000 ? 3e-3 : 0;
    rig.line.config.up.flip_per_bit = rig.line.config.down.flip_per_bit = flips;
  };
  const auto rate = rig.run(rig.session.raise_baud());
  ASSERT_TRUE(rate) << rate.error().message();
  EXPECT_EQ(*rate, 921'600U);
  EXPECT_TRUE(rig.run(rig.session.ping()));
}

TEST(Session, keeps_within_the_rate_asked_for) {
  Rig rig;
  ASSERT_TRUE(rig.run(rig.session.connect()));
  EXPECT_EQ(rig.run(rig.session.raise_baud(500'000)).value(), 460'800U);
  EXPECT_EQ(rig.board.rates, std::vector<std::uint32_t>{460'800});
}

TEST(Session, leaves_the_board_where_it_found_it) {
  Rig rig;
  ASSERT_TRUE(rig.run(rig.session.connect()));
  ASSERT_TRUE(rig.run(rig.session.raise_baud()));
  EXPECT_TRUE(rig.run(rig.session.use_baud(115'200)).value());
  EXPECT_EQ(rig.board.baud, 115'200U);
  const auto before = rig.clock.steady();
  EXPECT_TRUE(rig.run(rig.session.connect()));
  EXPECT_LT(rig.clock.steady() - before, 200ms);
}

TEST(Session, what_the_board_prints_is_kept_apart) {
  SimBoard::Config config;
  config.mode = flash::Mode::application;
  Rig rig(config);
  ASSERT_TRUE(rig.run(rig.session.connect()));
  rig.board.prints = "Predictions: on 0.9\r\n";
  EXPECT_TRUE(rig.run(rig.session.ping()));
  rig.board.prints = "off 0.1\r\n";
  EXPECT_TRUE(rig.run(rig.session.slot(2)));
  EXPECT_EQ(rig.session.link().take_text(), "Predictions: on 0.9\r\noff 0.1\r\n");
  EXPECT_EQ(rig.session.link().counters().bad_frames, 0U);
}

// The second HELLO arrives, its reply does not: the host has the session before, and no PING is answered.
TEST(Session, a_session_that_began_anew_unheard_is_left) {
  Rig rig;
  rig.line.on_time = [&rig](Nanos) {
    rig.line.config.down.drop_per_byte = rig.board.hellos > 0 && rig.board.bad_frames == 0 ? 1 : 0;
  };
  const auto identity = rig.run(rig.session.connect(6000ms, 10ms));
  ASSERT_TRUE(identity) << identity.error().message();
  EXPECT_GT(rig.board.bad_frames, 0U);
  EXPECT_TRUE(rig.run(rig.session.ping()));
}

TEST(Session, finds_a_board_that_was_left_at_another_rate) {
  Rig rig;
  rig.board.baud = 921'600;
  rig.line.on_time = [&rig](Nanos now) {
    if (now > 5s && rig.board.hellos == 0 && rig.board.baud != 115'200) rig.board.reset();
  };
  ASSERT_TRUE(rig.run(rig.session.connect(6500ms)));

  Rig knows;
  knows.board.baud = 921'600;
  Session session(knows.line, knows.random, {115'200, 921'600});
  ASSERT_TRUE(knows.run(session.connect(6500ms)));
  EXPECT_LT(knows.clock.steady(), 1s);
}

TEST(Session, refusals_carry_the_status) {
  Rig rig;
  ASSERT_TRUE(rig.run(rig.session.connect()));
  const auto counters = rig.run(rig.session.counters());
  ASSERT_FALSE(counters);
  EXPECT_EQ(counters.error().code, Errc::refused);
  EXPECT_EQ(rig.session.last_status(), flash::Status::bad_argument);
}

TEST(Session, unplugged_ends_a_request_at_once) {
  Rig rig;
  ASSERT_TRUE(rig.run(rig.session.connect()));
  rig.line.unplug_at = rig.clock.steady() + 1ms;
  const auto pinged = rig.run(rig.session.ping());
  ASSERT_FALSE(pinged);
  EXPECT_EQ(pinged.error().code, Errc::unplugged);
}

// Requests arrive in the end, and those that change something are not done twice.
RC_GTEST_PROP(SessionProperty, requests_survive_noise, ()) {
  SimLine::Config line;
  line.seed = *rc::gen::arbitrary<std::uint32_t>();
  line.up = line.down =
      Noise{1e-5 * *rc::gen::inRange(0, 2), 1e-3 * *rc::gen::inRange(0, 2), 1e-3 * *rc::gen::inRange(0, 2)};
  Rig rig({}, line);
  const auto identity = rig.run(rig.session.connect());
  if (!identity) RC_FAIL(identity.error().message());
  const std::size_t chunks = *rc::gen::inRange<std::size_t>(1, 200);
  const Bytes payload = noise_bytes(chunks * 4096, line.seed);
  rig.board.slots[2] = {payload, chunk_hashes(payload)};
  const auto hashes = rig.run(rig.session.hashes(2, chunks));
  if (!hashes) RC_FAIL(hashes.error().message());
  RC_ASSERT(*hashes == rig.board.slots[2].list);
  const SignedObject object = object_of(payload);
  const auto begun = rig.run(rig.session.begin_all({3, 2, 0}, object.manifest_bytes(), object.list));
  if (!begun) RC_FAIL(begun.error().message());
  RC_ASSERT(begun->state == flash::Begun::State::receiving);
  const std::vector<flash::Copy> all{{0, 0, static_cast<std::uint16_t>(chunks)}};
  const auto copied = rig.run(rig.session.copy(all));
  if (!copied) RC_FAIL(copied.error().message());
  RC_ASSERT(*copied == chunks);
  RC_ASSERT(rig.run(rig.session.commit(3)).has_value());
  RC_ASSERT(rig.board.commits == 1U);
}

}  // namespace
}  // namespace tml::flashlink::testing
