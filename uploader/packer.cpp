// SPDX-License-Identifier: Apache-2.0
#include "uploader/packer.hpp"

#include <algorithm>

#include "common/cli/reporter.hpp"
#include "uploader/parse/csv_convert.hpp"
#include "uploader/parse/wav_check.hpp"

namespace tml::uploader {
namespace {

constexpr std::size_t kMostSettled = 256;
/// Documents up to here are checked in memory; of larger ones the server tells.
constexpr std::size_t kMaxVerifiedBytes = std::size_t{8} << 20U;
constexpr std::size_t kMaxConvertedBytes = std::size_t{16} << 20U;
constexpr std::string_view kWav = "audio/wav";
/// Label and metadata of one part: tml-server takes 8 KiB of headers per part.
constexpr std::size_t kMaxPartText = 5000;
constexpr std::chrono::seconds kSyncEvery{1};

bool is_document(std::string_view content_type) {
  return content_type == "application/json" || content_type == "application/cbor";
}

bool is_text_table(std::string_view content_type) { return content_type == "text/csv" || content_type == "text/plain"; }

bool describes_csv(const KeyValues& metadata) {
  return std::ranges::any_of(metadata, [](const auto& entry) { return entry.first.starts_with("csv_"); });
}

std::size_t text_size(const Upload& upload) {
  std::size_t size = upload.label.text.size() * 3 + upload.name.size();
  for (const auto& [key, value] : upload.metadata) size += (key.size() + value.size()) * 6 + 6;
  return size;
}

bool is_known(const FileState& state) { return state.sha256 != sample::Digest{}; }

}  // namespace

Outcome outcome_of(const Upload& upload, std::uint64_t number, std::uint64_t size) {
  Outcome outcome;
  outcome.number = number;
  outcome.path = upload.path;
  outcome.name = upload.name;
  outcome.label = label_text(upload);
  outcome.category = upload.category;
  outcome.size = size;
  return outcome;
}

Packer::Packer(Plan& plan, Journal* journal, Clock& clock, PackOptions options)
    : plan_(plan), journal_(journal), clock_(clock), options_(std::move(options)) {
  if (!options_.mac_key.empty()) signer_.emplace(options_.mac_key);
  synced_ = clock_.steady();
}

std::uint64_t Packer::limit_for(const Upload& upload) const {
  return is_text_table(upload.content_type) ? options_.max_csv_bytes : options_.max_file_bytes;
}

/// .txt is a table only where somebody describes it; what a manifest describes was looked at when it was made.
bool Packer::looks_into_csv(const Upload& upload) const {
  if (!options_.csv.empty()) return is_text_table(upload.content_type);
  return options_.check_csv && upload.content_type == "text/csv" && !describes_csv(upload.metadata);
}

bool Packer::looks_into_wav(const Upload& upload) const {
  return upload.content_type == kWav && (options_.check_wav || options_.wav_documents);
}

/// What is sent is made in memory, whatever the file's size.
bool Packer::is_rewritten(const Upload& upload) const {
  if (upload.content_type == kWav) return options_.wav_documents;
  return options_.convert_csv && !options_.csv.empty() && is_text_table(upload.content_type);
}

Result<void> Packer::read_wav(ReadyFile& ready, std::optional<std::string>& document) const {
  auto source = random_file_source(ready.upload.path);
  if (!source) return pass(source.error());
  if (!options_.wav_documents) {
    if (auto facts = check_wav(*source, ready.upload.path); !facts) return pass(facts.error());
    return {};
  }
  WavDocument as;
  as.hmac_key = options_.document_key;
  auto made = wav_document(*source, as, ready.upload.path);
  if (!made) return pass(made.error());
  document = *std::move(made);
  ready.upload.name = ready.upload.name.substr(0, ready.upload.name.rfind('.')) + ".cbor";
  ready.upload.content_type = "application/octet-stream";
  return {};
}

Result<void> Packer::describe_csv(ReadyFile& ready, const FileBytes& file, std::optional<std::string>& converted) {
  CsvChecker checker(ready.upload.path, options_.csv);
  auto fed = file.each_piece([&checker](std::string_view piece) { return checker.feed(piece); });
  if (!fed) return fed;
  auto facts = checker.finish();
  if (!facts) return pass(facts.error());
  if (options_.csv.empty()) return {};
  if (!options_.convert_csv) {
    for (auto& [key, value] : csv_metadata(*facts)) {
      std::erase_if(ready.upload.metadata, [&key = key](const auto& entry) { return entry.first == key; });
      ready.upload.metadata.emplace_back(key, value);
    }
    return {};
  }
  if (facts->follows_rules) return {};
  if (file.size() > kMaxConvertedBytes) {
    return fail(Errc::limit, "the file is too large to be rewritten for this server (16 MB):", file.path(),
                "Add a timestamp column to it");
  }
  converted.emplace();
  CsvConverter converter(*std::move(facts), [&converted](std::string_view text) -> Result<void> {
    converted->append(text);
    return {};
  });
  fed = file.each_piece([&converter](std::string_view piece) { return converter.feed(piece); });
  return fed ? converter.finish() : fed;
}

Result<void> Packer::read_small(ReadyFile& ready, const FileBytes& file, std::string& into) {
  ready.offset = into.size();
  std::optional<std::string> converted;
  if (looks_into_csv(ready.upload)) {
    if (auto described = describe_csv(ready, file, converted); !described) return described;
  } else if (looks_into_wav(ready.upload)) {
    if (auto read = read_wav(ready, converted); !read) return read;
  }
  if (converted) {
    into += *converted;
  } else if (auto read = file.append_to(into); !read) {
    return read;
  }
  ready.size = into.size() - ready.offset;
  const sample::Bytes content = sample::as_bytes(std::string_view(into).substr(ready.offset));
  if (options_.hash) ready.state.sha256 = sample::sha256(content);
  if (signer_) {
    const std::array<sample::Bytes, 1> pieces = {content};
    ready.signature = sample::hex(signer_->mac(pieces));
  }
  if (!options_.verify_key.empty() && is_document(ready.upload.content_type)) {
    if (auto verified = sample::verify(content, options_.verify_key)) ready.own_signature = *verified;
  }
  return {};
}

Result<void> Packer::read_large(ReadyFile& ready, const FileBytes& file) {
  if (options_.hash || signer_) {
    sample::Sha256 hash;
    StreamMac mac(options_.mac_key);
    auto read = file.each_piece([this, &hash, &mac](std::string_view piece) -> Result<void> {
      if (options_.hash) hash.update(sample::as_bytes(piece));
      if (signer_) mac.update(piece);
      return {};
    });
    if (!read) return read;
    if (options_.hash) ready.state.sha256 = hash.finish();
    if (signer_) {
      const sample::Digest digest = mac.finish();
      ready.signature = sample::hex(digest);
    }
  }
  if (!options_.verify_key.empty() && is_document(ready.upload.content_type) && file.size() <= kMaxVerifiedBytes) {
    std::string content;
    if (auto read = file.append_to(content); !read) return read;
    if (auto verified = sample::verify(sample::as_bytes(content), options_.verify_key)) ready.own_signature = *verified;
  }
  return {};
}

/// True when an earlier run has uploaded these very bytes. Call with the hash taken, where one is taken.
bool Packer::is_done(ReadyFile& ready, const FileBytes& file, Outcome& outcome) const {
  const auto known = journal_ != nullptr ? journal_->find(ready.key) : std::nullopt;
  if (!known) return false;
  const bool same_time = known->state.size == file.size() && known->state.mtime_ns == file.mtime_ns();
  const bool comparable = is_known(known->state) && is_known(ready.state);
  const bool same = comparable ? known->state.sha256 == ready.state.sha256 : same_time;
  if (known->mark == Mark::failed) return false;
  ready.changed = !same;
  ready.sent_before = same && known->mark == Mark::sent;
  outcome.fate = Fate::done;
  return same && known->mark != Mark::sent;
}

std::optional<ReadyFile> Packer::load(Upload upload, std::string& into, Packed& packed) {
  ReadyFile ready;
  ready.number = ++number_;
  ready.key = file_key(upload);
  ready.upload = std::move(upload);
  Outcome outcome = outcome_of(ready.upload, ready.number, 0);
  const auto refuse = [&](Error error) {
    outcome.fate = Fate::failed;
    outcome.error = std::move(error);
    packed.settled.push_back(std::move(outcome));
    return std::nullopt;
  };
  if (ready.upload.problem) return refuse(*ready.upload.problem);
  auto file = FileBytes::open(ready.upload.path);
  if (!file) return refuse(file.error());
  const FileBytes& bytes = **file;
  outcome.size = bytes.size();
  if (bytes.size() == 0) return refuse(Error{Errc::malformed, "the file is empty:", bytes.path(), {}, {}});
  if (const std::uint64_t limit = limit_for(ready.upload); limit != 0 && bytes.size() > limit) {
    return refuse(Error{Errc::limit,
                        "File too large, max. size is " + std::to_string(limit >> 20U) + "MB (this one has " +
                            cli::human_size(bytes.size()) + "):",
                        bytes.path(),
                        {},
                        {}});
  }
  ready.state.size = bytes.size();
  ready.state.mtime_ns = bytes.mtime_ns();
  ready.size = bytes.size();
  // A file with the size and time that it had when it was uploaded is not read again.
  if (const auto known = journal_ != nullptr ? journal_->find(ready.key) : std::nullopt;
      known && known->state.size == ready.state.size && known->state.mtime_ns == ready.state.mtime_ns &&
      is_done(ready, bytes, outcome)) {
    packed.settled.push_back(std::move(outcome));
    return std::nullopt;
  }
  const bool rewritten = is_rewritten(ready.upload);
  const std::size_t before = into.size();
  const bool small = bytes.size() <= options_.small_bytes || rewritten;
  Result<void> read;
  if (small) {
    read = read_small(ready, bytes, into);
  } else {
    std::optional<std::string> unused;
    if (looks_into_csv(ready.upload)) {
      read = describe_csv(ready, bytes, unused);
    } else if (looks_into_wav(ready.upload)) {
      read = read_wav(ready, unused);
    }
    if (read) read = read_large(ready, bytes);
    ready.file = *std::move(file);
  }
  if (!read) {
    into.resize(before);
    return refuse(read.error());
  }
  if (is_done(ready, bytes, outcome)) {
    into.resize(before);
    packed.settled.push_back(std::move(outcome));
    return std::nullopt;
  }
  if (journal_ != nullptr && options_.hash) {
    ready.envelope = envelope_id(journal_->run(), ready.key, ready.state.sha256);
  }
  return ready;
}

Result<Packed> Packer::give(Packed packed, Batch batch) {
  if (journal_ != nullptr) {
    std::vector<JournalEntry> marks;
    marks.reserve(batch.files.size());
    for (const ReadyFile& ready : batch.files) marks.push_back({ready.key, Mark::sent, ready.state});
    if (auto noted = journal_->append(marks); !noted) return pass(noted.error());
    const auto now = clock_.steady();
    if (now - synced_ >= kSyncEvery) {
      synced_ = now;
      if (auto synced = journal_->sync(); !synced) return pass(synced.error());
    }
  }
  packed.batch = std::move(batch);
  return packed;
}

Result<Packed> Packer::next() {
  Packed packed;
  while (!plan_ended_ && packed.settled.size() < kMostSettled) {
    auto upload = plan_.next();
    if (!upload) return pass(upload.error());
    if (!*upload) {
      plan_ended_ = true;
      break;
    }
    const sample::Category category = (*upload)->category;
    const bool together = options_.batches && !(*upload)->has_side_files() && text_size(**upload) <= kMaxPartText;
    Batch alone;
    Batch& target = together ? open_[static_cast<std::size_t>(category)] : alone;
    target.category = category;
    auto ready = load(**std::move(upload), target.bytes, packed);
    if (!ready) continue;
    if (together && ready->file != nullptr) {
      alone.category = category;
      alone.files.push_back(*std::move(ready));
      return give(std::move(packed), std::move(alone));
    }
    target.files.push_back(*std::move(ready));
    if (!together) return give(std::move(packed), std::move(alone));
    if (target.files.size() >= options_.max_files || target.bytes.size() >= options_.max_batch_bytes) {
      Batch full = std::move(target);
      target = Batch{};
      return give(std::move(packed), std::move(full));
    }
  }
  if (!plan_ended_) return packed;
  for (Batch& batch : open_) {
    if (batch.files.empty()) continue;
    Batch last = std::move(batch);
    batch = Batch{};
    return give(std::move(packed), std::move(last));
  }
  packed.end = true;
  return packed;
}

}  // namespace tml::uploader
