// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <functional>

#include "common/base/log.hpp"
#include "common/cli/flags.hpp"
#include "common/cli/reporter.hpp"
#include "server/commands.hpp"

namespace {

using namespace tml;
using Run = std::function<ExitCode(cli::Reporter&)>;

void add_data(CLI::App& command, std::string& data) {
  command.add_option("--data", data, "Data folder of the server")->type_name("DIR")->required();
}

void add_serve(CLI::App& app, server::ServeOptions& o, Run& run) {
  auto* serve = app.add_subcommand("serve", "Store samples, manage devices, answer the API");
  add_data(*serve, o.data);
  serve->add_option("--listen", o.listen, "IP address to listen on; may be given several times")
      ->type_name("ADDR")
      ->capture_default_str();
  serve->add_option("--api-port", o.api_port, "API port, 0 = any free one")->capture_default_str();
  serve->add_option("--ws-port", o.ws_port, "Remote-management port, 0 = any free one")->capture_default_str();
  serve->add_option("--ingestion-port", o.ingestion_port, "Ingestion port, 0 = any free one")->capture_default_str();
  serve->add_option("--tls-cert", o.tls_certificate, "Certificate chain (PEM): every listener then speaks TLS")
      ->type_name("FILE");
  serve->add_option("--tls-key", o.tls_key, "Private key (PEM)")->type_name("FILE");
  serve->add_flag("--allow-plain", o.allow_plain, "Listen beyond loopback without TLS, on a network that you trust");
  serve->add_flag("--strict", o.strict, "Refuse samples whose signature does not verify");
  serve->callback([&o, &run]() { run = [&o](cli::Reporter& reporter) { return server::run_serve(o, reporter); }; });
}

void add_key(CLI::App& app, server::KeyOptions& o, Run& run) {
  auto* key = app.add_subcommand("key", "Create, list and revoke keys (works while the server runs)");
  key->require_subcommand(1);
  auto* create = key->add_subcommand("create", "Make a key and print it, once");
  add_data(*create, o.data);
  create->add_option("--project", o.project, "Project id (needed when there are several)");
  create->add_option("--role", o.role, "admin, readonly, ingestiononly or ingestion_deployment")->capture_default_str();
  create->add_option("--name", o.name, "What the key is for")->capture_default_str();
  create->add_flag("--hmac", o.hmac, "Make an HMAC key for signing samples; older ones still verify");
  create->callback(
      [&o, &run]() { run = [&o](cli::Reporter& reporter) { return server::run_key_create(o, reporter); }; });
  auto* list = key->add_subcommand("list", "Show keys, without their secret part");
  add_data(*list, o.data);
  list->callback([&o, &run]() { run = [&o](cli::Reporter& reporter) { return server::run_key_list(o, reporter); }; });
  auto* revoke = key->add_subcommand("revoke", "End a key's validity");
  add_data(*revoke, o.data);
  revoke->add_option("id", o.id, "Id from key list")->required();
  revoke->add_flag("--hmac", o.hmac, "The id is that of an HMAC key");
  revoke->callback(
      [&o, &run]() { run = [&o](cli::Reporter& reporter) { return server::run_key_revoke(o, reporter); }; });
}

}  // namespace

int main(int argc, char** argv) {
  try {
    CLI::App app("Store, check and hand out samples; manage the boards that make them", "tml-server");
    cli::set_up_app(app, "tml-server");
    app.require_subcommand(1);
    cli::OutputFlags output;
    cli::add_output_flags(app, output);
    Run run;
    server::ServeOptions serve;
    server::KeyOptions key;
    server::ExportOptions exporting;
    server::VerifyOptions verify;
    add_serve(app, serve, run);
    add_key(app, key, run);
    auto* export_command = app.add_subcommand("export", "Write a project as files with an info.labels manifest");
    add_data(*export_command, exporting.data);
    export_command->add_option("--out", exporting.out, "New or empty folder")->type_name("DIR")->required();
    export_command->add_option("--project", exporting.project, "Project id (needed when there are several)");
    export_command->add_flag("--ndjson", exporting.ndjson,
                             "Write info.labels with one line per sample, for large projects");
    export_command->callback(
        [&]() { run = [&](cli::Reporter& reporter) { return server::run_export(exporting, reporter); }; });
    auto* verify_command = app.add_subcommand("verify", "Check the hash and signature of every stored sample");
    add_data(*verify_command, verify.data);
    verify_command->callback(
        [&]() { run = [&](cli::Reporter& reporter) { return server::run_verify(verify, reporter); }; });
    if (const auto ended = cli::parse_arguments(app, argc, argv)) return static_cast<int>(*ended);
    log_init(output.verbose ? LogLevel::debug : output.quiet ? LogLevel::error : LogLevel::info, output.json);
    cli::Reporter reporter({"tml-server", output.json, output.quiet, cli::color_wanted()});
    return static_cast<int>(run(reporter));
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "tml-server: internal error: %s\n", fault.what());
    return static_cast<int>(ExitCode::failed);
  }
}
