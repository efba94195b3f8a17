// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/listing.hpp"

#include "firmware/app/commands.hpp"

namespace tml::fw::app {

Step FileList::step() {
  Output& out = services_.out;
  if (out.room() < Line::kMax) return Step::when_sent();
  const std::size_t count = services_.samples.file_count();
  if (count == 0) out.text("\n");
  if (stopping_ || next_ >= count) return Step::finished();
  const FileName name = services_.samples.name(services_.samples.file(next_));
  out.text(name.empty() ? std::string_view("ERR: a file name cannot be read from flash") : name.view());
  out.text("\n");
  return ++next_ < count ? Step{false, 0, true} : Step::finished();
}

void FileClear::begin() {
  failed_ = 0;
  stopping_ = false;
  services_.out.text("Clearing file system...\n");
}

Step FileClear::step() {
  Output& out = services_.out;
  if (out.room() < Line::kMax) return Step::when_sent();
  if (stopping_) {
    out.text("ERR: stopped\n");
    return Step::finished();
  }
  if (services_.samples.file_count() <= failed_) return Step::finished();
  const FileInfo file = services_.samples.file(failed_);
  const FileName name = services_.samples.name(file);
  const bool gone = services_.samples.unlink(file);
  if (!gone) ++failed_;
  Line line;
  line.put(gone ? "Unlinked '" : "ERR: Failed to unlink '").put(name.view()).put("'\n");
  out.text(line.view());
  return services_.samples.file_count() > failed_ ? Step::again() : Step::finished();
}

Step Report::step() {
  if (services_.out.queued() > 0) return Step::when_sent();
  write_(services_.fill_report(), services_.sink());
  return Step::finished();
}

Step Help::step() {
  Output& out = services_.out;
  if (out.room() < 2 * Line::kMax) return Step::when_sent();
  if (next_ == 0) {
    out.text(
        "AT Server\nCommand set version: 1.8.0\nArguments in square brackets are optional, "
        "eg.:\nAT+CMD=arg1,[arg2]\n\n");
  }
  const auto table = commands();
  if (stopping_ || next_ >= table.size()) return Step::finished();
  const Command& command = table[next_++];
  Line line;
  if (command.run != nullptr) line.put("AT+").put(command.name).put('\n');
  if (command.read != nullptr) line.put("AT+").put(command.name).put("?\n");
  if (command.write != nullptr) line.put("AT+").put(command.name).put('=').put(command.arguments).put('\n');
  line.put('\t').put(command.help).put("\n\n");
  out.text(line.view());
  return next_ < table.size() ? Step{false, 0, true} : Step::finished();
}

}  // namespace tml::fw::app
