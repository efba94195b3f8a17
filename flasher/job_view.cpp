// SPDX-License-Identifier: Apache-2.0
#include "flasher/job_view.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "common/base/clock.hpp"
#include "common/model/compile.hpp"
#include "flasher/object_text.hpp"

namespace tml::flasher {
namespace {

using flashlink::JobFacts;
using flashlink::JobOutcome;
using flashlink::JobProgress;
using flashlink::JobStage;
using model::version_text;
using wire::flash::kNoSlot;
using wire::flash::slot_name;

constexpr std::int64_t kJsonProgressMs = 200;

std::string what(const JobFacts& facts) {
  const auto& m = facts.object->manifest;
  switch (m.object) {
    case wire::flash::ObjectClass::app:
      return "Firmware";
    case wire::flash::ObjectClass::model:
      return "Model";
    case wire::flash::ObjectClass::data:
    case wire::flash::ObjectClass::keyset:
      break;
  }
  return "Data";
}

/// "Firmware blinky 1.2.0"; names that say class or version themselves are not said twice.
std::string titled(const JobFacts& facts) {
  const auto& m = facts.object->manifest;
  const std::string version = version_text(m.version);
  std::string name = flashlink::text_of(m.name);
  std::string kind = what(facts);
  if (name.size() >= kind.size() && name.compare(1, kind.size() - 1, kind, 1, std::string::npos) == 0)
    name.erase(0, kind.size() + 1);
  if (name.ends_with(version)) name.erase(name.size() - version.size());
  if (name.ends_with(' ')) name.pop_back();
  if (!name.empty()) kind += " " + name;
  return kind + " " + version;
}

std::string rate(double bytes_per_s) { return cli::human_size(static_cast<std::uint64_t>(bytes_per_s)) + "/s"; }

std::string seconds(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value < 10 ? "%.1f s" : "%.0f s", value);
  return text;
}

nlohmann::json facts_json(const JobFacts& facts) {
  nlohmann::json json = nlohmann::json::object();
  if (facts.object == nullptr) return json;
  json["object"] = manifest_json(facts.object->manifest);
  json["slot"] = slot_name(facts.slot);
  if (facts.base_slot != kNoSlot) json["base_slot"] = slot_name(facts.base_slot);
  json["running_version"] =
      facts.running_version == 0 ? nlohmann::json(nullptr) : nlohmann::json(version_text(facts.running_version));
  if (facts.baud != 0) json["baud"] = facts.baud;
  return json;
}

}  // namespace

JobView::JobView(cli::Reporter& reporter, const flashlink::JobOptions& options, std::string port)
    : reporter_(reporter), options_(options), port_(std::move(port)) {}

std::string JobView::text_of_stage(JobStage stage, const JobFacts& facts) const {
  const bool app = facts.object != nullptr && facts.object->manifest.object == wire::flash::ObjectClass::app;
  switch (stage) {
    case JobStage::identified: {
      const auto& board = facts.board;
      std::string text = "Board on " + port_ + ": " + identity_line(board) + "\n";
      if (board.mode == wire::flash::Mode::bootloader)
        return text + "It is in its bootloader, version " + version_text(board.boot_version);
      text += "It runs application " + version_text(board.app_version);
      if (board.boot_version != 0) text += ", bootloader " + version_text(board.boot_version);
      return text;
    }
    case JobStage::restarting:
      return "Restarting into the bootloader...";
    case JobStage::preparing: {
      const auto& m = facts.object->manifest;
      return titled(facts) + " is " + std::to_string(m.payload_bytes) + " bytes (" + std::to_string(m.chunk_count) +
             (m.chunk_count == 1 ? " block), for " : " blocks), for ") + std::string(slot_name(facts.slot)) +
             (facts.running_version != 0 ? "; version " + version_text(facts.running_version) + " runs now" : "") +
             (facts.baud != 0 ? "; " + std::to_string(facts.baud) + " baud" : "");
    }
    case JobStage::finalising:
      return "Finalizing update...";
    case JobStage::rebooting:
      return options_.activate && app ? "Update complete, rebooting into application"
                                      : "Restarting into the application...";
    case JobStage::waiting:
      return "Waiting for the application...";
    case JobStage::reverting:
      return "It does not hold; reverting to the version before...";
    case JobStage::lost:
      return "The board is gone from " + port_ + "; waiting for it" +
             (options_.replug_wait.count() != 0
                  ? " (" + std::to_string(options_.replug_wait.count() / 1000) + " s at most)..."
                  : "...");
    case JobStage::resumed:
      return "It is back; going on where it was";
    case JobStage::connecting:
    case JobStage::transferring:
    case JobStage::selecting:
    case JobStage::checking:
    case JobStage::confirming:
      break;
  }
  return {};
}

