// SPDX-License-Identifier: Apache-2.0
#include "daemon/context.hpp"

#include "common/base/log.hpp"
#include "common/spool/async_spool.hpp"

namespace tml::daemon {
namespace {

std::string fact(const std::map<std::string, std::string>& facts, const char* name) {
  const auto found = facts.find(name);
  return found == facts.end() ? std::string{} : found->second;
}

}  // namespace

Context::Context(boost::asio::io_context& io_context, Options the_options, Paths the_paths, Settings the_settings,
                 Endpoints the_endpoints, cli::Reporter& the_reporter)
    : io(io_context),
      options(std::move(the_options)),
      paths(std::move(the_paths)),
      settings(std::move(the_settings)),
      endpoints(std::move(the_endpoints)),
      reporter(the_reporter),
      clock(system_clock()),
      random(system_random()) {}

std::string Context::project_name_in_settings(const std::string& id) const {
  return (settings.host.empty() ? std::string("edgeimpulse.com") : settings.host) + "/" + id;
}

ProjectFacts Context::project_of(const std::string& board) const {
  ProjectFacts project;
  project.id = options.project;
  if (const auto device = settings.devices.find(board); project.id.empty() && device != settings.devices.end()) {
    const std::string host = fact(device->second, "host");
    if (host == settings.host) project.id = fact(device->second, "project");
  }
  if (project.id.empty()) {
    const std::string prefix = project_name_in_settings("");
    unsigned candidates = 0;
    for (const auto& [name, facts] : settings.projects) {
      if (name.compare(0, prefix.size(), prefix) != 0) continue;
      project.id = name.substr(prefix.size());
      ++candidates;
    }
    if (candidates != 1) project.id.clear();
  }
  if (const auto stored = settings.projects.find(project_name_in_settings(project.id));
      !project.id.empty() && stored != settings.projects.end()) {
    project.name = fact(stored->second, "name");
    project.api_key = fact(stored->second, "api_key");
    project.hmac_key = fact(stored->second, "hmac_key");
  }
  if (!settings.api_key.empty()) project.api_key = settings.api_key;
  if (!settings.hmac_key.empty()) project.hmac_key = settings.hmac_key;
  return project;
}

Result<void> Context::remember(const std::string& board, const std::string& device_name, const ProjectFacts& project) {
  std::map<std::string, std::string> device = {{"project", project.id}, {"host", settings.host}};
  if (!device_name.empty()) device["name"] = device_name;
  std::map<std::string, std::string> facts = {{"name", project.name}};
  if (!project.api_key.empty()) facts["api_key"] = project.api_key;
  if (!project.hmac_key.empty()) facts["hmac_key"] = project.hmac_key;
  // The file as it is, not the effective settings: flags and environment must not leak into it.
  auto stored = load_settings(paths.config_file);
  if (!stored) return pass(stored.error());
  if (stored->host.empty()) stored->host = settings.host;
  for (Settings* target : {&*stored, &settings}) {
    target->devices[board] = device;
    target->projects[project_name_in_settings(project.id)] = facts;
  }
  return save_settings(paths.config_file, *stored);
}

Result<std::unique_ptr<spool::AsyncSpool>> Context::open_spool() const {
  spool::SpoolOptions spool_options;
  spool_options.folder = spool_folder();
  return spool::AsyncSpool::open(std::move(spool_options), clock, random);
}

http::Client& Context::http() {
  if (!http_) http_ = std::make_unique<http::Client>();
  return *http_;
}

ApiClient Context::api() {
  auto send = [client = &http()](http::Request request) { return client->send(std::move(request)); };
  return ApiClient(endpoints.api, std::move(send));
}

}  // namespace tml::daemon
