// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a board may answer to AT+SNAPSHOT, and the lines of its stream. The first two bytes are the size asked for.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/serial/snapshot_reply.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::serial;
  if (size < 2) return 0;
  const SnapshotSize asked{data[0], data[1]};
  const std::string_view text(reinterpret_cast<const char*>(data + 2), size - 2);
  const auto image = parse_snapshot_reply(text, asked);
  const std::uint64_t pixels = std::uint64_t{asked.width} * asked.height;
  if (image && image->form == SnapshotImage::Form::grayscale && image->bytes.size() != pixels) std::abort();
  if (image && image->form == SnapshotImage::Form::rgb && image->bytes.size() != 3 * pixels) std::abort();
  if (image && image->bytes.size() > text.size()) std::abort();
  if (classify_stream_line(text) == StreamLine::frame) static_cast<void>(decode_snapshot(text, asked));
  return 0;
}
