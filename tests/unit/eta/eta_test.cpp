// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The ECM3532 bootloader as the reference tells of it (wire reference 8.2), and our client against it.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <random>

#include "common/flashlink/eta_client.hpp"
#include "common/wire/base64.hpp"
#include "common/wire/bytes.hpp"
#include "firmware/boards/native/ecm3532_boot.hpp"
#include "tests/support/flash_fakes.hpp"
#include "tests/unit/smp/virtual_stream.hpp"

namespace tml::flashlink {
namespace {

using fw::flashtest::NorFlash;
using fw::native::Ecm3532Boot;
using testing_support::run;
using testing_support::VirtualStream;

constexpr std::uint32_t kFlashBytes = 256U << 10U;

std::vector<std::byte> image_of(std::size_t size, std::uint32_t seed = 1) {
  std::vector<std::uint8_t> bytes = fw::flashtest::noise(size, seed);
  constexpr std::array<std::uint8_t, 8> kVectors{0x00, 0x80, 0x01, 0x10, 0x01, 0x51, 0x00, 0x01};
  std::ranges::copy(kVectors, bytes.begin());
  const auto view = std::as_bytes(std::span(bytes));
  return {view.begin(), view.end()};
}

// The board: application at 115200, bootloader behind AT+BOOTMODE. `damage` gets each reply line of the bootloader.
class FakeEta {
 public:
  FakeEta() { flash.strict = false; }
  NorFlash flash{kFlashBytes};
  Ecm3532Boot boot{flash};
  bool in_boot = false;
  bool started_image = false;
  std::function<std::string(std::string)> damage;
  std::string heard;

