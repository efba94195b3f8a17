// SPDX-License-Identifier: Apache-2.0
#include "daemon/wizard.hpp"

#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "daemon/provision.hpp"
#include "daemon/wifi_step.hpp"

namespace tml::daemon {

Awaitable<Result<Registration>> register_device(Context& context, const cli::Prompt& prompt, Board& board, bool clean) {
  if (clean) {
    auto cleared = co_await board.session->clear_config();
    if (!cleared) co_return pass(cleared.error());
    auto info = co_await board.session->config();
    if (!info) co_return pass(info.error());
    board.info = *std::move(info);
  }
  auto project = co_await establish_project(context, prompt, board.key(), clean);
  if (!project) co_return pass(project.error());

  DesiredSettings desired;
  desired.upload_host = context.endpoints.device_ingestion;
  desired.mgmt_url = context.endpoints.device_mgmt;
  desired.api_key = project->api_key;
  desired.hmac_key = project->hmac_key;
  auto steps = plan_provisioning(board.info, board.port.usb_serial, desired);
  Registration registration;
  for (const ProvisionStep& step : steps) registration.written.emplace_back(step_name(step.kind));
  auto written = co_await provision(*board.session, board.info, std::move(steps));
  if (!written) co_return pass(written.error());
  if (prompt.interactive()) {
    const WifiDialog dialog = wifi_dialog(prompt, context.reporter);
    const auto joined = co_await offer_wifi(*board.session, board.info, dialog);
    if (!joined) co_return pass(joined.error());
    if (*joined) registration.written.emplace_back("wifi");
  }

  tool::DeviceRecord record{board.device_id(), board.info.type, context.options.name};
  auto name = co_await tool::name_device(context, prompt, *project, std::move(record));
  if (!name) co_return pass(name.error());
  auto kept = context.remember(board.key(), *name, *project);
  if (!kept) co_return pass(kept.error());
  registration.board = board.key();
  registration.device_id = board.device_id();
  registration.name = *std::move(name);
  registration.project = *std::move(project);
  co_return registration;
}

void report_registration(Context& context, const Registration& registration) {
  context.reporter.event("registered",
                         Json{{"board", registration.board},
                              {"device_id", registration.device_id},
                              {"name", registration.name},
                              {"project", registration.project.id},
                              {"project_name", registration.project.name},
                              {"host", shown_host(context)},
                              {"written", registration.written}},
                         "Device \"" + registration.name + "\" (" + registration.device_id +
                             ") is now connected to project \"" + registration.project.name + "\" (" +
                             registration.project.id + ") on " + shown_host(context));
}

}  // namespace tml::daemon
