// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Files that are ready to be sent in one request, and what became of each. Plain values that pass from the worker
// (which reads, hashes and signs) to the loop (which sends).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "uploader/file_bytes.hpp"
#include "uploader/journal.hpp"
#include "uploader/upload.hpp"

namespace tml::uploader {

struct ReadyFile {
  Upload upload;
  std::uint64_t number = 0;  ///< In the plan, from 1.
  FileKey key{};
  FileState state;
  std::string envelope;   ///< Empty where the server knows none.
  std::string signature;  ///< 64 hex characters, or empty.
  /// What the document says of itself, checked here; only for servers that do not tell.
  std::optional<sample::Verification> own_signature;
  bool sent_before = false;  ///< An interrupted run may have sent it.
  bool changed = false;      ///< Since an interrupted run sent or began to send it.
  // The content: in Batch::bytes from `offset`, or in `file`.
  std::size_t offset = 0;
  std::uint64_t size = 0;
  std::shared_ptr<FileBytes> file;
};

struct Batch {
  sample::Category category = sample::Category::training;
  std::string bytes;  ///< Contents of the small files, one after the other.
  std::vector<ReadyFile> files;
};

enum class Fate : std::uint8_t {
  uploaded,
  existing,  ///< The server had the content before.
  done,      ///< An earlier run has uploaded it (--resume).
  failed,
};

struct Outcome {
  std::uint64_t number = 0;
  std::string path;
  std::string name;
  std::string label;  ///< As label_text().
  sample::Category category = sample::Category::training;
  std::uint64_t size = 0;
  Fate fate = Fate::uploaded;
  std::chrono::milliseconds took{0};
  std::string signature;         ///< "verified", "failed", "unsigned", "unknown_key", or empty.
  std::string upload_signature;  ///< Likewise: of x-tml-signature, where the server tells it apart.
  std::int64_t sample_id = 0;    ///< 0 = not told.
  std::optional<Error> error;    ///< Fate::failed.
  bool changed = false;          ///< Differs from what an interrupted run had sent or begun to send.
};

/// Names, label, category and size of a file; the rest is for the caller.
[[nodiscard]] Outcome outcome_of(const Upload& upload, std::uint64_t number, std::uint64_t size);

}  // namespace tml::uploader
