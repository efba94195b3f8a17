// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The command line of tml-uploader as plain data, so that only one unit sees the parser. Flags are those of the
// ecosystem's uploader (wire reference 4.1) in any order, and ours.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/error.hpp"
#include "common/base/exit_code.hpp"
#include "common/cli/common_flags.hpp"
#include "common/sample/names.hpp"
#include "uploader/parse/labels.hpp"

namespace tml::uploader {

/// Where a label comes from when --label is not given.
enum class LabelFrom : std::uint8_t {
  file,    ///< The server infers it from the file name (wire reference 4.4).
  folder,  ///< Name of the folder that holds the file.
  none,    ///< Left unlabeled.
};

struct Options : cli::OutputFlags, cli::ServerFlags {
  // What to upload.
  std::vector<std::string> files;  ///< Files and folders (recursive).
  std::string directory;           ///< --directory
  std::string dataset_format;      ///< --dataset-format; empty = detect.
  std::string info_file;           ///< --info-file
  bool format_openmv = false;
  // How it is described.
  std::optional<std::string> label;
  LabelFrom label_from = LabelFrom::file;
  sample::Category category = sample::Category::training;
  bool category_given = false;
  KeyValues metadata;
  std::string csv_timestamp;  ///< Column that holds the time; empty = "timestamp".
  std::vector<std::string> csv_axes;
  double frequency_hz = 0;  ///< 0 = as the file says.

  bool check = true;             ///< CSV and WAV files are checked before they travel.
  bool wav_as_document = false;  ///< --wav-as document

  [[nodiscard]] bool describes_csv() const { return !csv_timestamp.empty() || !csv_axes.empty() || frequency_hz > 0; }
  // How it is sent.
  bool allow_duplicates = false;
  std::uint32_t concurrency = 20;  ///< wire reference 4.1
  std::optional<bool> sign;        ///< Not given: signed for our server, not for others.
  std::uint32_t retries = 8;
  bool resume = false;
  std::string journal;  ///< Empty = in the state folder.
  bool dry_run = false;
  // Account.
  std::string project;
  bool clean = false;
  bool dev = false;
  // Output.
  std::uint64_t progress_start = 0;
  std::uint64_t progress_end = 0;          ///< 0 = what this run uploads.
  std::uint32_t progress_interval_ms = 0;  ///< 0 = a bar on a terminal.
  bool fail_when_any_failed = false;       ///< --dont-allow-failed-uploads: exit 1 in place of 3.
};

/// The options, or the code that the program should end with now (--help, --version, usage error; already printed).
[[nodiscard]] std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv);

/// Asks for one of the ecosystem's hosts (wire reference 2.2): what --dev means where none is named.
[[nodiscard]] Result<std::string> development_host(const Options& options);

}  // namespace tml::uploader
