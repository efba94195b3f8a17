// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <string>
#include <vector>

#include "firmware/boards/native/ecm3532_boot.hpp"
#include "tests/fuzz/wire/input.hpp"

namespace {

// NOR in memory that ends the run when a rule is broken.
class Flash final : public tml::fw::hal::Flash {
 public:
  [[nodiscard]] std::uint32_t size_bytes() const override { return static_cast<std::uint32_t>(cells_.size()); }
  [[nodiscard]] bool read(std::uint32_t offset, std::span<std::uint8_t> into) override {
    if (std::uint64_t{offset} + into.size() > cells_.size()) return false;
    std::copy_n(cells_.begin() + offset, into.size(), into.begin());
    return true;
  }
  [[nodiscard]] bool program(std::uint32_t offset, std::span<const std::uint8_t> bytes) override {
    tml::wire::fuzz::require(offset % 256 + bytes.size() <= 256 && offset + bytes.size() <= cells_.size());
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      tml::wire::fuzz::require((cells_[offset + i] & bytes[i]) == bytes[i]);
      cells_[offset + i] = bytes[i];
    }
    return true;
  }
  [[nodiscard]] bool erase_sector(std::uint32_t offset) override {
    tml::wire::fuzz::require(offset % 4096 == 0 && offset < cells_.size());
    std::fill_n(cells_.begin() + offset, 4096, std::uint8_t{0xFF});
    return true;
  }

 private:
  std::vector<std::uint8_t> cells_ = std::vector<std::uint8_t>(0x8000, 0xFF);
};

}  // namespace

// Any lines, also those of an update, leave the flash's rules whole and the answers bounded.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Flash flash;
  tml::fw::native::Ecm3532Boot boot(flash);
  std::string out;
  boot.start(out);
  for (const char c : std::string_view("AT+APPINFO=a,b,0,20000\rAT+BINBLOB=1,"))
    boot.receive(static_cast<std::uint8_t>(c), out);
  for (std::size_t i = 0; i < size; ++i) boot.receive(data[i], out);
  for (const char c : std::string_view("\rAT+EOU\r")) boot.receive(static_cast<std::uint8_t>(c), out);
  tml::wire::fuzz::require(out.size() <= 1000 + size * 200);
  return 0;
}