  std::string operator()(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) {
      if (in_boot) {
        std::string answer;
        boot.receive(static_cast<std::uint8_t>(c), answer);
        if (boot.leaves()) {
          in_boot = false;
          started_image = true;
        }
        out += damaged(answer);
        continue;
      }
      if (c != '\r') {
        line_ += c;
        out += c;
        continue;
      }
      out += "\r\n";
      if (line_ == "AT+BOOTMODE") {
        out += "AT+ACK\r";
        in_boot = true;
        boot.start(out);
      } else {
        out += "Not a valid AT command (" + line_ + ")\r\n> ";
      }
      line_.clear();
    }
    return out;
  }
  [[nodiscard]] bool holds(std::span<const std::byte> image) const {
    return std::equal(image.begin(), image.end(), flash.bytes.begin() + 0x5000,
                      [](std::byte a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
  }

 private:
  std::string damaged(std::string_view text) {
    if (!damage) return std::string(text);
    std::string out;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\r'), text.size() - 1) + 1;
      out += damage(std::string(text.substr(0, end)));
      text.remove_prefix(end);
    }
    return out;
  }
  std::string line_;
};

std::string say(Ecm3532Boot& boot, std::string_view line) {
  std::string out;
  for (const char c : line) boot.receive(static_cast<std::uint8_t>(c), out);
  boot.receive('\r', out);
  return out;
}
std::string blob(std::uint32_t number, std::span<const std::byte> bytes) {
  std::string coded(wire::base64_encoded_size(bytes.size()), '\0');
  static_cast<void>(wire::base64_encode(bytes, coded));
  return "AT+BINBLOB=" + std::to_string(number) + "," + eta_crc(bytes) + "," + coded;
}
bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(EtaBootloader, AnswersAsTheReferenceSays) {
  NorFlash flash(kFlashBytes);
  flash.strict = false;
  Ecm3532Boot boot(flash);
  std::string banner;
  boot.start(banner);
  EXPECT_EQ(banner, "Eta Compute Bootloader - v1.0.2\r\n> ");
  EXPECT_EQ(say(boot, "AT+VER?"), "AT+VER=1.0.2\r> ");
  EXPECT_TRUE(has(say(boot, "AT+APPMODE"), "Image not ready.  Run AT+EOU first."));
  EXPECT_TRUE(has(say(boot, "AT+APPINFO=a,b,1"), "Invalid number of args."));
  EXPECT_TRUE(has(say(boot, "AT+APPINFO=a,b,1,0"), "Invalid number of bytes."));
  const std::vector<std::byte> image = image_of(9000);
  EXPECT_EQ(say(boot, "AT+APPINFO=New firmware, ECM3532 M3, " + eta_crc(image) + ",9000"),
            "AT+BLOBSIZE=4096\rAT+ACK\r> ");
  const std::span<const std::byte> all(image);
  EXPECT_EQ(say(boot, blob(1, all.first(4096))), "AT+ACKBLOB=1\r> ");
  EXPECT_TRUE(has(say(boot, blob(1, all.first(4096))), "Already received and programmed blob #1\r\nAT+NACKBLOB=1\r"));
  EXPECT_TRUE(has(say(boot, blob(5, all.first(10))), "Invalid sequence number, expected 2 but received 5"));
  EXPECT_TRUE(has(say(boot, "AT+BINBLOB=2,7,AAAA"), "Checksum failed, expected 7 but decoded CRC32was"));
  EXPECT_TRUE(
      has(say(boot, "AT+BINBLOB=2,7," + std::string(5468, 'A')), "Cannot allocate decoded data buffer of size"));
  EXPECT_EQ(say(boot, blob(2, all.subspan(4096, 4096))), "AT+ACKBLOB=2\r> ");
  EXPECT_TRUE(has(say(boot, "AT+EOU"), "Checksum failed"));
  EXPECT_EQ(say(boot, blob(3, all.subspan(8192))), "AT+ACKBLOB=3\r> ");
  EXPECT_EQ(say(boot, "AT+EOU"), "AT+ACK\r> ");
  EXPECT_EQ(say(boot, "AT+EOU"), "AT+ACK\r> ");
  EXPECT_EQ(say(boot, "AT+APPMODE"), "AT+ACK\r");
  EXPECT_TRUE(boot.leaves());
  EXPECT_TRUE(flash.violations.empty());
}

TEST(EtaBootloader, AnImageWithOddVectorsIsNotValid) {
  NorFlash flash(kFlashBytes);
  flash.strict = false;
  Ecm3532Boot boot(flash);
  std::vector<std::byte> image = image_of(100);
  image[3] = std::byte{0x20};
  static_cast<void>(say(boot, "AT+APPINFO=a,b," + eta_crc(image) + ",100"));
  static_cast<void>(say(boot, blob(1, image)));
  EXPECT_TRUE(has(say(boot, "AT+EOU"), "Image not valid"));
}

TEST(EtaBootloader, AnythingMayBeSaidToIt) {
  EXPECT_TRUE(rc::check([](const std::vector<std::string>& lines, const std::vector<std::uint8_t>& numbers) {
    NorFlash flash(kFlashBytes);
    flash.strict = false;
    Ecm3532Boot boot(flash);
    static_cast<void>(say(boot, "AT+APPINFO=a,b,0,4000000000"));
    for (std::size_t i = 0; i < lines.size(); ++i)
      static_cast<void>(say(boot, (i % 2 == 0 ? "AT+BINBLOB=" : "AT+") + lines[i]));
    for (const std::uint8_t number : numbers)
      static_cast<void>(say(boot, blob(number % 4U, std::as_bytes(std::span(numbers)))));
    static_cast<void>(say(boot, "AT+EOU"));
    RC_ASSERT(flash.violations.empty());
  }));
}

TEST(EtaBootloader, AFlashThatFailsEndsTheUpdate) {
  NorFlash flash(0x6000);  // one page of room
  flash.strict = false;
  Ecm3532Boot boot(flash);
  const std::vector<std::byte> image = image_of(9000);
  static_cast<void>(say(boot, "AT+APPINFO=a,b," + eta_crc(image) + ",9000"));
  EXPECT_TRUE(has(say(boot, blob(1, std::span(image).first(4096))), "AT+ACKBLOB=1"));
  EXPECT_TRUE(has(say(boot, blob(2, std::span(image).subspan(4096, 4096))), "Flash programming error."));
}

TEST(EtaClient, FlashesAndStartsTheApplication) {
  FakeEta board;
  VirtualStream stream(std::ref(board));
  const std::vector<std::byte> image = image_of(10000);
  const Result<EtaResult> done = run(eta_flash(stream, image, {}, {}));
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->version, "1.0.2");
  EXPECT_EQ(done->blocks, 3U);
  EXPECT_TRUE(board.holds(image));
  EXPECT_TRUE(board.started_image);
  EXPECT_EQ(stream.baud(), 115'200U);
}

TEST(EtaClient, LostAndDamagedRepliesCostTimeOnly) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    FakeEta board;
    std::mt19937 random(seed);
    board.damage = [&](std::string line) {
      const unsigned draw = random() % 10;
      if (draw == 0) return std::string();
      if (draw == 1) line[random() % line.size()] ^= 0x41;
      return line;
    };
    VirtualStream stream(std::ref(board));
    const std::vector<std::byte> image = image_of(40000, seed);
    const Result<EtaResult> done = run(eta_flash(stream, image, {.attempts = 8}, {}));
    ASSERT_TRUE(done) << seed << " " << done.error().message();
    EXPECT_TRUE(board.holds(image));
  }
}

