// SPDX-License-Identifier: Apache-2.0
#include "uploader/options.hpp"

#include <algorithm>

#include "common/cli/flags.hpp"
#include "common/cli/prompt.hpp"
#include "common/cli/reporter.hpp"

namespace tml::uploader {
namespace {

/// The command line before it is checked.
struct Raw {
  std::string label;
  std::string label_from = "file";
  std::string category = "training";
  std::string metadata;
  std::string csv_axes;
  std::string wav_as = "file";
  bool sign = false;
  bool no_sign = false;
  bool silent = false;
  bool dont_resign = false;
  bool greengrass = false;
};

void add_selection(CLI::App& app, Options& options, Raw& raw) {
  const char* const group = "What to upload";
  app.add_option("files", options.files, "Files, and folders with everything in them")
      ->type_name("FILES")
      ->group(group);
  app.add_option("--directory", options.directory,
                 "Dataset folder: annotated in a known format, or with training and testing folders")
      ->type_name("DIR")
      ->group(group);
  app.add_option("--dataset-format", options.dataset_format, "Annotation format of --directory; default: recognise it")
      ->type_name("KEY")
      ->group(group);
  app.add_option("--info-file", options.info_file, "Everything that an info.labels file lists")
      ->type_name("F")
      ->group(group);
  app.add_flag("--format-openmv", options.format_openmv, "The folder is an OpenMV dataset (LABEL.class folders)")
      ->group(group);
  const char* const about = "What is said about it";
  app.add_option("--label", raw.label, "Label of all files; empty: leave them unlabeled")->type_name("L")->group(about);
  app.add_option("--label-from", raw.label_from,
                 "Without --label: folder = name of the file's folder, file = the "
                 "server takes it from the file name, none = unlabeled")
      ->check(CLI::IsMember({"folder", "file", "none"}))
      ->capture_default_str()
      ->group(about);
  app.add_option("--category", raw.category, "training, testing, split, validation, post-processing or anomaly")
      ->capture_default_str()
      ->group(about);
  app.add_option("--metadata", raw.metadata, "JSON object of texts, stored with every sample")
      ->type_name("JSON")
      ->group(about);
  app.add_option("--csv-timestamp", options.csv_timestamp,
                 "CSV: column with the time in milliseconds: its name, or its number from 1 where there is no header")
      ->type_name("COLUMN")
      ->group(about);
  app.add_flag("!--no-check", options.check, "Send CSV and WAV files without checking them")->group(about);
  app.add_option("--wav-as", raw.wav_as,
                 "WAV files travel as they are (file), or as mono acquisition documents (document)")
      ->check(CLI::IsMember({"file", "document"}))
      ->capture_default_str()
      ->group(about);
  app.add_option("--csv-axes", raw.csv_axes, "CSV: value columns, or their names for files without header, as a,b,c")
      ->type_name("LIST")
      ->group(about);
  app.add_option("--frequency", options.frequency_hz, "CSV without time column: rows per second")
      ->check(CLI::Range(1e-6, 1e9))
      ->type_name("HZ")
      ->group(about);
}

void add_sending(CLI::App& app, Options& options, Raw& raw) {
  const char* const group = "How it is sent";
  app.add_flag("--allow-duplicates", options.allow_duplicates, "Store content that the project has already again")
      ->group(group);
  app.add_option("--concurrency", options.concurrency, "Requests at the same time")
      ->check(CLI::Range(1U, 200U))
      ->capture_default_str()
      ->group(group);
  app.add_flag("--sign", raw.sign, "Sign each file (x-tml-signature); default for tml-server")->group(group);
  app.add_flag("--no-sign", raw.no_sign, "Do not sign; default for other servers")->group(group);
  app.add_flag("--dont-resign", raw.dont_resign, "Accepted; signatures inside files always stay as they are")
      ->group(group);
  app.add_option("--retries", options.retries, "Attempts after the first, when the server is away or busy")
      ->check(CLI::Range(0U, 1'000'000U))
      ->capture_default_str()
      ->group(group);
  app.add_flag("--resume", options.resume, "Continue an interrupted upload: nothing is sent twice")->group(group);
  app.add_option("--journal", options.journal, "File that records what was sent; default: in the state folder")
      ->type_name("PATH")
      ->group(group);
  app.add_flag("--dry-run", options.dry_run, "Show what would be uploaded, without a server")->group(group);
}

void add_rest(CLI::App& app, Options& options, Raw& raw) {
  app.add_option("--project", options.project, "Project id, when the user has several")->type_name("ID");
  app.add_flag("--clean", options.clean, "Choose server, project and key anew");
  app.add_flag("--dev", options.dev, "Choose among development servers when no --host is given");
  app.add_flag("--silent", raw.silent, "As --no-input");
  app.add_flag("--greengrass", raw.greengrass, "Refused: tells why");
  const char* const group = "Display";
  app.add_option("--progress-start-ix", options.progress_start, "First number shown is this plus one")
      ->type_name("N")
      ->group(group);
  app.add_option("--progress-end-ix", options.progress_end, "Total shown")->type_name("N")->group(group);
  app.add_option("--progress-interval", options.progress_interval_ms, "A line of progress this often, in milliseconds")
      ->type_name("MS")
      ->group(group);
  app.add_flag("--dont-allow-failed-uploads", options.fail_when_any_failed, "Exit code 1, not 3, when some failed")
      ->group(group);
}

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  while (from <= text.size()) {
    const std::size_t comma = std::min(text.find(',', from), text.size());
    std::string part = text.substr(from, comma - from);
    while (!part.empty() && part.front() == ' ') part.erase(0, 1);
    while (!part.empty() && part.back() == ' ') part.pop_back();
    if (!part.empty()) parts.push_back(std::move(part));
    from = comma + 1;
  }
  return parts;
}

Result<void> check_selection(const Options& options) {
  const int ways = (options.info_file.empty() ? 0 : 1) + (options.directory.empty() ? 0 : 1);
  if (ways > 1 || (ways == 1 && (!options.files.empty() || options.format_openmv))) {
    return fail(Errc::usage, "--info-file, --directory and FILES exclude one another");
  }
  if (ways == 0 && options.files.empty()) {
    return fail(Errc::usage, "nothing to upload", {}, "Name files or folders, --directory or --info-file");
  }
  if (options.format_openmv && options.files.size() != 1) {
    return fail(Errc::usage, "--format-openmv takes one folder");
  }
  if (!options.dataset_format.empty() && options.directory.empty()) {
    return fail(Errc::usage, "--dataset-format belongs to --directory");
  }
  return {};
}

Result<void> take(Options& options, const Raw& raw, const CLI::App& app) {
  if (raw.greengrass) {
    return fail(Errc::usage, "an API key from AWS Secrets Manager (Greengrass) is not supported", "--greengrass",
                "Give --api-key @FILE, or TML_API_KEY in the component's environment");
  }
  if (raw.sign && raw.no_sign) return fail(Errc::usage, "--sign and --no-sign exclude one another");
  if (raw.sign) options.sign = true;
  if (raw.no_sign) options.sign = false;
  if (app.count("--label") != 0) options.label = raw.label;
  options.label_from = raw.label_from == "folder" ? LabelFrom::folder
                       : raw.label_from == "none" ? LabelFrom::none
                                                  : LabelFrom::file;
  options.category_given = app.count("--category") != 0;
  auto category = sample::parse_category(raw.category);
  if (!category) return pass(category.error());
  options.category = *category;
  if (!raw.metadata.empty()) {
    auto metadata = read_metadata(raw.metadata, "--metadata");
    if (!metadata) {
      Error error = metadata.error();
      error.code = Errc::usage;
      return pass(std::move(error));
    }
    options.metadata = *std::move(metadata);
  }
  options.csv_axes = split_at_commas(raw.csv_axes);
  options.wav_as_document = raw.wav_as == "document";
  options.no_input = options.no_input || raw.silent;
  return check_selection(options);
}

}  // namespace

std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv) {
  Options options;
  Raw raw;
  CLI::App app("Uploads files to a server as samples: labelled, signed, resumable.", "tml-uploader");
  cli::set_up_app(app, "tml-uploader");
  add_selection(app, options, raw);
  add_sending(app, options, raw);
  cli::add_output_flags(app, options);
  cli::add_server_flags(app, options);
  add_rest(app, options, raw);
  if (auto code = cli::parse_arguments(app, argc, argv)) return *code;
  if (auto taken = take(options, raw, app); !taken) {
    cli::Reporter reporter({"tml-uploader", options.json, options.quiet, false});
    return reporter.error(taken.error());
  }
  return options;
}

Result<std::string> development_host(const Options& options) {
  const cli::Prompt prompt(!options.no_input);
  const std::vector<std::string> hosts = {"edgeimpulse.com", "acc1.edgeimpulse.com", "acc2.edgeimpulse.com",
                                          "localhost", "edgeimpulse.test"};
  auto index = prompt.choose("Which server do you want to use?", "--host", hosts);
  if (!index) return pass(index.error());
  return hosts[*index];
}

}  // namespace tml::uploader
