// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Where the parsers get their bytes from: in order (ByteSource) or by offset (RandomSource). Both may block (files);
// use them on a worker thread. What a source refers to must outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>

#include "common/base/error.hpp"

namespace tml::uploader {

/// Fills the front of `into` and returns how many bytes it wrote; 0 at the end of the input, never 0 before.
using ByteSource = std::function<Result<std::size_t>(std::span<char> into)>;

/// A whole file or text of known length. `read` fills `into` from `offset` and returns how many bytes there were: fewer
/// than asked only at the end or after a read error.
struct RandomSource {
  std::uint64_t total_bytes = 0;
  std::function<std::size_t(std::uint64_t offset, std::span<std::byte> into)> read;
};

/// Owns the open file. Errc::not_found, Errc::permission or Errc::io.
[[nodiscard]] Result<ByteSource> file_source(const std::filesystem::path& path);
[[nodiscard]] Result<RandomSource> random_file_source(const std::filesystem::path& path);

/// Borrow `text`. `step` bounds what one read returns (tests of chunk borders).
[[nodiscard]] ByteSource text_source(std::string_view text, std::size_t step = SIZE_MAX);
[[nodiscard]] RandomSource random_text_source(std::string_view text);

}  // namespace tml::uploader
