// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// `tml-server verify`: reads every stored payload again and checks its hash, its size, and for samples recorded as
// verified the signature with the key that verified it.
#include <array>
#include <map>

#include "common/base/json.hpp"
#include "common/sample/signature.hpp"
#include "server/commands.hpp"
#include "server/data_folder.hpp"
#include "server/samples.hpp"
#include "server/schema.hpp"

namespace tml::server {
namespace {

std::string hash_of(const httpd::Body& body) {
  constexpr std::size_t kChunk = 4U << 20U;
  sample::Sha256 hash;
  for (std::string_view rest = body.view(); !rest.empty(); rest.remove_prefix(std::min(rest.size(), kChunk))) {
    hash.update(sample::as_bytes(rest.substr(0, kChunk)));
    body.release_pages();
  }
  const sample::Digest digest = hash.finish();
  return sample::hex(digest);
}

class Verifier {
 public:
  Verifier(Database& db, const Blobs& blobs, cli::Reporter& reporter) : db_(db), blobs_(blobs), reporter_(reporter) {}

  Result<ExitCode> run() {
    if (auto begun = db_.exec("BEGIN"); !begun) return pass(begun.error());
    if (auto checked = check_database(); !checked) return pass(checked.error());
    Query keys = db_.query("SELECT id, key FROM hmac_keys");
    while (keys.row()) keys_[keys.integer(0)] = std::string(keys.text(1));
    Query counted = db_.query("SELECT count(*) FROM samples");
    const std::uint64_t total = counted.row() ? static_cast<std::uint64_t>(counted.integer(0)) : 0;
    auto walked = each_sample(db_, std::nullopt, [this, total](const SampleFacts& facts) {
      one(facts);
      reporter_.progress("verify", ++samples_, total);
      return true;
    });
    reporter_.progress_done();
    if (!walked) return pass(walked.error());
    reporter_.event(
        "verify",
        {{"samples", samples_}, {"bytes", bytes_}, {"signatures_checked", signatures_}, {"damaged", damaged_}},
        std::to_string(samples_) + " samples, " + std::to_string(signatures_) + " signatures checked, " +
            std::to_string(damaged_) + " damaged");
    return damaged_ == 0 ? ExitCode::ok : ExitCode::verification;
  }

 private:
  Result<void> check_database() {
    Query check = db_.query("PRAGMA quick_check(10)");
    while (check.row()) {
      if (check.text(0) != "ok") report(0, "samples.db", std::string(check.text(0)));
    }
    if (auto error = check.error()) return pass(*error);
    return {};
  }

  void report(std::int64_t id, const std::string& file_name, const std::string& reason) {
    ++damaged_;
    reporter_.event("damaged", {{"sampleId", id}, {"fileName", file_name}, {"reason", reason}},
                    "damaged: sample " + std::to_string(id) + " " + file_name + ": " + reason);
  }

  void one(const SampleFacts& facts) {
    const auto payload = get_payload(db_, blobs_, facts);
    if (!payload) return report(facts.id, facts.file_name, payload.error().message());
    const std::string_view bytes = (*payload)->view();
    bytes_ += bytes.size();
    if (static_cast<std::int64_t>(bytes.size()) != facts.size_bytes) {
      return report(facts.id, facts.file_name,
                    "size is " + std::to_string(bytes.size()) + ", recorded " + std::to_string(facts.size_bytes));
    }
    if (hash_of(**payload) != facts.sha256)
      return report(facts.id, facts.file_name, "the hash does not match the recorded one");
    if (facts.signature == sample::verification_name(sample::Verification::verified)) check_signature(facts, bytes);
    const auto attachments = get_attachments(db_, facts.id);
    if (!attachments) return report(facts.id, facts.file_name, attachments.error().message());
    for (const Attachment& attachment : *attachments) {
      const auto body = blobs_.get(attachment.sha256);
      if (!body) {
        report(facts.id, attachment.file_name, body.error().message());
      } else if (hash_of(**body) != attachment.sha256) {
        report(facts.id, attachment.file_name, "the hash of the attachment does not match the recorded one");
      }
    }
  }

  void check_signature(const SampleFacts& facts, std::string_view bytes) {
    const auto key = facts.hmac_key_id ? keys_.find(*facts.hmac_key_id) : keys_.end();
    if (key == keys_.end()) return report(facts.id, facts.file_name, "the key that verified it is not in the database");
    ++signatures_;
    const auto document = sample::parse(sample::as_bytes(bytes));
    sample::Signer signer(key->second);
    if (document && signer.verify(sample::as_bytes(bytes), *document) == sample::Verification::verified) return;
    const std::array<sample::Bytes, 1> pieces = {sample::as_bytes(bytes)};
    if (facts.upload && sample::equal_constant_time(sample::hex(signer.mac(pieces)), facts.upload->hex)) return;
    report(facts.id, facts.file_name, "the signature no longer verifies");
  }

  Database& db_;
  const Blobs& blobs_;
  cli::Reporter& reporter_;
  std::map<std::int64_t, std::string> keys_;
  std::uint64_t samples_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t signatures_ = 0;
  std::uint64_t damaged_ = 0;
};

}  // namespace

ExitCode run_verify(const VerifyOptions& options, cli::Reporter& reporter) {
  const auto folder = open_existing(options.data);
  if (!folder) return reporter.error(folder.error());
  auto db = Database::open(folder->database(), Database::Mode::read_only);
  if (!db) return reporter.error(db.error());
  if (auto current = require_current_schema(**db); !current) return reporter.error(current.error());
  const Blobs blobs(folder->blobs());
  auto done = Verifier(**db, blobs, reporter).run();
  return done ? *done : reporter.error(done.error());
}

}  // namespace tml::server
