// SPDX-License-Identifier: Apache-2.0
#include "common/tool/context.hpp"

#include "common/base/json.hpp"
#include "common/spool/async_spool.hpp"

namespace tml::tool {
namespace {

std::string fact(const std::map<std::string, std::string>& facts, const char* name) {
  const auto found = facts.find(name);
  return found == facts.end() ? std::string{} : found->second;
}

}  // namespace

Context::Context(boost::asio::io_context& io_context, std::string the_project, Configuration configuration,
                 cli::Reporter& the_reporter)
    : io(io_context),
      project(std::move(the_project)),
      paths(std::move(configuration.paths)),
      settings(std::move(configuration.settings)),
      endpoints(std::move(configuration.endpoints)),
      reporter(the_reporter),
      clock(system_clock()),
      random(system_random()) {}

std::string Context::project_name_in_settings(const std::string& id) const {
  return (settings.host.empty() ? std::string("edgeimpulse.com") : settings.host) + "/" + id;
}

ProjectFacts Context::project_of(const std::string& device) const {
  ProjectFacts facts;
  facts.id = project;
  if (const auto entry = settings.devices.find(device); facts.id.empty() && entry != settings.devices.end()) {
    const std::string host = fact(entry->second, "host");
    if (host == settings.host) facts.id = fact(entry->second, "project");
  }
  if (facts.id.empty()) {
    const std::string prefix = project_name_in_settings("");
    unsigned candidates = 0;
    for (const auto& [name, stored] : settings.projects) {
      if (name.compare(0, prefix.size(), prefix) != 0) continue;
      facts.id = name.substr(prefix.size());
      ++candidates;
    }
    if (candidates != 1) facts.id.clear();
  }
  if (const auto stored = settings.projects.find(project_name_in_settings(facts.id));
      !facts.id.empty() && stored != settings.projects.end()) {
    facts.name = fact(stored->second, "name");
    facts.api_key = fact(stored->second, "api_key");
    facts.hmac_key = fact(stored->second, "hmac_key");
  }
  if (!settings.api_key.empty()) facts.api_key = settings.api_key;
  if (!settings.hmac_key.empty()) facts.hmac_key = settings.hmac_key;
  return facts;
}

Result<void> Context::remember(const std::string& device, const std::string& device_name,
                               const ProjectFacts& of_project) {
  std::map<std::string, std::string> entry = {{"project", of_project.id}, {"host", settings.host}};
  if (!device_name.empty()) entry["name"] = device_name;
  std::map<std::string, std::string> facts = {{"name", of_project.name}};
  if (!of_project.api_key.empty()) facts["api_key"] = of_project.api_key;
  if (!of_project.hmac_key.empty()) facts["hmac_key"] = of_project.hmac_key;
  // The file as it is, not the effective settings: flags and environment must not leak into it.
  auto stored = load_settings(paths.config_file);
  if (!stored) return pass(stored.error());
  if (stored->host.empty()) stored->host = settings.host;
  for (Settings* target : {&*stored, &settings}) {
    // What other tools remember of the device stays.
    for (const auto& [name, value] : entry) target->devices[device][name] = value;
    target->projects[project_name_in_settings(of_project.id)] = facts;
  }
  return save_settings(paths.config_file, *stored);
}

Result<void> Context::remember_fact(const std::string& device, const std::string& name, const std::string& value) {
  auto stored = load_settings(paths.config_file);
  if (!stored) return pass(stored.error());
  for (Settings* target : {&*stored, &settings}) target->devices[device][name] = value;
  return save_settings(paths.config_file, *stored);
}

void Context::report_endpoints() const {
  reporter.event(
      "endpoints",
      Json{{"api", endpoints.api}, {"remote_mgmt", endpoints.remote_mgmt}, {"ingestion", endpoints.ingestion}},
      "Endpoints:\n    Websocket: " + endpoints.remote_mgmt + "\n    API:       " + endpoints.api +
          "\n    Ingestion: " + endpoints.ingestion);
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

remote::ApiClient Context::api() {
  auto send = [client = &http()](http::Request request) { return client->send(std::move(request)); };
  return remote::ApiClient(endpoints.api, std::move(send));
}

}  // namespace tml::tool
