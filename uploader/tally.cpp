// SPDX-License-Identifier: Apache-2.0
#include "uploader/tally.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "common/base/json.hpp"
#include "common/cli/table.hpp"

namespace tml::uploader {
namespace {

constexpr std::size_t kMaxGroups = 1000;
constexpr std::size_t kMaxFailures = 20;
/// More labels than these fill a screen for nobody's benefit.
constexpr std::size_t kMaxRows = 40;

std::string padded(std::uint64_t number, std::uint64_t total) {
  std::string text = std::to_string(number);
  const std::size_t width = std::to_string(total).size();
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

}  // namespace

std::string_view fate_name(Fate fate) {
  static constexpr std::array<std::string_view, 4> kNames = {"uploaded", "existing", "done", "failed"};
  return kNames[static_cast<std::size_t>(fate)];
}

Tally::Tally(const Options& options, cli::Reporter& reporter, Clock& clock, std::uint64_t total)
    : options_(options), reporter_(reporter), clock_(clock), total_(total), started_(clock.steady()) {
  told_ = started_;
}

std::uint64_t Tally::settled() const { return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0}); }

void Tally::add(const Outcome& outcome) {
  const auto fate = static_cast<std::size_t>(outcome.fate);
  ++counts_[fate];
  if (outcome.fate == Fate::uploaded) bytes_ += outcome.size;
  if (outcome.changed) ++changed_;
  if (!outcome.signature.empty()) ++signatures_[outcome.signature];
  std::pair<std::string, std::string> group(sample::category_name(outcome.category), outcome.label);
  if (groups_.size() >= kMaxGroups && !groups_.contains(group)) group.second = "(other labels)";
  ++groups_[std::move(group)][fate];
  tell_file(outcome);
  const auto now = clock_.steady();
  const std::uint64_t done = settled();
  if (options_.progress_interval_ms > 0) {
    if (now - told_ < Millis{options_.progress_interval_ms} && done != total_) return;
    told_ = now;
    const std::uint64_t total = options_.progress_end > 0 ? options_.progress_end : total_ + options_.progress_start;
    reporter_.text("[" + padded(done + options_.progress_start, total) + "/" + std::to_string(total) +
                   "] Uploading files...");
  } else if (!options_.verbose || options_.json) {
    reporter_.progress("Uploading", done, total_, "files");
  }
}

void Tally::progress(std::uint64_t sent, std::uint64_t bytes, const std::string& path) {
  if (total_ == 1) reporter_.progress("Uploading " + path, sent, bytes, "B");
}

void Tally::tell_file(const Outcome& outcome) {
  const bool failed = outcome.fate == Fate::failed;
  const std::string error = outcome.error ? outcome.error->message() : std::string();
  if (failed && failures_.size() < kMaxFailures) failures_.push_back(outcome.path + ": " + error);
  if (reporter_.json()) {
    Json fields = {{"n", outcome.number},
                   {"path", outcome.path},
                   {"name", outcome.name},
                   {"label", outcome.label},
                   {"category", std::string(sample::category_name(outcome.category))},
                   {"size", outcome.size},
                   {"state", std::string(fate_name(outcome.fate))},
                   {"ms", outcome.took.count()}};
    if (!outcome.signature.empty()) fields["signature"] = outcome.signature;
    if (!outcome.upload_signature.empty()) fields["upload_signature"] = outcome.upload_signature;
    if (outcome.sample_id != 0) fields["sample_id"] = outcome.sample_id;
    if (outcome.changed) fields["changed"] = true;
    if (failed) {
      fields["code"] = std::string(errc_name(outcome.error ? outcome.error->code : Errc::failed));
      fields["error"] = error;
    }
    reporter_.event("file", fields);
    return;
  }
  if (!failed && !options_.verbose) return;
  const std::uint64_t total = options_.progress_end > 0 ? options_.progress_end : total_ + options_.progress_start;
  std::string line = "[" + padded(outcome.number + options_.progress_start, total) + "/" + std::to_string(total) + "] ";
  switch (outcome.fate) {
    case Fate::uploaded:
      line += "Uploading " + outcome.path + " OK (" + std::to_string(outcome.took.count()) + " ms)";
      if (outcome.signature == "failed" || outcome.signature == "unknown_key")
        line += " signature " + outcome.signature;
      if (outcome.changed) line += " (changed since it was sent before)";
      break;
    case Fate::existing:
      line += "Not uploading " + outcome.path + ": the project has this content already";
      break;
    case Fate::done:
      line += "Not uploading " + outcome.path + ": uploaded before";
      break;
    case Fate::failed:
      line += "Failed to upload " + outcome.path + " " + error;
      break;
  }
  reporter_.text(line);
}

