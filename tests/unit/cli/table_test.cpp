// SPDX-License-Identifier: Apache-2.0
#include "common/cli/table.hpp"

#include <gtest/gtest.h>

namespace tml::cli {
namespace {

TEST(Table, AlignsByCodePoints) {
  EXPECT_EQ(format_table({{"NAME", "N"}, {"é", "1"}, {"longer", "22"}}), "NAME    N\né       1\nlonger  22");
}

TEST(Table, RaggedRowsAndNone) {
  EXPECT_EQ(format_table({}), "");
  EXPECT_EQ(format_table({{"A"}, {"b", "c"}}), "A\nb  c");
}

}  // namespace
}  // namespace tml::cli
