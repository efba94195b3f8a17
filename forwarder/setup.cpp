// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "forwarder/setup.hpp"

#include <algorithm>
#include <cstdio>

#include "common/base/log.hpp"
#include "common/base/spawn.hpp"
#include "common/tool/account.hpp"

namespace tml::forwarder {
namespace {

constexpr const char* kAxesFlag = "--axes";
constexpr const char* kAxesFact = "axes";  // In settings.devices.

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

}  // namespace

Result<std::vector<std::string>> parse_axis_names(std::string_view text, std::size_t axes) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view name = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (name.empty()) continue;
    if (std::ranges::find(names, name) != names.end()) {
      return fail(Errc::usage, "two axes are called \"" + std::string(name) + "\"");
    }
    names.emplace_back(name);
  }
  if (names.size() != axes) {
    return fail(Errc::usage,
                std::to_string(names.size()) + " names for " + std::to_string(axes) + (axes == 1 ? " axis" : " axes"));
  }
  return names;
}

std::string axis_question(std::span<const double> example) {
  std::string values;
  for (const double value : example) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", value);
    values += (values.empty() ? "" : ",") + std::string(text);
  }
  return std::to_string(example.size()) + " sensor axes detected (example values: [" + values +
         "]). What do you want to call them? Separate the names with ',':";
}

std::optional<std::vector<std::string>> stored_axis_names(const Settings& settings, const std::string& device,
                                                          std::size_t axes) {
  const auto entry = settings.devices.find(device);
  if (entry == settings.devices.end()) return std::nullopt;
  const auto fact = entry->second.find(kAxesFact);
  if (fact == entry->second.end()) return std::nullopt;
  auto names = parse_axis_names(fact->second, axes);
  if (!names) return std::nullopt;
  return *std::move(names);
}

AxisNaming::AxisNaming(std::shared_ptr<Station> station, NamingPort port, bool several)
    : station_(std::move(station)), port_(std::move(port)), several_(several), idle_(station_->executor()) {
  idle_.set();
}

bool AxisNaming::take_stored() {
  auto names = stored_axis_names(port_.settings(), station_->status().device, wanted_);
  if (!names) return false;
  auto named = station_->name_axes(*std::move(names));
  if (!named) return false;
  wanted_ = 0;
  return true;
}

void AxisNaming::on_axes_unnamed(std::size_t axes) {
  wanted_ = axes;
  const bool pass_over = port_.anew && port_.ask;
  if ((!pass_over && take_stored()) || port_.ask) return;
  wanted_ = 0;
  port_.on_hopeless(Error{Errc::usage,
                          std::to_string(axes) + " sensor axes without names",
                          station_->name(),
                          std::string("Give ") + kAxesFlag + ", a name for each",
                          {}});
}

void AxisNaming::on_batch() {
  // The question shows a reading, and in text the first one comes a second after the axes are known.
  if (wanted_ == 0 || asking_ || station_->status().last.count != wanted_) return;
  asking_ = true;
  idle_.clear();
  auto run = [](std::shared_ptr<AxisNaming> self) -> Awaitable<void> {
    co_await self->ask();
    self->asking_ = false;
    self->idle_.set();
  };
  spawn_logged(station_->executor(), run(shared_from_this()), "axis names");
}

void AxisNaming::on_lost(const std::optional<Error>& /*error*/) { wanted_ = 0; }

Awaitable<void> AxisNaming::idle() {
  const auto self = shared_from_this();
  co_await idle_.wait();
}

Awaitable<void> AxisNaming::ask() {
  while (wanted_ != 0) {
    const std::size_t axes = wanted_;
    std::string question = axis_question(station_->status().last.view());
    if (several_) question.insert(0, station_->name() + ": ");
    const std::string flag = kAxesFlag;
    auto answer = co_await port_.ask(std::move(question), flag);
    if (!answer) {
      if (wanted_ != 0) port_.on_hopeless(answer.error());
      wanted_ = 0;
      co_return;
    }
    // Unplugged, or another number of axes, while the question stood.
    if (wanted_ != axes) continue;
    auto names = parse_axis_names(*answer, axes);
    if (!names) {
      log_warning(names.error().message());
      continue;
    }
    std::string text;
    for (const std::string& name : *names) text += (text.empty() ? "" : ",") + name;
    auto named = station_->name_axes(*std::move(names));
    if (!named) {
      log_warning(named.error().message());
      continue;
    }
    wanted_ = 0;
    auto kept = port_.remember(station_->status().device, kAxesFact, text);
    if (!kept) log_warning("the axis names are not kept: " + kept.error().message());
  }
}

Awaitable<Result<tool::ProjectFacts>> find_account(tool::Context& context, const cli::Prompt& prompt, bool must,
                                                   bool anew) {
  tool::ProjectFacts known = context.project_of("");
  const bool ask_anew = anew && prompt.interactive() && context.settings.api_key.empty();
  if (!ask_anew && !known.api_key.empty() && !known.hmac_key.empty()) co_return known;
  if (known.api_key.empty()) {
    if (!must) co_return known;
    auto checked = tool::check_credentials(context, prompt);
    if (!checked) co_return pass(checked.error());
    // Several projects are stored: each device is tied to its own.
    if (!prompt.interactive()) co_return known;
  }
  auto found = co_await tool::establish_project(context, prompt, "", anew);
  if (found) co_return found;
  const Errc code = found.error().code;
  const bool away = code == Errc::network || code == Errc::timeout;
  if (!away || known.api_key.empty()) co_return pass(found.error());
  context.reporter.warning("cannot ask for the project's HMAC key, samples stay unsigned unless --hmac-key is given: " +
                           found.error().message());
  co_return known;
}

Result<void> adopt_device(tool::Context& context, const std::string& device, const tool::ProjectFacts& project,
                          bool anew) {
  if (project.id.empty()) return {};
  const tool::ProjectFacts own = context.project_of(device);
  if (!anew && own.id == project.id && own.hmac_key == project.hmac_key) return {};
  const auto entry = context.settings.devices.find(device);
  const bool tied = entry != context.settings.devices.end() && entry->second.contains("project") && !own.id.empty();
  if (tied && !anew && own.id != project.id) return {};
  return context.remember(device, {}, project);
}

}  // namespace tml::forwarder
