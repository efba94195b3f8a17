// SPDX-License-Identifier: Apache-2.0
#include "forwarder/telnet.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tml::forwarder {
namespace {

using Mode = Telnet::Mode;

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

struct Peer {
  explicit Peer(Mode mode) : telnet(mode) {}
  void say(const std::string& text) { telnet.push(std::as_bytes(std::span(text)), data, reply); }
  [[nodiscard]] std::string heard() const { return {reinterpret_cast<const char*>(data.data()), data.size()}; }
  Telnet telnet;
  std::vector<std::byte> data;
  std::string reply;
};

TEST(Telnet, RawConnectionStaysRaw) {
  Peer peer(Mode::detect);
  peer.say("1,2\n");
  peer.say(bytes({255, 253, 44, 255, 255}));
  EXPECT_EQ(peer.heard(), "1,2\n" + bytes({255, 253, 44, 255, 255}));
  EXPECT_TRUE(peer.reply.empty());
  EXPECT_EQ(peer.telnet.mode(), Mode::raw);
}

TEST(Telnet, FramesThatBeginWithFfAreNoNegotiation) {
  Peer peer(Mode::detect);
  peer.say(bytes({255}));
  peer.say(bytes({7}));
  EXPECT_TRUE(peer.heard().empty());
  peer.say(bytes({8}));
  EXPECT_EQ(peer.heard(), bytes({255, 7, 8}));
}

TEST(Telnet, AnOfferMakesItTelnetAndSetsTheRate) {
  Peer peer(Mode::detect);
  peer.telnet.set_baud(921'600, peer.reply);
  EXPECT_TRUE(peer.reply.empty());
  peer.say(bytes({255, 251, 3}));
  // WILL COM-PORT, BINARY, SGA; DO BINARY, SGA. The peer's WILL SGA is answered by the DO among them.
  EXPECT_EQ(peer.reply, bytes({255, 251, 44, 255, 251, 0, 255, 251, 3, 255, 253, 0, 255, 253, 3}));
  peer.reply.clear();
  peer.say(bytes({255, 253, 44}) + "5\n");
  EXPECT_TRUE(peer.telnet.has_com_port());
  // SET-BAUDRATE 921600 = 000E1000, then 8N1 (RFC 2217).
  EXPECT_EQ(peer.reply.substr(0, 10), bytes({255, 250, 44, 1, 0, 14, 16, 0, 255, 240}));
  EXPECT_EQ(peer.reply.size(), 10U + 3 * 7);
  EXPECT_EQ(peer.heard(), "5\n");
  peer.say(bytes({255, 250, 44, 101, 0, 14, 16, 0, 255, 240}));
  EXPECT_EQ(peer.telnet.confirmed_baud(), 921'600U);
  EXPECT_EQ(peer.heard(), "5\n");
}

TEST(Telnet, ARateThatHoldsFfIsEscaped) {
  Peer peer(Mode::telnet);
  EXPECT_FALSE(peer.telnet.greeting().empty());
  peer.say(bytes({255, 253, 44}));
  peer.reply.clear();
  peer.telnet.set_baud(0x0000FF10, peer.reply);
  EXPECT_EQ(peer.reply.substr(0, 11), bytes({255, 250, 44, 1, 0, 0, 255, 255, 16, 255, 240}));
}

TEST(Telnet, UnwantedOptionsAreRefused) {
  Peer peer(Mode::telnet);
  peer.say(bytes({255, 251, 31, 255, 253, 24}));
  EXPECT_EQ(peer.reply, bytes({255, 254, 31, 255, 252, 24}));
}

TEST(Telnet, CrNulOutsideOfBinaryMode) {
  Peer peer(Mode::telnet);
  peer.say("1\r" + bytes({0}) + "\n");
  EXPECT_EQ(peer.heard(), "1\r\n");
  peer.say(bytes({255, 251, 0}) + "\r" + bytes({0}));
  EXPECT_EQ(peer.heard(), "1\r\n\r" + bytes({0}));
}

RC_GTEST_PROP(TelnetProperty, EscapedDataComesBackWhole, (std::string text, std::uint8_t cut)) {
  // Any data through a binary telnet connection, doubled IACs and a sub-negotiation in between.
  Telnet telnet(Mode::telnet);
  std::string wire = bytes({255, 251, 0});
  for (std::size_t i = 0; i < text.size(); ++i) {
    wire += text[i];
    if (static_cast<unsigned char>(text[i]) == 255) wire += text[i];
    if (i % 7 == 3) wire += bytes({255, 250, 44, 107, 255, 255, 255, 240});
  }
  std::vector<std::byte> data;
  std::string reply;
  const std::size_t piece = 1 + cut % 13;
  for (std::size_t at = 0; at < wire.size(); at += piece) {
    const std::string part = wire.substr(at, piece);
    telnet.push(std::as_bytes(std::span(part)), data, reply);
  }
  RC_ASSERT(std::string(reinterpret_cast<const char*>(data.data()), data.size()) == text);
}

}  // namespace
}  // namespace tml::forwarder
