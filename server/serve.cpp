// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <malloc.h>
#include <sys/resource.h>

#include <csignal>

#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "common/base/version.hpp"
#include "server/app.hpp"
#include "server/commands.hpp"
#include "server/data_folder.hpp"
#include "server/schema.hpp"

namespace tml::server {
namespace {

struct Ports {
  std::uint16_t api = 0;
  std::uint16_t ws = 0;
  std::uint16_t ingestion = 0;
};

bool is_loopback(const std::string& address) { return address.rfind("127.", 0) == 0 || address == "::1"; }

std::string in_url(const std::string& address) {
  return address.find(':') == std::string::npos ? address : "[" + address + "]";
}

Addresses addresses_of(const ServeOptions& options, const Ports& ports) {
  const std::string host = in_url(options.listen.front());
  const bool tls = !options.tls_certificate.empty();
  const std::string http = (tls ? "https://" : "http://") + host + ":";
  const std::string ws = (tls ? "wss://" : "ws://") + host + ":";
  return {http + std::to_string(ports.api), ws + std::to_string(ports.ws), http + std::to_string(ports.ingestion)};
}

Result<void> check(const ServeOptions& options) {
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    return fail(Errc::usage, "--tls-cert and --tls-key belong together");
  }
  for (const std::string& address : options.listen) {
    if (is_loopback(address) || !options.tls_certificate.empty() || options.allow_plain) continue;
    return fail(Errc::usage, "refusing to send keys unencrypted over the network", "--listen " + address,
                "Give --tls-cert and --tls-key, or --allow-plain on a network that you trust (boards that speak plain "
                "ws:// need it).");
  }
  return {};
}

Result<Ports> listen_all(App& app, const ServeOptions& options) {
  Ports ports{options.api_port, options.ws_port, options.ingestion_port};
  std::optional<httpd::TlsFiles> tls;
  if (!options.tls_certificate.empty()) tls = httpd::TlsFiles{options.tls_certificate, options.tls_key};
  struct Kind {
    std::uint16_t Ports::*port;
    httpd::Handlers (*handlers)(App&);
  };
  for (const std::string& address : options.listen) {
    for (const Kind& kind : {Kind{&Ports::api, make_api_handlers}, Kind{&Ports::ws, make_remote_handlers},
                             Kind{&Ports::ingestion, make_ingestion_handlers}}) {
      // A port chosen by the system for the first address is used for the others too.
      auto port = app.server->listen({address, ports.*kind.port, tls, kind.handlers(app)});
      if (!port) return pass(port.error());
      ports.*kind.port = *port;
    }
  }
  return ports;
}

Remote::Port remote_port(App& app) {
  Remote::Port port;
  port.keyring = [&app]() { return app.keyring.get(); };
  port.save_device = [&app](DeviceRecord record, std::function<void(bool)> done) {
    app.save_device(std::move(record), std::move(done));
  };
  port.log = [](std::string_view line) { log_info(line); };
  return port;
}

Result<void> start_storage(App& app, const DataFolder& folder, std::unique_ptr<Database> db) {
  auto ring = Keyring::load(*db);
  if (!ring) return pass(ring.error());
  app.keyring.set(std::move(*ring));
  Writer::Options options;
  options.on_foreign_change = [&app](Database& changed) {
    auto fresh = Keyring::load(changed);
    if (!fresh) return log_error("keys not read again: " + fresh.error().message());
    app.keyring.set(std::move(*fresh));
    app.server->post([&app]() { app.remote->keys_changed(); });
  };
  options.on_batch = [&app](std::size_t operations) { app.metrics.batch(operations); };
  app.writer = std::make_unique<Writer>(std::move(db), std::move(options));
  constexpr std::size_t kThreads = 2;
  constexpr std::size_t kMaxJobs = 4096;
  auto workers = Workers::start(folder.database(), kThreads, kMaxJobs);
  if (!workers) return pass(workers.error());
  app.workers = std::move(*workers);
  return {};
}

void tune_process() {
  std::signal(SIGPIPE, SIG_IGN);
  // Every connection is a descriptor; the soft limit is often far below the hard one.
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = std::min<rlim_t>(files.rlim_max, 65'536);
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  // Few arenas: bodies are allocated on one thread and freed on another, which otherwise keeps memory in each.
  ::mallopt(M_ARENA_MAX, 2);
}

Result<void> serve(const ServeOptions& options, cli::Reporter& reporter) {
  if (auto ok = check(options); !ok) return ok;
  tune_process();
  auto folder = open_for_serving(options.data);
  if (!folder) return pass(folder.error());
  auto db = Database::open(folder->database(), Database::Mode::create);
  if (!db) return pass(db.error());
  Clock& clock = system_clock();
  if (auto migrated = migrate(**db, clock.unix_ms()); !migrated) return migrated;

  App app(clock, system_random(), folder->root);
  app.strict = options.strict;
  httpd::Options http;
  // Our clients know by it that envelope ids are kept here, and resend without fear of doubles (docs/spool.md).
  http.headers.emplace_back("x-tml-server", kVersion);
  http.temp_dir = folder->temp();
  app.server = httpd::Server::create(http);
  app.remote = std::make_unique<Remote>(clock, remote_port(app));
  auto ports = listen_all(app, options);
  if (!ports) return pass(ports.error());
  const Addresses addresses = addresses_of(options, *ports);
  auto first = create_first_project(**db, *folder, addresses, app.random, clock);
  if (!first) return pass(first.error());
  if (auto started = start_storage(app, *folder, std::move(*db)); !started) return started;

  app.server->every(Millis(250), [&app]() { app.remote->tick(); });
  app.server->on_signals([&app](int) {
    log_info("stopping");
    app.server->stop();
  });
  const Json event = {{"api", addresses.api},
                      {"remote_management", addresses.remote_management},
                      {"ingestion", addresses.ingestion},
                      {"api_port", ports->api},
                      {"ws_port", ports->ws},
                      {"ingestion_port", ports->ingestion},
                      {"data", options.data},
                      {"credentials", folder->credentials().string()},
                      {"first_start", *first},
                      {"strict", options.strict},
                      {"version", kVersion}};
  std::string text = "tml-server " + std::string(kVersion) + "\n  API                " + addresses.api +
                     "\n  remote management  " + addresses.remote_management + "\n  ingestion          " +
                     addresses.ingestion + "\n  data               " + options.data;
  if (*first) text += "\n  first start: user, project and keys are in " + folder->credentials().string();
  reporter.event("started", event, text);
  app.server->run();
  // In this order: no new work, then no commits, then the rest.
  app.workers.reset();
  app.writer.reset();
  reporter.event("stopped", Json::object());
  return {};
}

}  // namespace

ExitCode run_serve(const ServeOptions& options, cli::Reporter& reporter) {
  if (auto served = serve(options, reporter); !served) return reporter.error(served.error());
  return ExitCode::ok;
}

}  // namespace tml::server
