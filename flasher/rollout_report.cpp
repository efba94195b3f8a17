// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "flasher/rollout_report.hpp"

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "common/cli/table.hpp"

namespace tml::flasher {
namespace {

using flashlink::BoardPhase;

std::string seconds_text(double seconds) {
  if (seconds <= 0) return "-";
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", seconds);
  return text.data();
}

std::string state_of(const flashlink::JournalContent& content, const flashlink::RolloutEngine& engine, bool running) {
  if (running) return "running";
  const bool ended = !content.records.empty() && content.records.back().event == "finished";
  if (!ended) return "interrupted";
  if (engine.aborted()) return "aborted";
  return engine.halted() ? "halted" : "complete";
}

std::string result_of(BoardPhase phase, bool running) {
  if (phase == BoardPhase::updating || phase == BoardPhase::confirming || phase == BoardPhase::reverting) {
    return running ? std::string(name(phase)) : "interrupted";
  }
  return std::string(name(phase));
}

}  // namespace

Result<RolloutReport> report_of(const flashlink::JournalContent& content, bool running, const std::string& where) {
  auto plan = flashlink::parse_plan(content.head.plan, where);
  if (!plan) return pass(plan.error());
  flashlink::RolloutEngine engine(*plan, content.head.boards.size());
  if (auto replayed = flashlink::replay(content, engine, where); !replayed) return pass(replayed.error());
  RolloutReport report;
  report.name = content.head.name;
  report.state = state_of(content, engine, running);
  report.boards = engine.size();
  for (std::size_t i = 0; i < engine.size(); ++i) {
    const flashlink::JournalBoard& board = content.head.boards[i];
    RolloutRow row;
    row.board = board.id;
    row.port = board.port;
    row.from = flashlink::version_text(board.from);
    row.to = content.head.to;
    const BoardPhase phase = engine.phase(i);
    row.result = result_of(phase, running);
    report.confirmed += phase == BoardPhase::confirmed ? 1U : 0U;
    report.failed += phase == BoardPhase::failed ? 1U : 0U;
    report.reverted += phase == BoardPhase::reverted ? 1U : 0U;
    report.rows.push_back(std::move(row));
  }
  for (const flashlink::JournalRecord& record : content.records) {
    if (!record.board) continue;
    RolloutRow& row = report.rows[*record.board];
    const bool update = record.event == "passed" || record.event == "failed";
    if (update && row.seconds == 0) row.seconds = record.seconds;
    if (!record.self_test.empty()) row.self_test = record.self_test;
    if (record.message.empty()) continue;
    row.code = record.code;
    row.remark = record.message;
  }
  return report;
}

nlohmann::json report_json(const RolloutReport& report) {
  auto boards = nlohmann::json::array();
  for (const RolloutRow& row : report.rows) {
    nlohmann::json item{{"board", row.board},   {"port", row.port},       {"from", row.from},          {"to", row.to},
                        {"result", row.result}, {"seconds", row.seconds}, {"self_test", row.self_test}};
    if (!row.remark.empty()) {
      item["code"] = row.code;
      item["message"] = row.remark;
    }
    boards.push_back(std::move(item));
  }
  return nlohmann::json{{"rollout", report.name},        {"state", report.state},   {"count", report.boards},
                        {"confirmed", report.confirmed}, {"failed", report.failed}, {"reverted", report.reverted},
                        {"boards", std::move(boards)}};
}

std::string report_text(const RolloutReport& report) {
  std::vector<std::vector<std::string>> rows{{"board", "from", "to", "result", "seconds", "self-test", ""}};
  for (const RolloutRow& row : report.rows) {
    rows.push_back({row.board, row.from, row.to, row.result, seconds_text(row.seconds),
                    row.self_test.empty() ? "-" : row.self_test, row.remark});
  }
  return cli::format_table(rows) + "\n\n" + report.name + ": " + report.state + ", " +
         std::to_string(report.confirmed) + " of " + std::to_string(report.boards) + " boards updated, " +
         std::to_string(report.failed) + " failed, " + std::to_string(report.reverted) + " taken back";
}

}  // namespace tml::flasher
