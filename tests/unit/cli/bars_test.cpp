// SPDX-License-Identifier: Apache-2.0
#include "common/cli/bars.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <vector>

namespace tml::cli {
namespace {

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

TEST(Bars, HalfAndWholeAndNothing) {
  const std::vector<Bar> bars = {{"a", 1.0}, {"bb", 0.5}, {"c", 0.0}};
  EXPECT_EQ(render_bars(bars, {24, false, 1.0}),
            "a   ██████████    1.000\n"
            "bb  █████         0.500\n"
            "c                 0.000\n");
}

TEST(Bars, TheMarkedOneIsColouredOnlyWhereColoursAreWanted) {
  const std::vector<Bar> bars = {{"a", 0.25, true}};
  EXPECT_EQ(render_bars(bars, {24, false, 1.0}).find('\x1b'), std::string::npos);
  EXPECT_EQ(render_bars(bars, {24, true, 1.0}).find("\x1b[1;32ma"), 0U);
}

TEST(Bars, LabelsCannotDriveTheTerminal) {
  const std::vector<Bar> bars = {{"\x1b[2Jx", 0.5}};
  EXPECT_EQ(render_bars(bars, {80, false, 1.0}).find('\x1b'), std::string::npos);
}

RC_GTEST_PROP(Bars, NoLineIsWiderThanTheTerminal, ()) {
  const auto columns = *rc::gen::inRange<std::size_t>(0, 200);
  std::vector<Bar> bars;
  for (const auto& label : *rc::gen::arbitrary<std::vector<std::string>>()) {
    std::string ascii = label;
    std::erase_if(ascii, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
    bars.push_back({ascii, *rc::gen::arbitrary<double>()});
  }
  std::string text = render_bars(bars, {columns, false, 1.0});
  std::size_t lines = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    RC_ASSERT(end != std::string::npos);
    RC_ASSERT(characters(std::string_view(text).substr(0, end)) <= std::max<std::size_t>(columns, 24));
    text.erase(0, end + 1);
    ++lines;
  }
  RC_ASSERT(lines == bars.size());
}

}  // namespace
}  // namespace tml::cli
