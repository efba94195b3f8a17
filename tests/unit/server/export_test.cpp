// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <nlohmann/json.hpp>

#include "common/base/file.hpp"
#include "common/wire/text.hpp"
#include "server/export_names.hpp"
#include "server/manifest_writer.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::server {
namespace {

TEST(ExportNames, KeepTheNameAndTellRepeatedOnesApart) {
  const auto check = [](std::string_view name, std::string_view format, std::string_view path, std::string_view said) {
    const ExportName made = export_name(name, format, 17);
    EXPECT_EQ(made.path, path);
    EXPECT_EQ(made.name, said);
  };
  check("0003.csv", "csv", "0003.17.csv", "0003");
  check("A.WAV", "wav", "A.17.WAV", "A");
  check("idle.01", "cbor", "idle.01.17.cbor", "idle.01");
  check("idle.cbor", "cbor_binary", "idle.17.cbor", "idle");
  check("voice.wav", "json", "voice.wav.17.json", "voice.wav");
  check(".json", "json", "_.json.17.json", ".json");
  check("a/../b", "png", "a_.._b.17.png", "a/../b");
}

TEST(ExportNames, AreHarmlessOnAnyFileSystem) {
  EXPECT_EQ(safe_file_name("caf\xC3\xA9 (1).json"), "caf\xC3\xA9 (1).json");
  EXPECT_EQ(safe_file_name("-rf"), "_-rf");
  EXPECT_EQ(safe_file_name(".."), "_..");
  EXPECT_EQ(safe_file_name(""), "_");
  EXPECT_EQ(safe_file_name("a\xFF:*"), "a___");
  EXPECT_EQ(safe_file_name("\xC3\xA9\xC3\xA9", 3), "\xC3\xA9");
}

RC_GTEST_PROP(ExportNames, NeverLeaveTheFolder, (const std::string& name)) {
  const std::string safe = safe_file_name(name);
  RC_ASSERT(!safe.empty() && safe.size() <= 200);
  RC_ASSERT(safe.find_first_of(std::string_view("/\\\0\n", 4)) == std::string::npos);
  RC_ASSERT(safe.front() != '.' && safe.front() != '-');
  RC_ASSERT(wire::is_utf8(safe));
}

TEST(Manifest, BothFormsAreReadable) {
  for (const bool ndjson : {false, true}) {
    for (const std::size_t count : {0U, 1U, 5000U}) {
      const test::TempDir folder;
      auto writer = ManifestWriter::create(folder.path(), ndjson);
      ASSERT_TRUE(writer);
      const std::string entry = R"({"path":")" + std::string(100, 'x') + R"("})";
      for (std::size_t i = 0; i < count; ++i) ASSERT_TRUE(writer->add(entry));
      EXPECT_FALSE(std::filesystem::exists(folder / "info.labels"));
      ASSERT_TRUE(writer->finish());
      const std::string text = *read_file(folder / "info.labels", 1U << 24U);
      if (!ndjson) {
        const auto parsed = nlohmann::json::parse(text, nullptr, false);
        ASSERT_TRUE(parsed.is_object());
        EXPECT_EQ(parsed["files"].size(), count);
        continue;
      }
      EXPECT_EQ(text.rfind(R"({"__ndjson":true,)", 0), 0U);
      EXPECT_EQ(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')), count + 1);
      const auto last = nlohmann::json::parse(text.substr(text.rfind('\n', text.size() - 2) + 1), nullptr, false);
      if (count > 0) EXPECT_EQ(last["__key"], "files");
    }
  }
}

}  // namespace
}  // namespace tml::server
