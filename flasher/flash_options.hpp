// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What the flashing commands of tml-flash are told, as plain data (options.hpp has the others).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/flashlink/object_file.hpp"

namespace tml::flasher {

/// Of every command that talks to a board.
struct BoardFlags {
  std::string port;                    ///< --port; empty: the only one there is.
  std::uint32_t start_baud = 115'200;  ///< --start-baud (wire reference 1.1)
  std::uint32_t baud = 0;              ///< --baud; 0: the board's highest.
  std::uint32_t wait_s = 20;           ///< --wait: for a port that was pulled out.
  std::uint32_t boot_wait_s = 45;      ///< --boot-wait: from restart to the first answer of the application.
  bool no_daemon = false;              ///< --no-daemon: never ask a running tml-daemon for the port.
};

/// How a file that is not signed yet is signed.
struct SigningFlags {
  std::string key;              ///< --key FILE.key; empty: TML_SIGNING_KEY, the configuration, the development key.
  std::string passphrase_file;  ///< --passphrase-file
  flashlink::ObjectFlags object;
};

/// tml-flash FILE, tml-flash write FILE --slot S
struct FlashOptions {
  std::string file;
  std::string impulse;  ///< --impulse, --labels: for a .tflite
  std::string labels;
  SigningFlags signing;
  std::optional<std::uint8_t> slot;
  std::uint8_t stage = 0;
  bool write_only = false;  ///< tml-flash write
  bool background = false;
  bool dry_run = false;
  bool no_confirm = false;
  bool permanent = false;
  bool no_base = false;  ///< --base none
  bool no_compress = false;
  bool orphan_models = false;
  std::string protocol = "tml";  ///< tml, smp, eta
  bool skip_reset = false;       ///< eta: the board is in its bootloader already.
  bool write_pacing = false;     ///< eta: 5 bytes per 5 ms.
};

/// tml-flash sign FILE... -o OUT.tmlu
struct SignOptions {
  std::vector<std::string> files;
  std::string output;
  std::string impulse;
  std::string labels;
  SigningFlags signing;
};

/// tml-flash keygen --out NAME
struct KeygenOptions {
  std::string out;
  bool passphrase = false;  ///< Asked for twice.
  std::string passphrase_file;
};

/// tml-flash info FILE
struct FileInfoOptions {
  std::string file;
  std::vector<std::string> keys;  ///< --key FILE.pub: signatures are checked with these too.
};

/// A command for a board that needs no file but a key set.
struct BoardCommand {
  enum class What : std::uint8_t { info, verify, confirm, revert, erase, keys, read_log, tag, reboot };
  What what = What::info;
  std::optional<std::uint8_t> slot;  ///< erase, verify
  std::optional<std::uint8_t> lane;  ///< confirm, revert; none: those on trial.
  std::string install;               ///< keys --install FILE
  SigningFlags signing;              ///< For a key set that is not signed yet: the root key.
  std::string tag;
  bool bootloader = false;  ///< reboot --bootloader
  bool yes = false;
  std::uint32_t records = 16;  ///< read-log
};

}  // namespace tml::flasher
