// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/ecm3532_boot.hpp"

#include <algorithm>
#include <array>

#include "common/wire/base64.hpp"
#include "common/wire/crc.hpp"
#include "common/wire/number.hpp"

namespace tml::fw::native {
namespace {

constexpr std::size_t kMaxDecoded = 4098;  // wire reference 8.2
constexpr std::uint32_t kRamStart = 0x10000000;
constexpr std::uint32_t kRamEnd = 0x1FFFFFFF;
constexpr int kTries = 2;
constexpr std::string_view kPrompt = "> ";

std::optional<std::int64_t> number(std::string_view text) {
  const wire::Result<std::int64_t> value = wire::parse_signed(text);
  if (!value) return std::nullopt;
  return *value;
}

void text_line(std::string& out, std::string_view text) { (out += text) += "\r\n"; }
void reply(std::string& out, std::string_view text) { (out += text) += '\r'; }

void refuse_blob(std::string& out, std::string_view text, std::int64_t sequence) {
  text_line(out, text);
  reply(out, "AT+NACKBLOB=" + std::to_string(sequence));
}

void refuse(std::string& out, std::string_view text) {
  text_line(out, text);
  reply(out, "AT+NACK");
}

}  // namespace

void Ecm3532Boot::start(std::string& out) {
  line_.clear();
  gathered_.clear();
  overlong_ = leaves_ = updating_ = ready_ = false;
  sequence_ = 0;
  pointer_ = kImageStart;
  text_line(out, "Eta Compute Bootloader - v1.0.2");
  out += kPrompt;
}

void Ecm3532Boot::receive(std::uint8_t byte, std::string& out) {
  if (byte != '\r') {
    if (byte == '\n') return;
    overlong_ = overlong_ || line_.size() == kMaxLine;
    if (!overlong_) line_ += static_cast<char>(byte);
    return;
  }
  if (overlong_) {
    refuse(out, "Line too long.");
  } else if (!line_.empty()) {
    run(line_, out);
  }
  overlong_ = false;
  line_.clear();
  if (!leaves_) out += kPrompt;
}

void Ecm3532Boot::run(std::string_view line, std::string& out) {
  const std::size_t equals = line.find('=');
  std::string_view name = line.substr(0, equals);
  if (equals == std::string_view::npos && name.ends_with('?')) name.remove_suffix(1);
  Arguments arguments;
  if (equals != std::string_view::npos) {
    std::string_view rest = line.substr(equals + 1);
    while (true) {
      const std::size_t comma = rest.find(',');
      std::string_view argument = rest.substr(0, comma);
      if (argument.starts_with(' ')) argument.remove_prefix(1);
      arguments.push_back(argument);
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  if (name == "AT+HELP") {
    text_line(out, "Eta Compute Bootloader - v1.0.2");
    text_line(out, "Compiled on " __DATE__ " at " __TIME__);
    for (const std::string_view command : {"AT+HELP", "AT+VER", "AT+APPINFO=name,target,crc,length",
                                           "AT+BINBLOB=seq,crc,base64", "AT+EOU", "AT+APPMODE", "AT+BOOTMODE"})
      text_line(out, command);
  } else if (name == "AT+VER") {
    reply(out, "AT+VER=1.0.2");
  } else if (name == "AT+APPINFO") {
    app_info(arguments, out);
  } else if (name == "AT+BINBLOB") {
    blob(arguments, out);
  } else if (name == "AT+EOU") {
    end_of_update(out);
  } else if (name == "AT+APPMODE") {
    if (!ready_) return refuse(out, "Image not ready.  Run AT+EOU first.");
    reply(out, "AT+ACK");
    leaves_ = true;
  } else if (name == "AT+BOOTMODE") {
    reply(out, "AT+ACK");
  } else {
    refuse(out, "No handler for AT command (" + std::string(line.substr(0, 64)) + ")");
  }
}

void Ecm3532Boot::app_info(const Arguments& arguments, std::string& out) {
  if (arguments.size() != 4) return refuse(out, "Invalid number of args.");
  const std::int64_t bytes = number(arguments[3]).value_or(0);
  if (bytes <= 0 || bytes > UINT32_MAX) return refuse(out, "Invalid number of bytes.");
  image_crc_ = static_cast<std::int32_t>(number(arguments[2]).value_or(0));
  image_bytes_ = static_cast<std::uint32_t>(bytes);
  sequence_ = 0;
  pointer_ = kImageStart;
  gathered_.clear();
  updating_ = true;
  ready_ = false;
  reply(out, "AT+BLOBSIZE=" + std::to_string(kPage));
  reply(out, "AT+ACK");
}

void Ecm3532Boot::blob(const Arguments& arguments, std::string& out) {
  if (arguments.size() != 3) return refuse_blob(out, "Invalid number of args.", 0);
  const std::int64_t sequence = number(arguments[0]).value_or(0);
  if (sequence == sequence_ && sequence != 0)
    return refuse_blob(out, "Already received and programmed blob #" + std::to_string(sequence), sequence);
  if (!updating_ || sequence != std::int64_t{sequence_} + 1)
    return refuse_blob(out,
                       "Invalid sequence number, expected " + std::to_string(sequence_ + 1) + " but received " +
                           std::to_string(sequence),
                       sequence);
  const std::string_view text = arguments[2];
  const std::size_t estimate = text.size() * 3 / 4;
  if (estimate > kMaxDecoded)
    return refuse_blob(out,
                       "Cannot allocate decoded data buffer of size " + std::to_string(estimate) + ", max size is " +
                           std::to_string(kPage),
                       sequence);
  std::vector<std::byte> decoded(wire::base64_max_decoded_size(text.size()));
  const wire::Result<std::size_t> size = wire::base64_decode(text, decoded);
  decoded.resize(size.value_or(0));
  const auto crc = static_cast<std::int32_t>(wire::Crc32::of(decoded));
  const std::int64_t expected = number(arguments[1]).value_or(0);
  if (crc != expected || !size)
    return refuse_blob(
        out, "Checksum failed, expected " + std::to_string(expected) + " but decoded CRC32was " + std::to_string(crc),
        sequence);
  for (const std::byte b : decoded) gathered_.push_back(static_cast<std::uint8_t>(b));
  while (gathered_.size() >= kPage) {
    if (program_gathered(kPage)) continue;
    updating_ = false;
    return refuse_blob(out, "Flash programming error.", sequence);
  }
  sequence_ = static_cast<std::uint32_t>(sequence);
  reply(out, "AT+ACKBLOB=" + std::to_string(sequence));
}

void Ecm3532Boot::end_of_update(std::string& out) {
  if (!gathered_.empty() && !program_gathered(gathered_.size())) {
    updating_ = false;
    return refuse(out, "Flash programming error.");
  }
  const std::optional<std::uint32_t> stored = stored_crc();
  const auto crc = static_cast<std::int32_t>(stored.value_or(0));
  if (!stored || image_bytes_ == 0 || crc != image_crc_)
    return refuse(out, "Checksum failed, expected " + std::to_string(image_crc_) + " but decoded CRC32was " +
                           std::to_string(crc));
  if (!image_valid()) return refuse(out, "Image not valid");
  ready_ = true;
  reply(out, "AT+ACK");
}

bool Ecm3532Boot::program_gathered(std::size_t bytes) {
  for (int attempt = 0; attempt < kTries; ++attempt) {
    if (!program_page(pointer_, bytes)) continue;
    gathered_.erase(gathered_.begin(), gathered_.begin() + static_cast<std::ptrdiff_t>(bytes));
    pointer_ += static_cast<std::uint32_t>(bytes);
    return true;
  }
  return false;
}

bool Ecm3532Boot::blank(std::uint32_t address) {
  std::array<std::uint8_t, kPage> page{};
  return flash_.read(address - kFlashBase, page) && std::ranges::all_of(page, [](std::uint8_t b) { return b == 0xFF; });
}

// The page and the one behind it are erased where they are not blank.
bool Ecm3532Boot::program_page(std::uint32_t address, std::size_t bytes) {
  const std::uint32_t page = address / kPage * kPage;
  for (const std::uint32_t erase : {page, page + static_cast<std::uint32_t>(kPage)}) {
    if (erase - kFlashBase + kPage > flash_.size_bytes()) {
      if (erase == page) return false;
      continue;
    }
    if (!blank(erase) && !flash_.erase_sector(erase - kFlashBase)) return false;
  }
  for (std::size_t at = 0; at < bytes; at += hal::kFlashPageBytes) {
    const std::size_t count = std::min<std::size_t>(hal::kFlashPageBytes, bytes - at);
    if (!flash_.program(address - kFlashBase + static_cast<std::uint32_t>(at),
                        std::span<const std::uint8_t>(gathered_).subspan(at, count)))
      return false;
  }
  return true;
}

std::optional<std::uint32_t> Ecm3532Boot::stored_crc() {
  wire::Crc32 crc;
  std::array<std::uint8_t, kPage> page{};
  for (std::uint32_t at = 0; at < image_bytes_;) {
    const auto count = std::min<std::uint32_t>(kPage, image_bytes_ - at);
    if (!flash_.read(kImageStart - kFlashBase + at, std::span(page).first(count))) return std::nullopt;
    crc.update(std::as_bytes(std::span<const std::uint8_t>(page).first(count)));
    at += count;
  }
  return crc.value();
}

bool Ecm3532Boot::image_valid() {
  std::array<std::uint8_t, 8> vectors{};
  if (!flash_.read(kImageStart - kFlashBase, vectors)) return false;
  const auto word = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value |= std::uint32_t{vectors[at + i]} << (8 * i);
    return value;
  };
  const std::uint32_t stack = word(0);
  const std::uint32_t reset = word(4);
  return stack >= kRamStart && stack <= kRamEnd && reset >= kImageStart && reset != 0xFFFFFFFF;
}

}  // namespace tml::fw::native