void JobView::stage(JobStage stage, const JobFacts& facts) {
  stage_ = stage;
  reporter_.progress_done();
  nlohmann::json fields = facts_json(facts);
  fields["stage"] = flashlink::name(stage);
  fields["port"] = port_;
  if (stage == JobStage::identified) fields["board"] = identity_json(facts.board);
  reporter_.event("stage", fields, text_of_stage(stage, facts));
}

void JobView::progress(const JobProgress& progress) {
  last_ = progress;
  if (reporter_.json()) {
    const auto now = std::chrono::duration_cast<Millis>(system_clock().steady()).count();
    if (now - shown_ms_ < kJsonProgressMs && progress.chunks_done != progress.chunks) return;
    shown_ms_ = now;
    reporter_.event("progress", {{"port", port_},
                                 {"blocks_done", progress.chunks_done},
                                 {"blocks", progress.chunks},
                                 {"bytes_done", progress.payload_done},
                                 {"bytes", progress.payload_bytes},
                                 {"line_bytes", progress.line_bytes},
                                 {"bytes_per_s", progress.effective_bps},
                                 {"line_bytes_per_s", progress.line_bps},
                                 {"seconds_left", progress.seconds_left}});
    return;
  }
  const std::string detail = " " + std::to_string(progress.chunks_done) + "/" + std::to_string(progress.chunks) +
                             " blocks  " + rate(progress.effective_bps) + " (line " + rate(progress.line_bps) + ")  " +
                             seconds(progress.seconds_left) + " left";
  reporter_.progress("Writing", progress.payload_done, progress.payload_bytes, {}, detail);
}

void JobView::note(std::string_view text) { reporter_.warning(text); }

std::string JobView::left_behind() const {
  if (last_.chunks == 0) return {};
  const std::string stored =
      std::to_string(last_.chunks_done) + " of " + std::to_string(last_.chunks) + " blocks are in the slot";
  if (stage_ >= JobStage::selecting && stage_ <= JobStage::confirming)
    return "The new version is on trial; the same command checks and confirms it";
  return stored + ", the board runs what it ran; the same command goes on from there";
}

void JobView::ended(const JobOutcome& outcome) {
  reporter_.progress_done();
  const auto& facts = outcome.facts;
  const auto& report = outcome.report;
  nlohmann::json fields = facts_json(facts);
  fields["port"] = port_;
  fields["id"] = flashlink::text_of(facts.board.device_id);
  fields["already"] = outcome.already;
  fields["dry_run"] = options_.dry_run;
  fields["written"] = outcome.written;
  fields["activated"] = outcome.activated;
  fields["confirmed"] = outcome.confirmed;
  fields["transfer"] = {{"blocks", report.chunks},           {"there", report.there},
                        {"copied", report.copied},           {"raw", report.raw},
                        {"deflated", report.deflated},       {"deltas", report.deltas},
                        {"sent_bytes", report.sent_bytes},   {"line_bytes", report.line_bytes},
                        {"again_bytes", report.again_bytes}, {"again_blocks", report.again_chunks},
                        {"sessions", report.sessions},       {"data_seconds", report.data_seconds},
                        {"seconds", report.total_seconds}};
  const auto& m = facts.object->manifest;
  std::string text;
  if (outcome.already) {
    text = titled(facts) + " runs already from " + std::string(slot_name(facts.slot)) + "; nothing to do";
  } else if (options_.dry_run) {
    text = titled(facts) + " would go into " + std::string(slot_name(facts.slot)) + "; nothing was written";
  } else {
    if (report.there != 0 || report.copied != 0)
      text += std::to_string(report.there) + " blocks were there, " + std::to_string(report.copied) +
              " copied on the board, " + std::to_string(report.raw + report.deflated + report.deltas) + " sent\n";
    if (report.data_seconds > 0) {
      const double sent = static_cast<double>(m.payload_bytes);
      text += std::to_string(m.payload_bytes) + " bytes in " + seconds(report.data_seconds) + ": " +
              rate(sent / report.data_seconds) + ", line " +
              rate(static_cast<double>(report.line_bytes) / report.data_seconds) + "\n";
    }
    text += !outcome.activated ? titled(facts) + " is in " + std::string(slot_name(facts.slot)) + ", not selected"
            : outcome.confirmed
                ? "Update completed: " + titled(facts) + " runs and is confirmed"
                : titled(facts) + " runs on trial; tml-flash confirm or tml-flash revert ends the trial";
    if (facts.object->manifest.object == wire::flash::ObjectClass::data)
      text = "Update completed: " + std::to_string(m.payload_bytes) + " bytes are in the data slot";
  }
  reporter_.event("flashed", fields, text);
}

}  // namespace tml::flasher
