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
/// Label and metadata of one part: tml-server takes 8 KiB of headers per part.
constexpr std::size_t kMaxPartText = 5000;
constexpr std::chrono::seconds kSyncEvery{1};

bool is_document(std::string_view content_type) {
  return content_type == "application/json" || content_type == "application/cbor";
}

std::size_t text_size(const Upload& upload) {
  std::size_t size = upload.label.text.size() * 3 + upload.name.size();
  for (const auto& [key, value] : upload.metadata) size += (key.size() + value.size()) * 6 + 6;
  return size;
}

/// The server has the file; of others nobody knows, or it was refused.
bool is_there(Mark mark) { return mark == Mark::uploaded || mark == Mark::existing; }

bool is_hashed(const FileState& state) { return state.sha256 != sample::Digest{}; }

bool is_untouched(const JournalEntry& known, const FileState& now) {
  return known.state.size == now.size && known.state.mtime_ns == now.mtime_ns;
}

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

bool Packer::is_rewritten(const Upload& upload) const {
  return options_.rules.makes_document(upload) || (options_.convert_csv && options_.rules.describes(upload));
}

Result<std::optional<std::string>> Packer::made_from(ReadyFile& ready, const FileBytes& file) const {
  if (options_.rules.makes_document(ready.upload)) {
    WavDocument as;
    as.hmac_key = options_.document_key;
    auto made = wav_document(file.source(), as, file.path());
    if (!made) return pass(made.error());
    ready.upload.name = ready.upload.name.substr(0, ready.upload.name.rfind('.')) + ".cbor";
    ready.upload.content_type = "application/octet-stream";
    return std::optional(*std::move(made));
  }
  auto checker = csv_checker(ready.upload, options_.rules);
  auto fed = file.each_piece([&checker](std::string_view piece) { return checker->feed(piece); });
  if (!fed) return pass(fed.error());
  auto facts = checker->finish();
  if (!facts) return pass(facts.error());
  if (facts->follows_rules) return std::nullopt;
  if (file.size() > kMaxConvertedBytes) {
    return fail(Errc::limit, "the file is too large to be rewritten for this server (16 MB):", file.path(),
                "Add a timestamp column to it");
  }
  std::string converted;
  CsvConverter converter(*std::move(facts), [&converted](std::string_view text) -> Result<void> {
    converted += text;
    return {};
  });
  fed = file.each_piece([&converter](std::string_view piece) { return converter.feed(piece); });
  if (fed) fed = converter.finish();
  if (!fed) return pass(fed.error());
  return std::optional(std::move(converted));
}

void Packer::take_digests(ReadyFile& ready, std::string_view content) {
  const sample::Bytes bytes = sample::as_bytes(content);
  if (options_.hash) ready.state.sha256 = sample::sha256(bytes);
  if (signer_) {
    const std::array<sample::Bytes, 1> pieces = {bytes};
    ready.signature = sample::hex(signer_->mac(pieces));
  }
}

Result<void> Packer::read_large(ReadyFile& ready, std::optional<CsvChecker>& checker) {
  if (!checker && !options_.hash && !signer_) return {};
  sample::Sha256 hash;
  StreamMac mac(options_.mac_key);
  auto read = ready.file->each_piece([&](std::string_view piece) -> Result<void> {
    if (options_.hash) hash.update(sample::as_bytes(piece));
    if (signer_) mac.update(piece);
    return checker ? checker->feed(piece) : Result<void>{};
  });
  if (!read) return read;
  if (options_.hash) ready.state.sha256 = hash.finish();
  if (signer_) ready.signature = sample::hex(mac.finish());
  return {};
}

Result<void> Packer::read(ReadyFile& ready, std::shared_ptr<FileBytes> file, std::string& into) {
  std::optional<std::string> made;
  std::optional<CsvChecker> checker;
  if (is_rewritten(ready.upload)) {
    auto rewritten = made_from(ready, *file);
    if (!rewritten) return pass(rewritten.error());
    made = *std::move(rewritten);
  } else {
    if (auto examined = examine_wav(ready.upload, *file, options_.rules); !examined) return examined;
    checker = csv_checker(ready.upload, options_.rules);
  }
  if (made || file->size() <= options_.small_bytes) {
    ready.offset = into.size();
    if (made) {
      into += *made;
    } else if (auto got = file->append_to(into); !got) {
      return got;
    }
    const auto content = std::string_view(into).substr(ready.offset);
    ready.size = content.size();
    take_digests(ready, content);
    if (checker) {
      if (auto fed = checker->feed(content); !fed) return fed;
    }
  } else {
    ready.file = std::move(file);
    ready.size = ready.file->size();
    if (auto got = read_large(ready, checker); !got) return got;
  }
  if (checker) {
    auto facts = checker->finish();
    if (!facts) return pass(facts.error());
    set_values(ready.upload.metadata, csv_metadata(*facts));
  }
  return verify_document(ready, into);
}

Result<void> Packer::verify_document(ReadyFile& ready, std::string_view batch) const {
  if (options_.verify_key.empty() || !is_document(ready.upload.content_type)) return {};
  std::string large;
  if (ready.file) {
    if (ready.size > kMaxVerifiedBytes) return {};
    if (auto got = ready.file->append_to(large); !got) return got;
  }
  const std::string_view content = ready.file ? std::string_view(large) : batch.substr(ready.offset);
  if (auto own = sample::verify(sample::as_bytes(content), options_.verify_key)) ready.own_signature = *own;
  return {};
}

std::optional<ReadyFile> Packer::load(Upload upload, std::string& into, Packed& packed) {
  ReadyFile ready;
  ready.number = ++number_;
  ready.key = file_key(upload);
  ready.upload = std::move(upload);
  Outcome outcome = outcome_of(ready.upload, ready.number, 0);
  const auto settle = [&](Fate fate, std::optional<Error> error) {
    outcome.fate = fate;
    outcome.error = std::move(error);
    packed.settled.push_back(std::move(outcome));
    return std::nullopt;
  };
  auto file = open_upload(ready.upload, options_.rules);
  if (!file) return settle(Fate::failed, file.error());
  outcome.size = (*file)->size();
  ready.state.size = (*file)->size();
  ready.state.mtime_ns = (*file)->mtime_ns();
  const auto known = journal_ != nullptr ? journal_->find(ready.key) : std::nullopt;
  // A file with the size and time that it had when it was uploaded is not read again.
  if (known && is_there(known->mark) && is_untouched(*known, ready.state)) return settle(Fate::done, {});
  const std::size_t before = into.size();
  if (auto got = read(ready, *std::move(file), into); !got) {
    into.resize(before);
    return settle(Fate::failed, got.error());
  }
  if (known && known->mark != Mark::failed) {
    const bool hashed = is_hashed(known->state) && is_hashed(ready.state);
    const bool same = hashed ? known->state.sha256 == ready.state.sha256 : is_untouched(*known, ready.state);
    if (same && is_there(known->mark)) {
      into.resize(before);
      return settle(Fate::done, {});
    }
    ready.changed = !same;
    ready.sent_before = same;
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
