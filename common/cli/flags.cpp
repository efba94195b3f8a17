// SPDX-License-Identifier: Apache-2.0
#include "common/cli/flags.hpp"

#include <cstdio>
#include <cstring>

#include "common/base/json.hpp"
#include "common/base/version.hpp"

namespace tml::cli {

void add_output_flags(CLI::App& app, OutputFlags& flags) {
  app.add_flag("--json", flags.json, "Print results and events as JSON lines on standard output");
  app.add_flag("--no-input", flags.no_input, "Never ask; fail and name the missing flag");
  app.add_flag("--quiet,-q", flags.quiet, "Print errors only");
  app.add_flag("--verbose,-v", flags.verbose, "Log in detail on standard error");
}

void add_server_flags(CLI::App& app, ServerFlags& flags) {
  app.add_option("--host", flags.host, "Server: a name, an IPv4 address, or HOST:PORT (also TML_HOST)")->type_name("H");
  app.add_option("--api-key", flags.api_key, "API key, or @FILE to read it from a file (also TML_API_KEY)")
      ->type_name("K");
  app.add_option("--hmac-key", flags.hmac_key, "HMAC key, or @FILE to read it from a file (also TML_HMAC_KEY)")
      ->type_name("K");
}

void add_port_flag(CLI::App& app, std::string& port) {
  app.add_option("--port", port, "Serial port: a path, serial=USB-SERIAL, or id=BOARD-ID")
      ->type_name("PATH|serial=X|id=X");
}

void set_up_app(CLI::App& app, const std::string& tool) {
  app.set_version_flag("--version", tool + " " + kVersion + " (" + kGitRevision + ")");
  app.footer(std::string("\n") + exit_code_help());
  app.fallthrough();
}

std::optional<ExitCode> parse_arguments(CLI::App& app, int argc, const char* const* argv) {
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::Success& success) {
    app.exit(success);
    return ExitCode::ok;
  } catch (const CLI::ParseError& error) {
    bool json = false;
    for (int i = 1; i < argc; ++i) json = json || std::strcmp(argv[i], "--json") == 0;
    if (json) {
      const Json line = {{"event", "error"}, {"code", "usage"}, {"message", error.what()}};
      std::printf("%s\n", json_text(line).c_str());
    }
    std::fprintf(stderr, "%s: %s\nRun %s --help for the flags.\n", app.get_name().c_str(), error.what(),
                 app.get_name().c_str());
    return ExitCode::usage;
  }
}

}  // namespace tml::cli
