// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The bootloader: decides what starts, listens for somebody who wants to flash, and serves him; for ever when there is
// nothing to start. The same sources on every board; the port gives the parts.
//
//     tml::fw::boot::Boot boot(uart, parts, memory, options);   // static storage, no heap
//     boot.start();
//     while (!boot.finished()) sleep_until(boot.poll());         // on an MCU the last poll() does not return
//
// The line carries frames of the flash link and SMP console lines; a line of text (AT+CONFIG? of a host that looks for
// applications) is answered with one line that says who is here, and a prompt.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/wire/flash_link.hpp"
#include "firmware/boot/selector.hpp"
#include "firmware/boot/smp_server.hpp"
#include "firmware/hal/uart.hpp"
#include "firmware/update/installer.hpp"
#include "firmware/update/link_server.hpp"
#include "firmware/update/parts.hpp"

namespace tml::fw::boot {

/// When the bootloader wants to run again; always when a byte was received.
struct Wake {
  static constexpr std::uint64_t kNever = UINT64_MAX;
  std::uint64_t delay_us = kNever;  ///< Wire time; 0 = at once.
  bool on_transmit = false;         ///< Also when the UART can take more bytes, or has drained.
};

struct Options {
  std::span<const std::uint32_t> bauds = {};  ///< As LinkOptions::bauds.
  std::uint32_t rx_bytes = 520;               ///< As LinkOptions::rx_bytes.
  std::uint32_t trial_watchdog_ms = 10'000;   ///< A trial must feed the watchdog once within this time.
  std::uint32_t listen_ms = wire::flash::kListenMs;
};

/// Not copyable; meant for static storage. One thread.
class Boot {
 public:
  /// After a request to stay: without a valid frame for this long the application starts, where there is one.
  static constexpr std::uint64_t kStayUs = 30'000'000;
  /// A lone CR is a line when nothing follows it for this long.
  static constexpr std::uint64_t kLoneCrUs = 50'000;
  /// Bytes that one poll() takes at most: what a driver has gathered while the flash was busy, so that it is empty when
  /// the flash is busy again.
  static constexpr std::size_t kMostPerPoll = 4096;

  Boot(hal::Uart& uart, const update::Parts& parts, const update::Memory& memory, const Options& options = {});
  Boot(const Boot&) = delete;
  Boot& operator=(const Boot&) = delete;

  /// Mounts log and keys and begins to decide: bounded, at most three signature checks. Once, before poll().
  void start();
  /// One bounded step: at most a chunk of hashing, one flash erase or page program, and what has arrived.
  Wake poll();
  /// start_application() or reset() was called and returned: destroy this object.
  [[nodiscard]] bool finished() const { return stage_ == Stage::finished; }

  enum class Stage : std::uint8_t {
    checking,  ///< Hashing what is to start, and listening.
    staying,   ///< Somebody asked for the bootloader, or talks to it.
    recovery,  ///< There is nothing to start.
    finished
  };
  [[nodiscard]] Stage stage() const { return stage_; }
  /// For tests and for a board's own diagnostics.
  [[nodiscard]] const update::Installer& installer() const { return installer_; }
  [[nodiscard]] const Selector& selector() const { return selector_; }

 private:
  /// What a byte belongs to. `held`: the first byte behind a boundary; the second one tells.
  enum class Input : std::uint8_t { boundary, held, frame, text };
  enum class Source : std::uint8_t { none, link, smp, text };

  void take(std::uint8_t byte);
  void take_frame_byte(std::uint8_t byte);
  void take_text_byte(std::uint8_t byte);
  void answer_text();
  void send();
  [[nodiscard]] std::span<const std::uint8_t> pending(Source source);
  [[nodiscard]] bool quiet();
  std::uint64_t advance(std::uint64_t now_us);
  std::uint64_t leave(std::uint64_t now_us);

  hal::Uart& uart_;
  update::Parts parts_;
  Options options_;
  update::Installer installer_;
  update::LinkServer link_;
  SmpServer smp_;
  Selector selector_;
  Stage stage_ = Stage::checking;
  std::uint64_t listen_until_us_ = 0;
  std::uint64_t heard_us_ = 0;  ///< The last valid frame or SMP byte, or the start.
  bool heard_ = false;          ///< A valid frame or SMP request has come.
  Input input_ = Input::boundary;
  std::uint8_t held_byte_ = 0;
  std::uint64_t held_us_ = 0;
  bool line_has_text_ = false;
  Source sending_ = Source::none;
  std::array<std::uint8_t, 48> text_{};
  std::size_t text_bytes_ = 0;
  std::size_t text_sent_ = 0;
};

}  // namespace tml::fw::boot
