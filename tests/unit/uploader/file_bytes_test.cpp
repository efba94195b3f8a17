// SPDX-License-Identifier: Apache-2.0
#include "uploader/file_bytes.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/stat.h>

#include <array>

#include "tests/support/temp_dir.hpp"

namespace tml::uploader {
namespace {

RC_GTEST_PROP(StreamMacTest, IsHmacSha256, ()) {
  const auto key = *rc::gen::container<std::string>(rc::gen::nonZero<char>());
  RC_PRE(!key.empty());
  const auto text = *rc::gen::arbitrary<std::string>();
  const auto cut = *rc::gen::inRange<std::size_t>(0, text.size() + 1);
  StreamMac mac(key);
  mac.update(std::string_view(text).substr(0, cut));
  mac.update(std::string_view(text).substr(cut));
  sample::Signer signer(key);
  const std::array<sample::Bytes, 1> pieces = {sample::as_bytes(text)};
  RC_ASSERT(mac.finish() == signer.mac(pieces));
}

TEST(StreamMacTest, HashesLongKeys) {
  const std::string key(100, 'k');
  StreamMac mac(key);
  mac.update("abc");
  sample::Signer signer(key);
  const std::array<sample::Bytes, 1> pieces = {sample::as_bytes("abc")};
  EXPECT_EQ(mac.finish(), signer.mac(pieces));
}

TEST(FileBytesTest, ReadsInPieces) {
  const test::TempDir folder;
  std::string content(700'000, 'x');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 31 / 7);
  const auto path = folder.put("f", content);
  auto file = FileBytes::open(path.string());
  ASSERT_TRUE(file);
  EXPECT_EQ((*file)->size(), content.size());
  std::string whole;
  ASSERT_TRUE((*file)->append_to(whole));
  EXPECT_EQ(whole, content);
  whole.clear();
  ASSERT_TRUE((*file)->each_piece([&whole](std::string_view piece) -> Result<void> {
    whole += piece;
    return {};
  }));
  EXPECT_EQ(whole, content);
  std::filesystem::resize_file(path, 10);
  auto cut = (*file)->append_to(whole);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, Errc::io);
  EXPECT_EQ(whole, content) << "nothing is left behind";
}

TEST(FileBytesTest, RefusesWhatIsNoFile) {
  const test::TempDir folder;
  EXPECT_EQ(FileBytes::open(folder.path().string()).error().code, Errc::refused);
  EXPECT_EQ(FileBytes::open((folder / "none").string()).error().code, Errc::not_found);
  const auto pipe = (folder / "pipe").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(FileBytes::open(pipe).error().code, Errc::refused);
}

}  // namespace
}  // namespace tml::uploader
