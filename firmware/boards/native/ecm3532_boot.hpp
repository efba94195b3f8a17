// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The bootloader of the ECM3532 (AI Sensor), version 1.0.2, as wire reference 8.2 tells what it does: lines that end
// with CR, replies that end with CR, base64 blocks in sequence, gathered into pages of 4096 bytes, an image that is
// checked at the end. Sans I/O: bytes in, text out.
//
// Where the reference is silent: text lines end with CR LF, `> ` follows each answer, nothing is echoed, a reply's
// AT+NACKBLOB names the number that was sent.
//
// One thread. The flash outlives the object. Lines are bounded: what is longer is dropped up to its CR.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/hal/flash.hpp"

namespace tml::fw::native {

class Ecm3532Boot {
 public:
  static constexpr std::uint32_t kFlashBase = 0x01000000;   ///< Address of the flash's first byte.
  static constexpr std::uint32_t kImageStart = 0x01005000;  ///< wire reference 8.2
  static constexpr std::size_t kMaxLine = 8192;
  static constexpr std::size_t kPage = 4096;

  explicit Ecm3532Boot(hal::Flash& flash) : flash_(flash) {}

  /// After a reset: forgets everything and prints the banner and a prompt.
  void start(std::string& out);
  void receive(std::uint8_t byte, std::string& out);

  /// AT+APPMODE was acknowledged.
  [[nodiscard]] bool leaves() const { return leaves_; }
  /// What lies in the flash has a stack pointer and a reset vector that an image may have.
  [[nodiscard]] bool image_valid();

  [[nodiscard]] std::uint32_t sequence() const { return sequence_; }

 private:
  using Arguments = std::vector<std::string_view>;
  void run(std::string_view line, std::string& out);
  void app_info(const Arguments& arguments, std::string& out);
  void blob(const Arguments& arguments, std::string& out);
  void end_of_update(std::string& out);
  [[nodiscard]] bool program_gathered(std::size_t bytes);
  [[nodiscard]] bool program_page(std::uint32_t address, std::size_t bytes);
  [[nodiscard]] bool blank(std::uint32_t address);
  [[nodiscard]] std::optional<std::uint32_t> stored_crc();

  hal::Flash& flash_;
  std::string line_;
  bool overlong_ = false;
  bool leaves_ = false;
  bool updating_ = false;
  bool ready_ = false;
  std::uint32_t sequence_ = 0;
  std::uint32_t pointer_ = kImageStart;
  std::int32_t image_crc_ = 0;
  std::uint32_t image_bytes_ = 0;
  std::vector<std::uint8_t> gathered_;
};

}  // namespace tml::fw::native