void Tally::tell_table() const {
  std::map<std::pair<std::string, std::string>, Counts> shown;
  if (groups_.size() <= kMaxRows) {
    shown = groups_;
  } else {
    for (const auto& [group, counts] : groups_) {
      Counts& sum = shown[{group.first, "(all)"}];
      for (std::size_t i = 0; i < counts.size(); ++i) sum[i] += counts[i];
    }
  }
  std::vector<std::vector<std::string>> rows = {{"category", "label", "uploaded", "there before", "failed"}};
  for (const auto& [group, counts] : shown) {
    rows.push_back({group.first, group.second, std::to_string(counts[0]), std::to_string(counts[1] + counts[2]),
                    std::to_string(counts[3])});
  }
  reporter_.text(cli::format_table(rows));
}

void Tally::finish(const std::string& left) {
  reporter_.progress_done();
  const double seconds = std::chrono::duration<double>(clock_.steady() - started_).count();
  const std::uint64_t failed = count(Fate::failed);
  const std::uint64_t open = total_ - std::min(total_, settled());
  if (reporter_.json()) {
    Json groups = Json::array();
    for (const auto& [group, counts] : groups_) {
      groups.push_back({{"category", group.first},
                        {"label", group.second},
                        {"uploaded", counts[0]},
                        {"existing", counts[1]},
                        {"done", counts[2]},
                        {"failed", counts[3]}});
    }
    Json fields = {{"uploaded", count(Fate::uploaded)},
                   {"existing", count(Fate::existing)},
                   {"done", count(Fate::done)},
                   {"failed", failed},
                   {"not_sent", open},
                   {"changed", changed_},
                   {"bytes", bytes_},
                   {"seconds", seconds},
                   {"signatures", signatures_},
                   {"groups", std::move(groups)}};
    if (!left.empty()) fields["journal"] = left;
    reporter_.event("summary", fields);
    return;
  }
  if (!groups_.empty()) tell_table();
  if (!failures_.empty() && !options_.verbose) {
    reporter_.text("Failed:");
    for (const std::string& line : failures_) reporter_.text("  " + line);
    if (failed > failures_.size()) {
      reporter_.text("  and " + std::to_string(failed - failures_.size()) + " more (--json tells all)");
    }
  }
  for (const auto& [state, number] : signatures_) {
    if (state == "failed") reporter_.text(std::to_string(number) + " signatures do not fit the project's keys.");
    if (state == "unknown_key") reporter_.text(std::to_string(number) + " signatures cannot be checked: no key.");
  }
  char rate[96];
  std::snprintf(rate, sizeof rate, "%.1f s, %s", seconds, cli::human_size(bytes_).c_str());
  reporter_.text("Done. Files uploaded successful: " + std::to_string(count(Fate::uploaded)) +
                 ". Files that failed to upload: " + std::to_string(failed) + ".");
  std::string more = rate;
  if (const auto before = count(Fate::existing) + count(Fate::done); before > 0)
    more += "; " + std::to_string(before) + " were there before";
  if (open > 0) more += "; " + std::to_string(open) + " not sent";
  reporter_.text(more + ".");
  if (!left.empty()) reporter_.text("Run the same command with --resume to continue.");
}

}  // namespace tml::uploader
