// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a run has sent and what became of it, in an append-only file that survives a kill at any byte
// (docs/tml-uploader.md has the format). A frame is there whole or not at all; whatever follows the first damaged frame
// is cut off when the journal is opened again.
//
// A file's envelope id is derived from the journal's run id, the file's key and its content. So nothing but the header
// must reach the disk before the first request: a run that is repeated from an older state of the journal sends the
// same ids again, and our server stores each once. Not thread-safe; blocking.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/base/file.hpp"
#include "common/base/random.hpp"
#include "common/sample/signature.hpp"
#include "uploader/upload.hpp"

namespace tml::uploader {

using RunId = std::array<std::byte, 16>;
using FileKey = std::array<std::byte, 16>;

/// Tells uploads apart: absolute path, category, label and name sent.
[[nodiscard]] FileKey file_key(const Upload& upload);

/// A file as it was when it was sent.
struct FileState {
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  sample::Digest sha256{};  ///< All zero = not taken.
  friend bool operator==(const FileState&, const FileState&) = default;
};

/// RFC 9562 version 8 UUID over run, key and content.
[[nodiscard]] std::string envelope_id(const RunId& run, const FileKey& key, const sample::Digest& content);

enum class Mark : std::uint8_t {
  sent = 1,      ///< In a request whose answer is not known.
  uploaded = 2,  ///< The server has it.
  existing = 3,  ///< The server had the content before.
  failed = 4,    ///< Refused; a resumed run tries again.
};

struct JournalEntry {
  FileKey key{};
  Mark mark = Mark::sent;
  FileState state;
  friend bool operator==(const JournalEntry&, const JournalEntry&) = default;
};

class Journal {
 public:
  /// A new, empty journal in place of whatever is there; on disk when this returns. `target` names server and project:
  /// a journal is resumed for the same one only. Errc::busy when another process holds it.
  [[nodiscard]] static Result<Journal> create(const std::filesystem::path& file, std::string_view target,
                                              Random& random);
  /// Continues. Errc::not_found, Errc::malformed (no journal), Errc::usage (another target), Errc::busy.
  [[nodiscard]] static Result<Journal> resume(const std::filesystem::path& file, std::string_view target);

  [[nodiscard]] const RunId& run() const { return run_; }
  /// What is known of a file from before this run: the last mark. Log time.
  [[nodiscard]] std::optional<JournalEntry> find(const FileKey& key) const;
  /// Files known from before.
  [[nodiscard]] std::size_t known() const { return known_.size(); }

  /// Adds the entries as one frame with one write(). Errc::disk_full, Errc::io; then nothing of them is in the file.
  [[nodiscard]] Result<void> append(std::span<const JournalEntry> entries);
  /// To the disk (fdatasync).
  [[nodiscard]] Result<void> sync();
  /// The run is complete: moves the journal aside to `to`, where a --resume still finds it (a kill may come between
  /// the last answer and the end of the program).
  void retire(const std::filesystem::path& to);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  Journal(std::filesystem::path path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::filesystem::path path_;
  UniqueFd fd_;
  bool torn_ = false;  ///< A frame that was cut short could not be removed.
  RunId run_{};
  std::vector<JournalEntry> known_;  ///< Sorted by key.
};

/// The content of a journal file: header and the entries of whole frames; what it takes from foreign bytes is bounded
/// by their length.
struct JournalContent {
  RunId run{};
  std::string target;
  std::vector<JournalEntry> entries;  ///< In the order written.
  std::size_t whole_bytes = 0;        ///< Up to the end of the last whole frame.
};
/// Errc::malformed when the header is damaged.
[[nodiscard]] Result<JournalContent> read_journal(std::string_view bytes, std::string_view where);
/// The header of a journal, and a frame of entries, as bytes.
[[nodiscard]] std::string journal_header(const RunId& run, std::string_view target);
[[nodiscard]] std::string journal_frame(std::span<const JournalEntry> entries);

}  // namespace tml::uploader
