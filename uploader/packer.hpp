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
#include "uploader/examine.hpp"
#include "uploader/plan.hpp"

namespace tml::uploader {

struct PackOptions {
  bool batches = false;  ///< Several small files in one request (the server takes headers per part).
  bool hash = false;     ///< Take SHA-256: for envelopes, known hashes and the journal.
  std::size_t max_files = 1;
  std::size_t max_batch_bytes = std::size_t{512} << 10U;
  std::size_t small_bytes = std::size_t{128} << 10U;  ///< Up to here a file's content travels in memory.
  FileRules rules;                                    ///< Which files are refused.
  std::string mac_key;                                ///< Empty = no x-tml-signature.
  std::string verify_key;                             ///< For documents' own signatures; empty = not checked here.
  std::string document_key;                           ///< Signs documents that are made here; empty = alg "none".
  bool convert_csv = false;  ///< Rewrite described files that break the rules; else describe them in their metadata.
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
  /// Examines and reads it, into `into` or, when it is large, for its hash and MAC only.
  [[nodiscard]] Result<void> read(ReadyFile& ready, std::shared_ptr<FileBytes> file, std::string& into);
  /// What is sent may be made here, in memory whatever the file's size.
  [[nodiscard]] bool is_rewritten(const Upload& upload) const;
  /// What is sent in place of the file's own bytes; empty = those.
  [[nodiscard]] Result<std::optional<std::string>> made_from(ReadyFile& ready, const FileBytes& file) const;
  [[nodiscard]] Result<void> read_large(ReadyFile& ready, std::optional<CsvChecker>& checker);
  [[nodiscard]] Result<void> verify_document(ReadyFile& ready, std::string_view batch) const;
  void take_digests(ReadyFile& ready, std::string_view content);
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
