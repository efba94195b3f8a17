// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The host's client against our own server and against one with the manners of MCUboot, over a line that loses lines.
#include <gtest/gtest.h>

#include <random>

#include "common/flashlink/mcuboot_image.hpp"
#include "common/flashlink/smp_client.hpp"
#include "tests/unit/smp/server_bench.hpp"
#include "tests/unit/smp/virtual_stream.hpp"

namespace tml::flashlink {
namespace {

using fw::boot::file_of;
using fw::boot::ServerBench;
using testing_support::run;
using testing_support::VirtualStream;
namespace smp = wire::smp;

// Loses whole lines of a text, each with the same probability.
std::string lossy(std::string_view text, double probability, std::mt19937& random) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    if (std::uniform_real_distribution<>(0, 1)(random) >= probability) out += text.substr(0, end);
    text.remove_prefix(end);
  }
  return out;
}

VirtualStream::Peer board_peer(ServerBench& board, double loss = 0, unsigned seed = 1) {
  return [&board, loss, random = std::mt19937(seed)](std::string_view bytes) mutable {
    board.hear(lossy(bytes, loss, random));
    return lossy(board.output(), loss, random);
  };
}

TEST(SmpClient, TalksToOurBootloader) {
  ServerBench board;
  board.run_one();
  VirtualStream stream(board_peer(board));
  SmpClient client(stream);
  EXPECT_EQ(run(client.echo("hi")).value(), "hi");
  const SmpParameters parameters = run(client.parameters()).value();
  EXPECT_TRUE(parameters.told);
  EXPECT_EQ(parameters.buf_size, 1024U);
  const fw::flashtest::Object object = fw::flashtest::make_app(fw::flashtest::noise(14000, 1), 0x02000001);
  const std::vector<std::byte> file = file_of(object);
  const Result<SmpUploaded> uploaded = run(client.upload(file, {}, {}));
  ASSERT_TRUE(uploaded) << uploaded.error().message();
  EXPECT_EQ(uploaded->window, 2U);
  EXPECT_EQ(uploaded->bytes_sent, file.size());
  EXPECT_TRUE(uploaded->match.value_or(false));
  const std::vector<SmpImage> images = run(client.images()).value();
  ASSERT_EQ(images.size(), 2U);
  EXPECT_TRUE(images[0].active && images[0].confirmed);
  EXPECT_EQ(images[1].version, "2.0.1");
  EXPECT_TRUE(std::ranges::equal(images[1].hash, object.manifest.payload_hash));
  EXPECT_TRUE(run(client.set_state(images[1].hash, false)).value().at(1).pending);
  EXPECT_TRUE(run(client.reset()));
  EXPECT_TRUE(board.server.wants_reset());
}

TEST(SmpClient, NamesTheRefusal) {
  ServerBench board;
  VirtualStream stream(board_peer(board));
  SmpClient client(stream);
  fw::flashtest::Object object = fw::flashtest::make_app(fw::flashtest::noise(5000, 1));
  object.manifest.version ^= 1;
  const std::vector<std::byte> file = file_of(object);
  const Result<SmpUploaded> uploaded = run(client.upload(file, {}, {}));
  ASSERT_FALSE(uploaded);
  EXPECT_EQ(uploaded.error().code, Errc::refused);
  EXPECT_NE(uploaded.error().what.find("access denied"), std::string::npos) << uploaded.error().message();
}

TEST(SmpClient, SilenceIsATimeout) {
  VirtualStream stream([](std::string_view) { return std::string("boot log, no SMP\r\n"); });
  stream.peer = [](std::string_view) { return std::string(); };
  SmpClient client(stream);
  const Result<std::string> echo = run(client.echo("x"));
  ASSERT_FALSE(echo);
  EXPECT_EQ(echo.error().code, Errc::timeout);
}

TEST(SmpClient, ALossyLineCostsTimeOnly) {
  for (unsigned seed = 1; seed <= 12; ++seed) {
    ServerBench board;
    VirtualStream stream(board_peer(board, 0.01, seed));
    SmpClient client(stream);
    const fw::flashtest::Object object = fw::flashtest::make_app(fw::flashtest::noise(16000, seed));
    const std::vector<std::byte> file = file_of(object);
    const Result<SmpUploaded> uploaded = run(client.upload(file, {}, {}));
    ASSERT_TRUE(uploaded) << uploaded.error().message();
    EXPECT_TRUE(board.bench.holds(0, object));
    EXPECT_TRUE(board.bench.flash.violations.empty());
  }
}

// SMP version 1 only, one buffer, no params command, no resume: a first part starts anew; other offsets than the
// expected one are answered with it.
class OldMcuboot {
 public:
  std::vector<std::byte> slot;
  std::uint64_t total = 0;
  std::uint64_t first_parts = 0;
  std::uint64_t busy = 0;            // so many parts are refused with rc 10
  std::uint64_t forget_once_at = 0;  // there it claims to expect 0 again
  std::vector<std::uint64_t> lose_replies_at;

