// SPDX-License-Identifier: Apache-2.0
#include "common/base/settings.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <toml++/toml.h>
#include <cerrno>
#include <cstdlib>
#include <sstream>

#include "common/base/file.hpp"

namespace tml {
namespace {

constexpr std::size_t kMaxSettingsBytes = std::size_t{1} << 20U;
constexpr std::size_t kMaxKeyFileBytes = 4096;

Result<toml::table> load_table(const std::filesystem::path& file) {
  auto text = read_file(file, kMaxSettingsBytes);
  if (!text) {
    if (text.error().code == Errc::not_found) return toml::table{};
    return pass(text.error());
  }
  try {
    return toml::parse(*text, file.string());
  } catch (const toml::parse_error& error) {
    const auto place = error.source().begin;
    return fail(Errc::malformed, "configuration is no valid TOML (" + std::string(error.description()) + ")",
                file.string() + ":" + std::to_string(place.line) + ":" + std::to_string(place.column),
                "Mend the line, or move the file away to start afresh");
  }
}

using Facts = std::map<std::string, std::map<std::string, std::string>>;

Facts named_facts(const toml::table& table, std::string_view section) {
  Facts result;
  const toml::table* entries = table[section].as_table();
  if (entries == nullptr) return result;
  for (const auto& [key, node] : *entries) {
    const toml::table* facts = node.as_table();
    if (facts == nullptr) continue;
    for (const auto& [name, value] : *facts) {
      if (auto text = value.value<std::string>()) result[std::string(key.str())][std::string(name.str())] = *text;
    }
  }
  return result;
}

void merge_facts(toml::table& table, std::string_view section, const Facts& entries) {
  if (!entries.empty() && !table[section].is_table()) table.insert_or_assign(section, toml::table{});
  for (const auto& [key, facts] : entries) {
    toml::table& target = *table[section].as_table();
    if (!target[key].is_table()) target.insert_or_assign(key, toml::table{});
    for (const auto& [name, value] : facts) target[key].as_table()->insert_or_assign(name, value);
  }
}

std::string text_of(const toml::table& table, std::string_view key) { return table[key].value_or(std::string{}); }

}  // namespace

Environment process_environment() {
  return [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string{} : std::string(value);
  };
}

Result<Paths> default_paths(const Environment& environment) {
  Paths paths;
  const std::string home = environment("HOME");
  const std::string config_home = environment("XDG_CONFIG_HOME");
  const std::string state_home = environment("XDG_STATE_HOME");
  const std::string config_file = environment("TML_CONFIG");
  if (home.empty() && (state_home.empty() || (config_home.empty() && config_file.empty()))) {
    return fail(Errc::usage, "no folder for configuration and state", "HOME",
                "Set HOME, or XDG_CONFIG_HOME and XDG_STATE_HOME");
  }
  const std::filesystem::path home_path(home);
  if (!config_file.empty()) {
    paths.config_file = config_file;
  } else {
    paths.config_file =
        (config_home.empty() ? home_path / ".config" : std::filesystem::path(config_home)) / "tml" / "config.toml";
  }
  paths.state_dir = (state_home.empty() ? home_path / ".local" / "state" : std::filesystem::path(state_home)) / "tml";
  return paths;
}

Result<Settings> load_settings(const std::filesystem::path& file) {
  auto table = load_table(file);
  if (!table) return pass(table.error());
  Settings settings;
  settings.host = text_of(*table, "host");
  settings.api_key = text_of(*table, "api_key");
  settings.hmac_key = text_of(*table, "hmac_key");
  settings.signing_key = text_of(*table, "signing_key");
  settings.devices = named_facts(*table, "devices");
  settings.projects = named_facts(*table, "projects");
  return settings;
}

Result<void> save_settings(const std::filesystem::path& file, const Settings& settings) {
  if (file.has_parent_path()) {
    if (auto made = make_private_dir(file.parent_path()); !made) return pass(made.error());
  }
  // The file itself is replaced, so the lock lives beside it.
  const std::string lock_path = file.string() + ".lock";
  const UniqueFd lock(::open(lock_path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  if (!lock.valid()) return fail_errno(errno, "cannot create lock", lock_path);
  while (::flock(lock.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return fail_errno(errno, "cannot lock", lock_path);
  }
  auto table = load_table(file);
  if (!table) return pass(table.error());
  const auto set = [&table](std::string_view key, const std::string& value) {
    if (value.empty()) {
      table->erase(key);
    } else {
      table->insert_or_assign(key, value);
    }
  };
  set("host", settings.host);
  set("api_key", settings.api_key);
  set("hmac_key", settings.hmac_key);
  merge_facts(*table, "devices", settings.devices);
  merge_facts(*table, "projects", settings.projects);
  std::ostringstream text;
  text << *table << '\n';
  return write_file_atomic(file, text.str(), 0600);
}

void apply_environment(Settings& settings, const Environment& environment) {
  if (auto value = environment("TML_HOST"); !value.empty()) settings.host = value;
  if (auto value = environment("TML_API_KEY"); !value.empty()) settings.api_key = value;
  if (auto value = environment("TML_HMAC_KEY"); !value.empty()) settings.hmac_key = value;
}

Result<std::string> resolve_key(const std::string& value, std::string_view flag) {
  if (value.empty() || value.front() != '@') return value;
  auto content = read_file(value.substr(1), kMaxKeyFileBytes);
  if (!content) {
    Error error = content.error();
    error.what = "cannot read the key for " + std::string(flag) + " from";
    return pass(std::move(error));
  }
  const std::size_t end = content->find_first_of("\r\n");
  return content->substr(0, end);
}

}  // namespace tml
