// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a tool with an account works with: paths, settings, addresses, projects, output. Made once in main(); lives as
// long as the loop. One executor.
#pragma once

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "common/base/clock.hpp"
#include "common/base/endpoints.hpp"
#include "common/base/random.hpp"
#include "common/base/settings.hpp"
#include "common/cli/reporter.hpp"
#include "common/remote/api_client.hpp"

namespace tml::spool {
class AsyncSpool;
}

namespace tml::tool {

/// What is known of a project of a server; members may be empty.
struct ProjectFacts {
  std::string id;
  std::string name;
  std::string api_key;
  std::string hmac_key;
};

/// What flags, environment and configuration file come to (configure() in start.hpp).
struct Configuration {
  Paths paths;
  Settings settings;  ///< Effective.
  Endpoints endpoints;
};

class Context {
 public:
  /// `project`: of --project; empty = the device's own, or the only one.
  Context(boost::asio::io_context& io, std::string project, Configuration configuration, cli::Reporter& reporter);

  boost::asio::io_context& io;
  const std::string project;
  const Paths paths;
  Settings settings;  ///< Effective: flags over environment over file.
  const Endpoints endpoints;
  cli::Reporter& reporter;
  Clock& clock;
  Random& random;

  /// The project that a device belongs to, from the settings: its own entry, else the only project of this host. A key
  /// from flags or the environment wins over a stored one; --project over the entry.
  [[nodiscard]] ProjectFacts project_of(const std::string& device) const;
  /// As `settings.projects` names it: "127.0.0.1/3".
  [[nodiscard]] std::string project_name_in_settings(const std::string& id) const;
  /// Keeps a device's project and the project's keys in memory and in the file (0600).
  [[nodiscard]] Result<void> remember(const std::string& device, const std::string& device_name,
                                      const ProjectFacts& project);

  /// Keeps one more fact of a device (Settings::devices), likewise.
  [[nodiscard]] Result<void> remember_fact(const std::string& device, const std::string& name,
                                           const std::string& value);

  /// Tells which addresses are used.
  void report_endpoints() const;

  [[nodiscard]] std::filesystem::path spool_folder() const { return paths.state_dir / "spool"; }
  [[nodiscard]] Result<std::unique_ptr<spool::AsyncSpool>> open_spool() const;

  /// HTTP for the API; the client's thread starts with the first call.
  [[nodiscard]] http::Client& http();
  [[nodiscard]] remote::ApiClient api();

 private:
  std::unique_ptr<http::Client> http_;
};

}  // namespace tml::tool
