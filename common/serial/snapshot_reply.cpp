// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/serial/snapshot_reply.hpp"

#include <algorithm>
#include <string>

#include "common/wire/at_host.hpp"
#include "common/wire/base64.hpp"

namespace tml::serial {
namespace {

constexpr std::size_t kMinJpegBytes = 125;        // wire reference 1.11
constexpr std::size_t kMinFrameCharacters = 100;  // wire reference 1.11
constexpr std::size_t kSmallJpegRoom = 4096;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::string shown(std::string_view text) {
  constexpr std::size_t kShown = 120;
  std::string line(trimmed(text).substr(0, kShown));
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7F; }, ' ');
  return line;
}

}  // namespace

std::size_t snapshot_text_limit(SnapshotSize size) {
  const std::uint64_t bytes = std::uint64_t{size.width} * size.height * 3 + kSmallJpegRoom;
  return wire::base64_encoded_size(static_cast<std::size_t>(bytes));
}

bool is_ok_line(std::string_view line) {
  const std::string_view text = trimmed(line);
  if (text.size() != 2 && text.size() != 4) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<char>(static_cast<unsigned char>(text[i]) | 0x20U);
    if (c != (i % 2 == 0 ? 'o' : 'k')) return false;
  }
  return true;
}

Result<SnapshotImage> decode_snapshot(std::string_view base64, SnapshotSize size) {
  const std::string_view text = trimmed(base64);
  if (text.size() > snapshot_text_limit(size)) {
    return fail(Errc::garbage, "snapshot has " + std::to_string(text.size()) + " characters, more than a picture of " +
                                   std::to_string(size.width) + "x" + std::to_string(size.height) + " can");
  }
  SnapshotImage image;
  image.size = size;
  image.bytes.resize(wire::base64_max_decoded_size(text.size()) + 3);
  const auto decoded = wire::base64_decode(text, image.bytes);
  if (!decoded) return fail(Errc::garbage, "snapshot is no base64: " + shown(text.substr(0, 40)));
  image.bytes.resize(*decoded);
  const std::uint64_t pixels = std::uint64_t{size.width} * size.height;
  if (*decoded == pixels) {
    image.form = SnapshotImage::Form::grayscale;
  } else if (*decoded == 3 * pixels) {
    image.form = SnapshotImage::Form::rgb;
  } else if (*decoded >= kMinJpegBytes && image.bytes[0] == std::byte{0xFF} && image.bytes[1] == std::byte{0xD8}) {
    image.form = SnapshotImage::Form::jpeg;
  } else {
    return fail(Errc::garbage, "snapshot of " + std::to_string(*decoded) + " bytes is neither " +
                                   std::to_string(size.width) + "x" + std::to_string(size.height) +
                                   " raw pixels nor a JPEG");
  }
  return image;
}

Result<SnapshotImage> parse_snapshot_reply(std::string_view body, SnapshotSize size) {
  std::string_view last;
  std::string_view error;
  while (!body.empty()) {
    const std::size_t end = std::min(body.find_first_of("\r\n"), body.size());
    const std::string_view line = trimmed(body.substr(0, end));
    body.remove_prefix(std::min(end + 1, body.size()));
    if (line.empty() || is_ok_line(line)) continue;
    last = line;
    // A picture's line can spell nothing with a blank or a colon in it.
    if (error.empty() && line.size() < 1024) error = wire::judge_reply(line).error_line;
  }
  if (!error.empty()) return fail(Errc::refused, shown(error));
  if (last.empty()) return fail(Errc::garbage, "board's answer holds no snapshot");
  return decode_snapshot(last, size);
}

StreamLine classify_stream_line(std::string_view line) {
  const std::string_view text = trimmed(line);
  if (text.starts_with("ERR:")) return StreamLine::error;
  if (text.size() < kMinFrameCharacters) return StreamLine::other;
  if (text.starts_with("Image resolution:") || text.starts_with("Starting snapshot")) return StreamLine::other;
  return StreamLine::frame;
}

}  // namespace tml::serial
