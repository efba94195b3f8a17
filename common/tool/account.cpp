// SPDX-License-Identifier: Apache-2.0
#include "common/tool/account.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "common/base/log.hpp"

namespace tml::tool {
namespace {

constexpr unsigned kLoginAttempts = 5;

std::string computer_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string("computer");
}

bool wants_another_try(const Error& error) {
  return error.what.find("Password is incorrect") != std::string::npos ||
         error.what.find("User not found") != std::string::npos || error.code == Errc::auth;
}

Awaitable<Result<std::string>> log_in_once(Context& context, remote::ApiClient& api, const cli::Prompt& prompt) {
  auto user = prompt.ask("What is your user name or e-mail address (" + shown_host(context) + ")?", "--api-key");
  if (!user) co_return pass(user.error());
  auto must_set = co_await api.needs_password(*user);
  if (!must_set) co_return pass(must_set.error());
  if (*must_set) {
    co_return fail(Errc::refused, "you need to set a password before you can log in here", shown_host(context),
                   "Set one on the server's site, or give --api-key");
  }
  auto password = prompt.ask_secret("What is your password?", "--api-key");
  if (!password) co_return pass(password.error());
  log_secret(*password);
  const std::string no_code;
  auto token = co_await api.login(*user, *password, no_code);
  while (!token && remote::wants_totp(token.error())) {
    auto code = prompt.ask("Enter a code from your authenticator app", "--api-key");
    if (!code) co_return pass(code.error());
    token = co_await api.login(*user, *password, *code);
  }
  co_return token;
}

Awaitable<Result<void>> log_in(Context& context, remote::ApiClient& api, const cli::Prompt& prompt) {
  for (unsigned attempt = 1;; ++attempt) {
    auto token = co_await log_in_once(context, api, prompt);
    if (token) {
      remote::Credentials credentials;
      credentials.jwt = *std::move(token);
      api.set_credentials(std::move(credentials));
      co_return co_await api.ensure_developer_profile();
    }
    if (attempt == kLoginAttempts || !wants_another_try(token.error())) co_return pass(token.error());
    context.reporter.warning(token.error().message());
  }
}

Result<remote::Project> pick_project(const Context& context, const cli::Prompt& prompt,
                                     const std::vector<remote::Project>& projects, const std::string& wanted) {
  if (projects.empty()) {
    return fail(Errc::not_found, "this user has no projects", shown_host(context), "Create one before continuing");
  }
  if (!wanted.empty()) {
    const auto found = std::ranges::find_if(
        projects, [&wanted](const remote::Project& project) { return std::to_string(project.id) == wanted; });
    if (found != projects.end()) return *found;
    return fail(Errc::not_found, "there is no project " + wanted + " for this key", "--project");
  }
  std::vector<std::string> names;
  for (const remote::Project& project : projects) names.push_back(project.owner + " / " + project.name);
  auto index = prompt.choose("To which project do you want to connect this device?", "--project", names);
  if (!index) return pass(index.error());
  return projects[*index];
}

bool is_listed(const Context& context, const std::string& device) {
  const auto entry = context.settings.devices.find(device);
  return !context.project.empty() || (entry != context.settings.devices.end() && entry->second.contains("project"));
}

}  // namespace

std::string shown_host(const Context& context) {
  return context.settings.host.empty() ? std::string("edgeimpulse.com") : context.settings.host;
}

Result<void> check_credentials(const Context& context, const cli::Prompt& prompt) {
  if (prompt.interactive()) return {};
  const bool stored = std::ranges::any_of(context.settings.projects, [&context](const auto& project) {
    return project.first.starts_with(context.project_name_in_settings(""));
  });
  if (context.settings.host.empty()) {
    return fail(Errc::usage, "no server is configured", "--host", "Give --host, or set TML_HOST");
  }
  if (context.settings.api_key.empty() && !stored) {
    return fail(Errc::usage, "no API key is configured", "--api-key", "Give --api-key, or set TML_API_KEY");
  }
  return {};
}

Awaitable<Result<ProjectFacts>> establish_project(Context& context, const cli::Prompt& prompt,
                                                  const std::string& device, bool anew) {
  remote::ApiClient api = context.api();
  ProjectFacts facts = context.project_of(device);
  remote::Credentials credentials;
  credentials.api_key = facts.api_key;
  const bool may_ask_anew = anew && prompt.interactive() && context.settings.api_key.empty();
  const bool use_stored = !facts.api_key.empty() && !may_ask_anew;
  if (use_stored) {
    api.set_credentials(std::move(credentials));
  } else {
    facts = ProjectFacts{};
    facts.id = context.project;
    facts.hmac_key = context.settings.hmac_key;
    auto logged_in = co_await log_in(context, api, prompt);
    if (!logged_in) co_return pass(logged_in.error());
  }
  auto projects = co_await api.projects();
  if (!projects) {
    Error error = projects.error();
    if (error.code == Errc::auth && use_stored) error.hint = "Check --api-key (TML_API_KEY), or ask anew with --clean";
    co_return pass(std::move(error));
  }
  // An entry of another key's project must not stand in the way of an explicit key.
  const bool known = is_listed(context, device) || context.settings.api_key.empty();
  std::string wanted = context.project;
  if (wanted.empty() && known && !may_ask_anew) wanted = facts.id;
  auto project = pick_project(context, prompt, *projects, wanted);
  if (!project && !wanted.empty() && context.project.empty()) {
    project = pick_project(context, prompt, *projects, {});
  }
  if (!project) co_return pass(project.error());
  facts.id = std::to_string(project->id);
  facts.name = project->name;
  if (!use_stored) {
    auto key = co_await api.create_api_key(project->id, computer_name());
    if (!key) co_return pass(key.error());
    facts.api_key = *std::move(key);
  }
  if (context.settings.hmac_key.empty()) {
    auto hmac = co_await api.hmac_key(project->id);
    if (hmac) {
      facts.hmac_key = *std::move(hmac);
    } else {
      // As wire reference 2.3, row 7: a project without one is no obstacle; a device may have its own.
      log_warning("cannot get the project's HMAC key: " + hmac.error().message());
    }
  }
  co_return facts;
}

Awaitable<Result<std::string>> name_device(Context& context, const cli::Prompt& prompt, const ProjectFacts& project,
                                           DeviceRecord device) {
  remote::ApiClient api = context.api();
  remote::Credentials credentials;
  credentials.api_key = project.api_key;
  api.set_credentials(std::move(credentials));
  const std::int64_t id = std::strtoll(project.id.c_str(), nullptr, 10);
  // Asked first: a server may name a new device by itself, and then only its absence tells that nobody has named it.
  const auto known = co_await api.device_name(id, device.id);
  const bool is_new = !known && known.error().code == Errc::not_found;
  auto created = co_await api.create_device(id, device.id, device.type);
  if (!created) co_return pass(created.error());
  auto name = co_await api.device_name(id, device.id);
  if (!name) co_return pass(name.error());
  std::string wanted = device.name;
  if (wanted.empty() && (is_new || name->empty() || *name == device.id) && prompt.interactive()) {
    auto answer = prompt.ask("What name do you want to give this device?", "--name", name->empty() ? device.id : *name);
    if (!answer) co_return pass(answer.error());
    wanted = *std::move(answer);
  }
  if (!wanted.empty() && wanted != *name) {
    auto renamed = co_await api.rename_device(id, device.id, wanted);
    if (!renamed) co_return pass(renamed.error());
    *name = wanted;
  }
  co_return name;
}

}  // namespace tml::tool
