// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/handover.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

namespace tml::fw::native {
namespace {

constexpr const char* kVariable = "TML_BOARD_HANDOVER";

bool taken(const std::string& variable) {
  ::setenv(kVariable, variable.c_str(), 1);
  const bool out = take_handover().has_value();
  EXPECT_EQ(std::getenv(kVariable), nullptr) << variable;
  return out;
}

UniqueFd page(const std::string& bytes) {
  UniqueFd fd(::memfd_create("test", MFD_ALLOW_SEALING | MFD_CLOEXEC));
  EXPECT_EQ(::write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  return fd;
}

std::string cbor(const nlohmann::json& json) {
  std::string out;
  nlohmann::json::to_cbor(json, out);
  return out;
}

TEST(Handover, AStartByHandHasNone) {
  ::unsetenv(kVariable);
  EXPECT_FALSE(take_handover());
}

TEST(Handover, WhatIsNotForThisProcessIsLeftAlone) {
  for (const char* const wrong : {"", "x", "-1", "1x", "999999", "0"}) EXPECT_FALSE(taken(wrong)) << wrong;
  const UniqueFd noise = page("no handover");
  EXPECT_FALSE(taken(std::to_string(noise.get())));
  const UniqueFd other = page(cbor({{"title", "tml-board handover 1"}, {"pid", 1}}));
  EXPECT_FALSE(taken(std::to_string(other.get())));
  const UniqueFd torn = page(cbor({{"title", "tml-board handover 1"}, {"pid", ::getpid()}, {"stay", true}}));
  const int number = torn.get();
  EXPECT_FALSE(taken(std::to_string(::dup(number))));
}

}  // namespace
}  // namespace tml::fw::native
