// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "common/spool/spool.hpp"

namespace tml::spool::test {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tml-spool-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline NewEntry entry_of(std::string device, std::string payload, std::string file_name = "idle.json") {
  NewEntry entry;
  entry.device = std::move(device);
  entry.file_name = std::move(file_name);
  entry.content_type = "application/json";
  entry.payload = std::move(payload);
  return entry;
}

inline std::unique_ptr<Spool> open_spool(const std::filesystem::path& folder, Clock& clock, SpoolOptions options = {}) {
  options.folder = folder;
  auto spool = Spool::open(std::move(options), clock, system_random());
  EXPECT_TRUE(spool) << (spool ? "" : spool.error().message());
  return spool ? std::move(*spool) : nullptr;
}

}  // namespace tml::spool::test
