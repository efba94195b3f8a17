// SPDX-License-Identifier: Apache-2.0
#include "common/base/error.hpp"

#include <gtest/gtest.h>

#include <set>

#include "common/base/exit_code.hpp"

namespace tml {
namespace {

TEST(Error, SaysWhatWhereCauseAndRemedy) {
  const auto failure = fail_errno(EACCES, "cannot open port", "/dev/ttyX", "Join the group dialout");
  EXPECT_EQ(failure.value().code, Errc::permission);
  EXPECT_EQ(failure.value().message(), "cannot open port /dev/ttyX: Permission denied. Join the group dialout");
}

TEST(Error, MessageLeavesOutWhatIsEmpty) {
  EXPECT_EQ((Error{Errc::failed, "it broke", {}, {}, {}}).message(), "it broke");
}

TEST(Error, ErrnoChoosesTheCode) {
  const std::pair<int, Errc> table[] = {
      {ENOENT, Errc::not_found},     {EBUSY, Errc::busy},       {ENOSPC, Errc::disk_full},
      {ENXIO, Errc::unplugged},      {ENODEV, Errc::unplugged}, {ETIMEDOUT, Errc::timeout},
      {ECONNREFUSED, Errc::network}, {EIO, Errc::io},           {EROFS, Errc::permission}};
  for (const auto& [number, code] : table) EXPECT_EQ(fail_errno(number, "x").value().code, code) << number;
}

TEST(Error, EveryCodeHasItsOwnName) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(Errc::server_error); ++code)
    names.insert(errc_name(static_cast<Errc>(code)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(Errc::server_error) + 1);
}

TEST(ExitCode, FollowsTheTable) {
  EXPECT_EQ(static_cast<int>(exit_code_for(Errc::usage)), 2);
  EXPECT_EQ(static_cast<int>(exit_code_for(Errc::partial)), 3);
  EXPECT_EQ(static_cast<int>(exit_code_for(Errc::unplugged)), 4);
  EXPECT_EQ(static_cast<int>(exit_code_for(Errc::busy)), 5);
  EXPECT_EQ(static_cast<int>(exit_code_for(Errc::permission)), 6);
  EXPECT_EQ(static_cast<int>(exit_code_for(Errc::auth)), 7);
  EXPECT_EQ(static_cast<int>(exit_code_for(Errc::server_error)), 8);
  EXPECT_EQ(static_cast<int>(exit_code_for(Errc::verification)), 9);
  EXPECT_EQ(static_cast<int>(exit_code_for(Errc::timeout)), 10);
  EXPECT_EQ(static_cast<int>(exit_code_for(Errc::refused)), 11);
  EXPECT_EQ(static_cast<int>(exit_code_for(Errc::interrupted)), 130);
  EXPECT_EQ(static_cast<int>(exit_code_for(Errc::malformed)), 1);
}

}  // namespace
}  // namespace tml
