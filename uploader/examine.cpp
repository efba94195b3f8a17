// SPDX-License-Identifier: Apache-2.0
#include "uploader/examine.hpp"

#include <algorithm>

#include "common/cli/reporter.hpp"
#include "uploader/parse/wav_check.hpp"

namespace tml::uploader {
namespace {

constexpr std::string_view kWav = "audio/wav";
constexpr std::string_view kCsv = "text/csv";

bool has_csv_metadata(const Upload& upload) {
  return std::ranges::any_of(upload.metadata, [](const auto& entry) { return entry.first.starts_with("csv_"); });
}

}  // namespace

bool FileRules::describes(const Upload& upload) const { return !csv.empty() && is_table(upload.content_type); }

bool FileRules::makes_document(const Upload& upload) const { return wav_documents && upload.content_type == kWav; }

FileRules rules_of(const Options& options) {
  FileRules rules;
  rules.csv.timestamp_column = options.csv_timestamp;
  rules.csv.axes = options.csv_axes;
  if (options.frequency_hz > 0) rules.csv.frequency_hz = options.frequency_hz;
  rules.check_csv = options.check;
  rules.check_wav = options.check;
  rules.wav_documents = options.wav_as_document;
  return rules;
}

Result<std::shared_ptr<FileBytes>> open_upload(const Upload& upload, const FileRules& rules) {
  if (upload.problem) return pass(*upload.problem);
  auto file = FileBytes::open(upload.path);
  if (!file) return file;
  const std::uint64_t size = (*file)->size();
  if (size == 0) return fail(Errc::malformed, "the file is empty:", upload.path);
  const std::uint64_t limit = is_table(upload.content_type) ? rules.max_table_bytes : rules.max_file_bytes;
  if (size > limit) {
    return fail(Errc::limit,
                "File too large, max. size is " + std::to_string(limit >> 20U) + "MB (this one has " +
                    cli::human_size(size) + "):",
                upload.path);
  }
  return file;
}

std::optional<CsvChecker> csv_checker(const Upload& upload, const FileRules& rules) {
  const bool asked = rules.check_csv && rules.csv.empty() && upload.content_type == kCsv && !has_csv_metadata(upload);
  if (!asked && !rules.describes(upload)) return std::nullopt;
  return CsvChecker(upload.path, rules.csv);
}

Result<void> examine_wav(const Upload& upload, const FileBytes& file, const FileRules& rules) {
  Result<WavFacts> facts;
  if (rules.makes_document(upload)) {
    facts = check_wav_document(file.source(), upload.path);
  } else if (rules.check_wav && upload.content_type == kWav) {
    facts = check_wav(file.source(), upload.path);
  }
  if (!facts) return pass(facts.error());
  return {};
}

Result<std::shared_ptr<FileBytes>> open_attachment(const std::string& path, std::uint64_t max_bytes) {
  auto file = FileBytes::open(path);
  if (file && (*file)->size() > max_bytes) return fail(Errc::limit, "the attachment is too large:", path);
  return file;
}

}  // namespace tml::uploader
