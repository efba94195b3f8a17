// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a stream does not say by itself: the names of its axes, and whose project its samples go to (wire reference 2.3,
// 3.2; docs/tml-forwarder.md, "Setup"). Names come from --axes, from the stream, from what was answered for this device
// before, or from a person, in this order; a rate is never remembered.
//
// One executor.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/settings.hpp"
#include "common/cli/prompt.hpp"
#include "common/tool/context.hpp"
#include "forwarder/asker.hpp"
#include "forwarder/station.hpp"

namespace tml::forwarder {

/// "accX, accY, accZ": trimmed, empty ones left out. Errc::usage unless there are `axes` different ones.
[[nodiscard]] Result<std::vector<std::string>> parse_axis_names(std::string_view text, std::size_t axes);

/// The question of wire reference 3.2.
[[nodiscard]] std::string axis_question(std::span<const double> example);

/// What was answered for the device before; none when it has another number of axes now.
[[nodiscard]] std::optional<std::vector<std::string>> stored_axis_names(const Settings& settings,
                                                                        const std::string& device, std::size_t axes);

/// Puts a question; empty where nobody can be asked.
using Ask = std::function<Awaitable<Result<std::string>>(std::string question, std::string flag)>;

struct NamingPort {
  Ask ask;
  bool anew = false;  ///< Pass over what was answered before, where somebody can be asked.
  std::function<Settings&()> settings;
  /// Keeps one fact of a device.
  std::function<Result<void>(const std::string& device, const std::string& name, const std::string& value)> remember;
  /// No names, and nobody to ask.
  std::function<void(const Error&)> on_hopeless;
};

/// Names the axes of one station, asking where it must. Subscribe it; unsubscribe and await idle() before destruction.
class AxisNaming final : public std::enable_shared_from_this<AxisNaming>, public StationObserver {
 public:
  /// `several`: the question names the input.
  AxisNaming(std::shared_ptr<Station> station, NamingPort port, bool several);

  void on_axes_unnamed(std::size_t axes) override;
  void on_batch() override;
  void on_lost(const std::optional<Error>& error) override;
  [[nodiscard]] Awaitable<void> idle();

 private:
  [[nodiscard]] Awaitable<void> ask();
  [[nodiscard]] bool take_stored();

  std::shared_ptr<Station> station_;
  NamingPort port_;
  bool several_;
  std::size_t wanted_ = 0;  // Axes that wait for names; 0 = none.
  bool asking_ = false;
  Event idle_;
};

/// The account before any port is opened: keys from flags, environment or settings; a login or a choice of project on a
/// terminal; the project's HMAC key from the server where only the API key is known. `must`: without an API key nothing
/// can be done (samples on request, delivery), so that its absence is Errc::usage; else the facts may be empty. A
/// server that cannot be reached is a warning as long as there is an API key: samples can be taken without it.
[[nodiscard]] Awaitable<Result<tool::ProjectFacts>> find_account(tool::Context& context, const cli::Prompt& prompt,
                                                                 bool must, bool anew);

/// Ties a device to the project that find_account() found, unless it is tied to one.
[[nodiscard]] Result<void> adopt_device(tool::Context& context, const std::string& device,
                                        const tool::ProjectFacts& project, bool anew);

}  // namespace tml::forwarder
