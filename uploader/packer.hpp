// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Turns a plan into batches: opens and reads each file once (small ones; large ones are hashed and then streamed),
// takes its hash and MAC, looks it up in the journal, and notes it there as sent before anybody sends it. Blocking:
// runs on the worker, one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "uploader/batch.hpp"
#include "uploader/parse/csv_check.hpp"
#include "uploader/plan.hpp"

namespace tml::uploader {

struct PackOptions {
  bool batches = false;  ///< Several small files in one request (the server takes headers per part).
  bool hash = false;     ///< Take SHA-256: for envelopes, known hashes and the journal.
  std::size_t max_files = 1;
  std::size_t max_batch_bytes = std::size_t{512} << 10U;
  std::size_t small_bytes = std::size_t{128} << 10U;  ///< Up to here a file's content travels in memory.
  std::uint64_t max_file_bytes = 0;
  std::uint64_t max_csv_bytes = 0;  ///< The same for .csv and .txt.
  std::string mac_key;              ///< Empty = no x-tml-signature.
  std::string verify_key;           ///< For documents' own signatures; empty = not checked here.
  std::string document_key;         ///< Signs documents that are made here; empty = alg "none".
  CsvDescription csv;
  bool convert_csv = false;    ///< Rewrite described files; else describe them in their metadata.
  bool check_csv = false;      ///< Refuse .csv files without description that break the rules (csv_check.hpp).
  bool check_wav = false;      ///< Refuse broken .wav files.
  bool wav_documents = false;  ///< Send .wav files as acquisition documents, signed with document_key.
};

/// One turn: what was settled without being sent, and perhaps a batch.
struct Packed {
  std::vector<Outcome> settled;
  std::optional<Batch> batch;
  bool end = false;  ///< Nothing comes after this.
};

class Packer {
 public:
  /// All three outlive it. `journal` may be null.
  Packer(Plan& plan, Journal* journal, Clock& clock, PackOptions options);

  /// An Error ends the run: the plan is damaged or the journal cannot be written.
  [[nodiscard]] Result<Packed> next();

 private:
  /// Empty = settled.
  [[nodiscard]] std::optional<ReadyFile> load(Upload upload, std::string& into, Packed& packed);
  [[nodiscard]] Result<void> read_small(ReadyFile& ready, const FileBytes& file, std::string& into);
  [[nodiscard]] Result<void> read_large(ReadyFile& ready, const FileBytes& file);
  [[nodiscard]] Result<void> describe_csv(ReadyFile& ready, const FileBytes& file,
                                          std::optional<std::string>& converted);
  [[nodiscard]] Result<void> read_wav(ReadyFile& ready, std::optional<std::string>& document) const;
  [[nodiscard]] bool looks_into_csv(const Upload& upload) const;
  [[nodiscard]] bool looks_into_wav(const Upload& upload) const;
  [[nodiscard]] bool is_rewritten(const Upload& upload) const;
  [[nodiscard]] bool is_done(ReadyFile& ready, const FileBytes& file, Outcome& outcome) const;
  [[nodiscard]] std::uint64_t limit_for(const Upload& upload) const;
  [[nodiscard]] Result<Packed> give(Packed packed, Batch batch);

  Plan& plan_;
  Journal* journal_;
  Clock& clock_;
  PackOptions options_;
  std::optional<sample::Signer> signer_;
  std::array<Batch, 6> open_;  ///< One per category.
  std::uint64_t number_ = 0;
  bool plan_ended_ = false;
  std::chrono::nanoseconds synced_{0};
};

}  // namespace tml::uploader