TEST(EtaClient, GoesOnWhereAnUploadWasCutOff) {
  FakeEta board;
  const std::vector<std::byte> image = image_of(40000);
  {
    std::size_t bytes = 0;
    VirtualStream stream([&](std::string_view text) {
      bytes += text.size();
      return bytes > 20000 ? std::string() : board(text);  // the cable is pulled
    });
    EXPECT_EQ(run(eta_flash(stream, image, {}, {})).error().code, Errc::timeout);
  }
  VirtualStream stream(std::ref(board));
  const Result<EtaResult> done = run(eta_flash(stream, image, {.skip_reset = true, .resume = true}, {}));
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_GT(done->resumed_at, 1U);
  EXPECT_TRUE(board.holds(image));
}

TEST(EtaClient, ResumingWithAnotherImageSendsAllOfIt) {
  FakeEta board;
  std::string ignored;
  board.in_boot = true;
  board.boot.start(ignored);
  const std::vector<std::byte> first = image_of(20000, 1);
  static_cast<void>(say(board.boot, "AT+APPINFO=a,b," + eta_crc(first) + ",20000"));
  static_cast<void>(say(board.boot, blob(1, std::span(first).first(4096))));
  const std::vector<std::byte> second = image_of(20000, 2);
  VirtualStream stream(std::ref(board));
  const Result<EtaResult> done = run(eta_flash(stream, second, {.skip_reset = true, .resume = true}, {}));
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->resumed_at, 0U);
  EXPECT_TRUE(board.holds(second));
}

TEST(EtaClient, OldBootloadersGetSmallBlocks) {
  FakeEta board;
  board.damage = [](std::string line) {
    const std::size_t at = line.find("1.0.2\r");
    if (at != std::string::npos) line[at + 4] = '1';
    return line;
  };
  VirtualStream stream(std::ref(board));
  const std::vector<std::byte> image = image_of(1000);
  const Result<EtaResult> done = run(eta_flash(stream, image, {}, {}));
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->block_bytes, 255U);
  EXPECT_EQ(done->blocks, 4U);
  EXPECT_TRUE(board.holds(image));
}

TEST(EtaClient, RefusesWhatTheBoardWouldRefuse) {
  VirtualStream stream([](std::string_view) -> std::string {
    ADD_FAILURE() << "nothing may be sent";
    return {};
  });
  std::vector<std::byte> image = image_of(1000);
  image[3] = std::byte{0x20};
  EXPECT_EQ(run(eta_flash(stream, image, {}, {})).error().code, Errc::malformed);
  image = image_of(1000);
  image[7] = std::byte{0};
  EXPECT_EQ(run(eta_flash(stream, image, {}, {})).error().code, Errc::malformed);
  EXPECT_FALSE(check_eta_image(std::span(image).first(4)));
}

TEST(EtaClient, ChecksumsAreSigned) {
  // "123456789": 0xCBF43926.
  EXPECT_EQ(eta_crc(wire::as_bytes("123456789")), "-873187034");
}

TEST(EtaClient, SilenceIsATimeout) {
  VirtualStream stream([](std::string_view) { return std::string(); });
  std::vector<std::string> said;
  EtaEvents events;
  events.say = [&](std::string_view text) { said.emplace_back(text); };
  const std::vector<std::byte> image = image_of(1000);
  EXPECT_EQ(run(eta_flash(stream, image, {}, events)).error().code, Errc::timeout);
  ASSERT_EQ(said.size(), 1U);
  EXPECT_TRUE(has(said[0], "RESET"));
}

}  // namespace
}  // namespace tml::flashlink
