// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <gtest/gtest.h>

#include "common/serial/at_types.hpp"
#include "common/serial/discovery.hpp"
#include "common/serial/pty.hpp"

namespace tml::serial {
namespace {

TEST(PortSelector, Forms) {
  EXPECT_EQ(PortSelector::parse("/dev/ttyACM0")->kind, PortSelector::Kind::path);
  EXPECT_EQ(PortSelector::parse("/tmp/odd=name")->value, "/tmp/odd=name");
  EXPECT_EQ(PortSelector::parse("serial=A50285BI")->kind, PortSelector::Kind::usb_serial);
  EXPECT_EQ(PortSelector::parse("serial=A50285BI")->value, "A50285BI");
  EXPECT_EQ(PortSelector::parse("id=11:22")->kind, PortSelector::Kind::firmware_id);
  for (const char* bad : {"", "serial=", "id=", "usb=12", "/dev/tty\nACM0"}) {
    const auto selector = PortSelector::parse(bad);
    ASSERT_FALSE(selector) << bad;
    EXPECT_EQ(selector.error().code, Errc::usage);
  }
}

TEST(PortSelector, Matches) {
  PortInfo port;
  port.path = port.node = "/dev/ttyACM0";
  port.by_id = "/dev/serial/by-id/usb-x";
  port.usb_serial = "a50285bi";
  EXPECT_TRUE(PortSelector::parse("/dev/ttyACM0")->matches(port));
  EXPECT_TRUE(PortSelector::parse("/dev/serial/by-id/usb-x")->matches(port));
  EXPECT_FALSE(PortSelector::parse("/dev/ttyACM1")->matches(port));
  EXPECT_TRUE(PortSelector::parse("serial=A50285BI")->matches(port));
  EXPECT_FALSE(PortSelector::parse("serial=A5")->matches(port));
  EXPECT_TRUE(PortSelector::parse("id=AA")->matches(port));
  EXPECT_TRUE(PortSelector::parse("id=AA")->matches(port, "aa"));
  EXPECT_FALSE(PortSelector::parse("id=AA")->matches(port, "ab"));
}

TEST(Discovery, PseudoTerminalLinkIsDescribed) {
  PtyOptions options;
  options.link = ::testing::TempDir() + "tml-discovery-" + std::to_string(getpid());
  const auto pty = Pty::create(options);
  ASSERT_TRUE(pty) << pty.error().message();
  const auto port = describe_port(options.link);
  ASSERT_TRUE(port) << port.error().message();
  EXPECT_TRUE(port->is_pty);
  EXPECT_EQ(port->node, pty->path());
  EXPECT_EQ(port->topology, options.link);
  EXPECT_FALSE(port->problem) << port->problem->message();
  EXPECT_TRUE(PortSelector::parse(options.link)->matches(*port));
  EXPECT_TRUE(PortSelector::parse(pty->path())->matches(*port));

  ListOptions list;
  list.extra_paths = {options.link, "/nonexistent/port"};
  const auto ports = list_ports(list);
  ASSERT_TRUE(ports) << ports.error().message();
  std::size_t found = 0;
  for (const PortInfo& each : *ports) found += each.path == options.link ? 1 : 0;
  EXPECT_EQ(found, 1U);
  EXPECT_EQ(describe_port("/nonexistent/port").error().code, Errc::not_found);
}

TEST(AtCommand, BuildsAndHides) {
  const auto set =
      AtCommand::make("UPLOADSETTINGS", std::vector<AtCommand::Arg>{{"API key", "ei_secret", true}, {"path", "/p"}});
  ASSERT_TRUE(set);
  EXPECT_EQ(set->line(), "AT+UPLOADSETTINGS=ei_secret,/p");
  EXPECT_EQ(set->describe(), "AT+UPLOADSETTINGS=***,/p");
  EXPECT_EQ(AtCommand::make("CONFIG", AtCommand::Form::read)->line(), "AT+CONFIG?");
  EXPECT_FALSE(AtCommand::make("con fig"));
  EXPECT_EQ(AtCommand::raw("  AT+SAMPLESETTINGS=a,1,2,key ")->line(), "AT+SAMPLESETTINGS=a,1,2,key");
  EXPECT_EQ(AtCommand::raw("AT+X=key")->describe(), "AT+X=...");
  EXPECT_FALSE(AtCommand::raw("AT+X\rAT+Y"));
  EXPECT_FALSE(AtCommand::raw(""));
  EXPECT_FALSE(AtCommand::raw("AT+X=a> b"));
}

TEST(AtReply, OkAndRefusals) {
  EXPECT_TRUE((AtReply{"OK"}.ok()));
  EXPECT_FALSE((AtReply{"ERR: broken\nOK"}.ok()));
  EXPECT_EQ((AtReply{"x\nERR: broken\n"}.refusal()), "ERR: broken");
  EXPECT_FALSE((AtReply{"fine"}.refusal()));
}

}  // namespace
}  // namespace tml::serial
