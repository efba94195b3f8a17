// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "common/spool/spool.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::spool::test {

using TemporaryFolder = ::tml::test::TempDir;

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
