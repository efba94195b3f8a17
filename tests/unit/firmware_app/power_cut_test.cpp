// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The whole application, from AT command to flash, with the power failing inside every flash operation of a day's work.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "tests/unit/firmware_app/documents.hpp"

namespace tml::fw::app {
namespace {

using test::FakeFlash;
using test::host_result;
using test::Rig;

constexpr char kKey[] = "fed53116f20684c067774ebf9e7bcbdc";

/// A host that captures, reads out and unlinks until the power fails. It believes what the board acknowledged.
struct Host {
  std::map<std::string, std::string> stored;  ///< Committed by an OK that the host saw, and read back.
  std::string unlinking;
  std::string capturing;
  std::string label = "test";
  std::string tried_label;

  static std::string file_name(const std::string& transcript) {
    return test::between(transcript, "File name: ", "\r\n");
  }

  bool capture(Rig& rig) {
    rig.uart.sent.clear();
    const std::string transcript = rig.command("AT+SAMPLESTART=Built-in accelerometer");
    capturing = file_name(transcript);
    if (transcript.find("ERR:") != std::string::npos || !rig.flash.powered) return false;
    const std::string name = std::exchange(capturing, "");
    const std::string document = test::read_buffer(rig, transcript);
    EXPECT_TRUE(test::signature_valid(document, kKey));
    stored[name] = document;
    return true;
  }
  bool set_label(Rig& rig, const std::string& next) {
    tried_label = next;
    if (host_result(rig.command("AT+SAMPLESETTINGS=" + next + ",10,2000," + kKey)) != "OK") return false;
    label = next;
    return true;
  }
  bool unlink(Rig& rig, const std::string& name) {
    unlinking = name;
    if (!host_result(rig.command("AT+UNLINKFILE=" + name)).empty()) return false;
    stored.erase(name);
    unlinking.clear();
    return true;
  }
  bool work(Rig& rig) {
    for (int round = 0; round < 5; ++round) {
      if (!set_label(rig, "label" + std::to_string(round)) || !capture(rig) || !capture(rig)) return false;
      while (stored.size() > 1) {
        if (!unlink(rig, stored.begin()->first)) return false;
      }
    }
    return true;
  }
};

std::map<std::string, std::string> read_all(Rig& rig) {
  std::map<std::string, std::string> files;
  std::istringstream names(host_result(rig.command("AT+LISTFILES")));
  for (std::string name; std::getline(names, name);) {
    if (!name.empty() && name.back() == '\r') name.pop_back();
    if (!name.empty()) files[name] = test::decode_base64(host_result(rig.command("AT+READFILE=" + name + ",n")));
  }
  return files;
}

TEST(PowerCut, EveryFlashOperationOfADaysWork) {
  std::uint64_t operations = 0;
  {
    Rig rig(8);
    rig.boot();
    Host host;
    ASSERT_TRUE(host.work(rig));
    operations = rig.flash.operations;
  }
  ASSERT_GT(operations, 150U);
  for (std::uint64_t i = 0; i < operations; ++i) {
    const auto cut = static_cast<FakeFlash::Cut>(i % 4);
    Rig rig(8);
    rig.boot();
    rig.flash.random.seed(static_cast<unsigned>(i));
    rig.flash.cut_at = i;
    rig.flash.cut = cut;
    Host host;
    (void)host.work(rig);
    rig.boot();
    auto found = read_all(rig);
    auto expected = host.stored;
    if (!host.unlinking.empty() && found.count(host.unlinking) == 0) expected.erase(host.unlinking);
    // The power may have failed after the commit and before the host saw it: then the file is there, whole.
    if (!host.capturing.empty() && found.count(host.capturing) == 1) expected[host.capturing] = found[host.capturing];
    ASSERT_EQ(found, expected) << "operation " << i;
    for (const auto& [name, document] : found)
      EXPECT_TRUE(test::signature_valid(document, kKey)) << name << ", operation " << i;
    const std::string settings = rig.command("AT+SAMPLESETTINGS?");
    EXPECT_TRUE(settings.find("Label:") != std::string::npos);
    EXPECT_TRUE(settings.find(host.label) != std::string::npos || settings.find(host.tried_label) != std::string::npos)
        << "operation " << i;
    // And work goes on.
    Host next;
    next.stored = found;
    ASSERT_TRUE(next.set_label(rig, "after"));
    while (next.stored.size() > 1) ASSERT_TRUE(next.unlink(rig, next.stored.begin()->first));
    ASSERT_TRUE(next.capture(rig)) << "operation " << i;
  }
}

}  // namespace
}  // namespace tml::fw::app
