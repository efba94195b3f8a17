// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/base/file.hpp"
#include "common/base/json.hpp"
#include "common/spool/impl.hpp"

namespace tml::spool {

namespace {

constexpr std::size_t kMaxFactBytes = 256;

std::string_view extension_for(std::string_view content_type) {
  if (content_type == "application/json") return ".json";
  if (content_type == "application/cbor") return ".cbor";
  if (content_type == "image/jpeg") return ".jpg";
  return ".bin";
}

}  // namespace

Result<Totals> Spool::totals() {
  Totals totals;
  auto statement = impl_->database->prepare("SELECT state, count(*), sum(size_bytes) FROM entries GROUP BY state");
  if (!statement) return pass(statement.error());
  while (true) {
    const auto row = statement->step();
    if (!row) return pass(row.error());
    if (!*row) break;
    const auto count = static_cast<std::uint64_t>(statement->integer(1));
    const std::string state = statement->text(0);
    (state == "held" ? totals.held : state == "refused" ? totals.refused : totals.pending) += count;
    totals.bytes += static_cast<std::uint64_t>(statement->integer(2));
  }
  const auto delivered = impl_->database->scalar("SELECT value FROM counters WHERE name='delivered'");
  if (!delivered) return pass(delivered.error());
  totals.delivered = static_cast<std::uint64_t>(*delivered);
  return totals;
}

Result<Spool::VerifyReport> Spool::verify() {
  VerifyReport report;
  auto check = impl_->database->prepare("PRAGMA integrity_check(10)");
  if (!check) return pass(check.error());
  while (true) {
    const auto row = check->step();
    if (!row) return pass(row.error());
    if (!*row) break;
    if (check->text(0) != "ok") report.damaged.push_back("database: " + check->text(0));
  }
  const auto entries = list();
  if (!entries) return pass(entries.error());
  for (const EntryInfo& entry : *entries) {
    const auto bytes = payload(entry.envelope);
    if (!bytes && bytes.error().code == Errc::not_found) continue;  // Delivered by another process meanwhile.
    ++report.entries;
    report.bytes += entry.size_bytes;
    if (!bytes) report.damaged.push_back(entry.envelope + ": " + bytes.error().message());
  }
  return report;
}

Result<std::uint64_t> Spool::export_to(const std::filesystem::path& folder) {
  if (auto made = make_private_dir(folder); !made) return pass(made.error());
  const auto entries = list();
  if (!entries) return pass(entries.error());
  Json manifest = Json::array();
  for (const EntryInfo& entry : *entries) {
    const auto bytes = payload(entry.envelope);
    if (!bytes && bytes.error().code == Errc::not_found) continue;
    if (!bytes) return pass(bytes.error());
    char number[32];
    std::snprintf(number, sizeof number, "%08lld-", static_cast<long long>(entry.sequence));
    const std::string name = number + entry.envelope + std::string(extension_for(entry.content_type));
    if (auto written = write_file_atomic(folder / name, *bytes); !written) return pass(written.error());
    Json facts = {{"file", name},
                  {"envelope", entry.envelope},
                  {"device", entry.device},
                  {"createdMs", entry.created_ms},
                  {"state", state_name(entry.state)},
                  {"category", sample::category_name(entry.category)},
                  {"path", entry.path},
                  {"fileName", entry.file_name},
                  {"contentType", entry.content_type},
                  {"sizeBytes", entry.size_bytes},
                  {"sha256", entry.sha256},
                  {"verification", sample::verification_name(entry.verification)},
                  {"attempts", entry.attempts},
                  {"lastError", entry.last_error}};
    if (entry.label) facts["label"] = *entry.label;
    manifest.push_back(std::move(facts));
  }
  const std::uint64_t count = manifest.size();
  if (auto written = write_file_atomic(folder / "manifest.json", json_text(manifest) + "\n"); !written)
    return pass(written.error());
  return count;
}

Result<void> Spool::set_fact(const std::string& name, const std::string& value) {
  if (name.size() > kMaxFactBytes || value.size() > kMaxFactBytes)
    return fail(Errc::limit, "a fact of the spool is longer than 256 bytes");
  auto statement = impl_->database->prepare(
      "INSERT INTO facts(name, value) VALUES(?,?) ON CONFLICT(name) DO UPDATE SET value=excluded.value");
  if (!statement) return pass(statement.error());
  return statement->bind(1, name).bind(2, value).run();
}

Result<std::optional<std::string>> Spool::fact(const std::string& name) {
  auto statement = impl_->database->prepare("SELECT value FROM facts WHERE name=?");
  if (!statement) return pass(statement.error());
  const auto row = statement->bind(1, name).step();
  if (!row) return pass(row.error());
  if (!*row) return std::optional<std::string>{};
  return std::optional<std::string>(statement->text(0));
}

}  // namespace tml::spool
