// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The conversations of tml-flash FILE --protocol smp|eta (docs/other-bootloaders.md) over an open port. The image
// outlives them; results are told through the reporter, errors are the clients'.
#pragma once

#include <span>

#include "common/cli/reporter.hpp"
#include "common/serial/byte_stream.hpp"
#include "flasher/flash_options.hpp"

namespace tml::flasher {

/// Uploads the image, sets it for a test (--permanent: for good; `write`: not at all) and resets the board. An image
/// that runs on trial already is confirmed instead, one that is confirmed is left alone.
[[nodiscard]] serial::Awaitable<Result<void>> flash_by_smp(serial::ByteStream& stream, std::span<const std::byte> image,
                                                           const FlashOptions& options, cli::Reporter& reporter);
[[nodiscard]] serial::Awaitable<Result<void>> flash_by_eta(serial::ByteStream& stream, std::span<const std::byte> image,
                                                           const FlashOptions& options, const BoardFlags& board,
                                                           cli::Reporter& reporter);

}  // namespace tml::flasher
