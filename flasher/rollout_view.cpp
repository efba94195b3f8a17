// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "flasher/rollout_view.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "common/cli/bars.hpp"

namespace tml::flasher {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);

std::string line_of(const flashlink::JournalRecord& record, const std::string& board) {
  std::string text = board + ": " + record.event;
  if (record.seconds > 0) {
    std::array<char, 32> seconds{};
    std::snprintf(seconds.data(), seconds.size(), " in %.1f s", record.seconds);
    text += seconds.data();
  }
  if (!record.self_test.empty()) text += ", self-test " + record.self_test;
  if (!record.message.empty()) text += ": " + record.message;
  return text;
}

/// "02:59:9d:b5:b8:4a  transferring  [#########           ]  45 %", never wider than the terminal.
std::string bar_of(const std::string& board, const flashlink::BoardProgress& progress, std::size_t columns) {
  constexpr std::size_t kStage = 12;
  constexpr std::size_t kCells = 20;
  std::string line = board + "  " + std::string(progress.stage);
  line.append(kStage - std::min(kStage, progress.stage.size()), ' ');
  if (progress.total > 0) {
    const std::uint64_t done = std::min(progress.done, progress.total);
    const auto filled = static_cast<std::size_t>(done * kCells / progress.total);
    line += "  [" + std::string(filled, '#') + std::string(kCells - filled, ' ') + "] " +
            std::to_string(done * 100 / progress.total) + " %";
  }
  if (line.size() >= columns) line.resize(columns - 1);
  return line;
}

bool begins(const std::string& event) { return event == "started" || event == "confirming" || event == "reverting"; }

}  // namespace

RolloutView::RolloutView(cli::Reporter& reporter, const std::vector<flashlink::JournalBoard>& boards, bool quiet,
                         Clock& clock)
    : reporter_(reporter),
      boards_(boards),
      clock_(clock),
      bars_(!reporter.json() && !quiet && ::isatty(STDOUT_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1) {}

void RolloutView::record(const flashlink::JournalRecord& record) {
  nlohmann::json fields{{"t", record.unix_ms}};
  std::string text;
  if (record.board) {
    const flashlink::JournalBoard& board = boards_[*record.board];
    fields["board"] = board.id;
    fields["port"] = board.port;
    if (record.seconds > 0) fields["seconds"] = record.seconds;
    if (!record.self_test.empty()) fields["self_test"] = record.self_test;
    if (!record.message.empty()) fields["code"] = record.code;
    if (!record.message.empty()) fields["message"] = record.message;
    if (begins(record.event)) {
      running_[*record.board] = flashlink::BoardProgress{record.event, 0, 0};
      running_[*record.board].stage = record.event == "started"      ? "starting"
                                      : record.event == "confirming" ? "confirming"
                                                                     : "reverting";
    } else {
      running_.erase(*record.board);
      text = line_of(record, board.id);
    }
  } else if (record.event == "halted") {
    text = "aborted: no board is begun any more, the batch under way goes back";
  }
  erase();
  reporter_.event("rollout_" + record.event, fields, text);
  draw();
}

void RolloutView::progress(std::size_t board, const flashlink::BoardProgress& progress) {
  running_[board] = progress;
  if (!bars_ || clock_.steady() - drawn_at_ < kRedraw) return;
  erase();
  draw();
}

void RolloutView::close() {
  erase();
  running_.clear();
}

void RolloutView::erase() {
  for (; drawn_lines_ > 0; --drawn_lines_) std::fputs("\033[A\033[2K", stderr);
}

void RolloutView::draw() {
  if (!bars_) return;
  const std::size_t columns = cli::terminal_columns();
  std::string text;
  for (const auto& [board, progress] : running_) {
    text += bar_of(boards_[board].id, progress, columns) + "\n";
    ++drawn_lines_;
  }
  std::fputs(text.c_str(), stderr);
  drawn_at_ = clock_.steady();
}

}  // namespace tml::flasher
