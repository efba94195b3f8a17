// SPDX-License-Identifier: Apache-2.0
#include "common/base/file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/support/temp_dir.hpp"

namespace tml {
namespace {

TEST(File, WritesAtomicallyWithItsMode) {
  const test::TempDir dir;
  const auto path = dir / "config";
  ASSERT_TRUE(write_file_atomic(path, "one"));
  ASSERT_TRUE(write_file_atomic(path, "two"));
  EXPECT_EQ(read_file(path, 100).value(), "two");
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1) << "a temporary file was left";
}

TEST(File, RefusesMoreThanAllowed) {
  const test::TempDir dir;
  ASSERT_TRUE(write_file_atomic(dir / "big", std::string(1000, 'x')));
  EXPECT_TRUE(read_file(dir / "big", 1000));
  const auto result = read_file(dir / "big", 999);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::limit);
}

TEST(File, NamesWhatIsMissing) {
  const auto result = read_file("/nonexistent/file", 10);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::not_found);
  EXPECT_EQ(result.error().where, "/nonexistent/file");
}

TEST(File, AFolderIsNoFile) { EXPECT_FALSE(read_file("/", 10)); }

TEST(File, FailedWriteLeavesTheOldContent) {
  const test::TempDir dir;
  EXPECT_FALSE(write_file_atomic(dir / "missing" / "file", "x"));
  std::filesystem::create_directory(dir / "target");
  std::ofstream(dir / "target" / "inside") << "kept";
  EXPECT_FALSE(write_file_atomic(dir / "target", "x")) << "a folder must not be replaced by a file";
  EXPECT_EQ(read_file(dir / "target" / "inside", 100).value(), "kept");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1) << "a temporary file was left";
}

TEST(File, PrivateFolder) {
  const test::TempDir dir;
  const auto path = dir.path() / "a" / "b";
  ASSERT_TRUE(make_private_dir(path));
  ASSERT_TRUE(make_private_dir(path));
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0700U);
}

TEST(File, PrivateFolderInTheCurrentOne) {
  const test::TempDir dir;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(dir.path());
  const auto made = make_private_dir("lab");
  std::filesystem::current_path(before);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_TRUE(std::filesystem::is_directory(dir.path() / "lab"));
}

}  // namespace
}  // namespace tml
