// SPDX-License-Identifier: Apache-2.0
#include "daemon/wifi_step.hpp"

#include "common/base/log.hpp"
#include "common/serial/wifi_scan.hpp"

namespace tml::daemon {
namespace {

constexpr serial::Timeouts kScanLimit{Millis{10'000}, Millis{0}};  // Wire reference 1.7.
constexpr const char* kOffer = "WiFi is not connected, do you want to set up a WiFi network now?";
/// Also keeps a single network from being taken without asking.
constexpr const char* kNone = "None of these";
/// Prompt names a flag only where nobody can be asked; this step is then not reached.
constexpr const char* kFlag = "--no-input";

std::string without(std::string text, const std::string& secret) {
  constexpr std::string_view kMask = "***";
  if (secret.empty()) return text;
  for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + kMask.size())) {
    text.replace(at, secret.size(), kMask);
  }
  return text;
}

Awaitable<Result<serial::WifiScan>> scan_wifi(serial::AtSession& session) {
  const auto command = serial::AtCommand::make("SCANWIFI");
  auto reply = co_await session.command(*command, kScanLimit);
  if (!reply) co_return pass(reply.error());
  auto scan = serial::parse_wifi_scan(reply->text);
  // Networks first: their names are free text, and one may read like a refusal.
  if (!scan.networks.empty()) co_return scan;
  if (const auto words = reply->refusal()) co_return fail(Errc::refused, "board says: " + serial::printable(*words));
  if (!scan.skipped.empty()) co_return fail(Errc::not_found, "board found none and says: " + scan.skipped.front());
  co_return fail(Errc::not_found, "board found none");
}

}  // namespace

WifiDialog wifi_dialog(const cli::Prompt& prompt, cli::Reporter& reporter) {
  WifiDialog dialog;
  dialog.confirm = [&prompt](const std::string& question) { return prompt.confirm(question, kFlag, false); };
  dialog.choose = [&prompt](const std::string& question, const std::vector<std::string>& choices) {
    return prompt.choose(question, kFlag, choices);
  };
  dialog.ask_secret = [&prompt](const std::string& question) { return prompt.ask_secret(question, kFlag); };
  dialog.tell = [&reporter](const std::string& line) { reporter.text(line); };
  dialog.warn = [&reporter](const std::string& problem) { reporter.warning(problem); };
  return dialog;
}

Awaitable<Result<bool>> offer_wifi(serial::AtSession& session, const serial::DeviceInfo& info,
                                   const WifiDialog& dialog) {
  if (!info.wifi.present || info.wifi.connected) co_return false;
  const auto wanted = dialog.confirm(kOffer);
  if (!wanted) co_return pass(wanted.error());
  if (!*wanted) co_return false;

  dialog.tell("Scanning for WiFi networks...");
  const auto scan = co_await scan_wifi(session);
  if (!scan) {
    dialog.warn("cannot list WiFi networks: " + scan.error().message());
    co_return false;
  }
  if (scan->skipped_lines > 0) {
    dialog.warn("lines of the scan that name no network: " + std::to_string(scan->skipped_lines) + ", first \"" +
                scan->skipped.front() + "\"");
  }
  std::vector<std::string> choices;
  for (const serial::WifiNetwork& network : scan->networks) choices.push_back(network.shown());
  choices.emplace_back(kNone);
  const auto index = dialog.choose("Select WiFi network", choices);
  if (!index) co_return pass(index.error());
  if (*index >= scan->networks.size()) co_return false;

  const serial::WifiNetwork& network = scan->networks[*index];
  const std::string shown_name = serial::printable(network.ssid);
  std::string password;
  if (network.security != 0) {
    auto answer = dialog.ask_secret("Enter password for network \"" + shown_name + "\"");
    if (!answer) co_return pass(answer.error());
    password = *std::move(answer);
    log_secret(password);
  }
  const auto written = co_await session.set_wifi(network.ssid, password, network.security);
  if (!written) {
    dialog.warn("cannot set up WiFi network \"" + shown_name + "\": " + without(written.error().message(), password));
    co_return false;
  }
  dialog.tell("The board took WiFi network \"" + shown_name + "\"");
  co_return true;
}

}  // namespace tml::daemon