  std::string operator()(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) {
      if (assembler_.push(static_cast<std::uint8_t>(c)) == smp::Assembler::Event::packet) out += serve();
    }
    return out;
  }

 private:
  std::string serve() {
    const auto packet = assembler_.packet();
    if ((static_cast<unsigned>(packet[0]) & 0x18U) != 0) return {};  // version 2 is silently dropped
    const smp::Header header = smp::parse_header(packet).value();
    const smp::Fields fields = smp::parse_fields(packet.subspan(smp::kHeaderBytes)).value();
    std::vector<std::byte> reply(512);
    wire::CborWriter writer(std::span(reply).subspan(smp::kHeaderBytes));
    writer.map_indefinite();
    writer.text("rc");
    if (header.group != 1 || header.id != smp::kImageUpload) {
      writer.unsigned_int(8);
    } else if (busy > 0 && fields.off != 0U) {
      --busy;
      writer.unsigned_int(10);
    } else {
      if (fields.off == 0U) {
        ++first_parts;
        slot.clear();
        total = fields.len.value();
      }
      if (forget_once_at != 0 && slot.size() >= forget_once_at) {
        forget_once_at = 0;
        slot.clear();
      } else if (fields.off == slot.size()) {
        slot.insert(slot.end(), fields.data->begin(), fields.data->end());
      }
      writer.unsigned_int(0);
      writer.text("off");
      writer.unsigned_int(slot.size());
    }
    writer.end();
    const auto lost = std::ranges::find_if(lose_replies_at, [&](std::uint64_t at) { return slot.size() >= at; });
    if (lost != lose_replies_at.end()) {
      lose_replies_at.erase(lost);
      return {};
    }
    reply.resize(smp::kHeaderBytes + writer.size());
    smp::Header answer = header;
    answer.op = static_cast<smp::Op>(static_cast<int>(header.op) + 1);
    answer.body_bytes = static_cast<std::uint16_t>(writer.size());
    smp::put_header(answer, std::span(reply).first<smp::kHeaderBytes>());
    std::vector<std::byte> lines(smp::encoded_bytes(reply.size()));
    static_cast<void>(smp::encode_lines(reply, lines));
    return "[log] 1\n" + std::string(wire::as_text(lines));
  }

  std::vector<std::byte> memory_ = std::vector<std::byte>(512);
  smp::Assembler assembler_{memory_};
};

std::vector<std::byte> image_of(std::size_t size) {
  const std::vector<std::uint8_t> bytes = fw::flashtest::noise(size, 5);
  const auto view = std::as_bytes(std::span(bytes));
  return {view.begin(), view.end()};
}

TEST(SmpClient, OldMcubootWithoutParameters) {
  OldMcuboot board;
  board.lose_replies_at = {3000, 9000, 20000};
  VirtualStream stream([&](std::string_view bytes) { return board(bytes); });
  SmpClient client(stream);
  const std::vector<std::byte> image = image_of(20000);
  const Result<SmpUploaded> uploaded = run(client.upload(image, {}, {}));
  ASSERT_TRUE(uploaded) << uploaded.error().message();
  EXPECT_EQ(board.slot, image);
  EXPECT_EQ(board.first_parts, 1U);
  EXPECT_EQ(uploaded->window, 1U);
  EXPECT_EQ(run(client.images()).error().code, Errc::unsupported);
}

TEST(SmpClient, BusyAndForgetfulBoards) {
  OldMcuboot board;
  board.busy = 2;
  board.forget_once_at = 8000;
  VirtualStream stream([&](std::string_view bytes) { return board(bytes); });
  SmpClient client(stream);
  const std::vector<std::byte> image = image_of(15000);
  const Result<SmpUploaded> uploaded = run(client.upload(image, {}, {}));
  ASSERT_TRUE(uploaded) << uploaded.error().message();
  EXPECT_EQ(board.slot, image);
  EXPECT_EQ(board.first_parts, 2U);
}

TEST(SmpClient, ABoardThatAlwaysAsksForTheSameOffsetEndsInAnError) {
  OldMcuboot board;
  VirtualStream stream([&](std::string_view bytes) {
    if (board.slot.size() > 5000) board.slot.resize(5000);
    return board(bytes);
  });
  SmpClient client(stream);
  const std::vector<std::byte> image = image_of(15000);
  EXPECT_FALSE(run(client.upload(image, {}, {})));
}

TEST(McubootImage, HashesOfBothKindsAndOfNoise) {
  std::vector<std::byte> file(32 + 100 + 4 + 4 + 2 + 4 + 32);
  const auto put = [&](std::size_t at, std::uint32_t value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) file[at + i] = static_cast<std::byte>(value >> (8 * i));
  };
  put(0, 0x96f3b83d, 4);
  put(8, 32, 2);
  put(12, 100, 4);
  put(132, 0x6907, 2);
  put(134, 4 + 6 + 36, 2);
  put(136, 0x50, 2);
  put(138, 2, 2);
  put(142, 0x10, 2);
  put(144, 32, 2);
  for (std::size_t i = 0; i < 32; ++i) file[146 + i] = static_cast<std::byte>(i);
  ASSERT_EQ(image_hashes(file).size(), 1U);
  EXPECT_EQ(image_hashes(file)[0][31], 31);
  for (std::size_t size = 0; size < file.size(); ++size) EXPECT_TRUE(image_hashes(std::span(file).first(size)).empty());
  const fw::flashtest::Object object = fw::flashtest::make_app(fw::flashtest::noise(5000, 1));
  EXPECT_EQ(image_hashes(fw::boot::bundle_of({&object})), std::vector{object.manifest.payload_hash});
}

}  // namespace
}  // namespace tml::flashlink
