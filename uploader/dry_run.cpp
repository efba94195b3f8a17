// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "common/base/json.hpp"
#include "common/cli/table.hpp"
#include "uploader/file_bytes.hpp"
#include "uploader/parse/csv_check.hpp"
#include "uploader/parse/wav_check.hpp"
#include "uploader/plan.hpp"
#include "uploader/run.hpp"
#include "uploader/tally.hpp"

namespace tml::uploader {
namespace {

/// What can be said of a file without sending it; an Error where it would be refused.
Result<std::uint64_t> examine(const Options& options, const Upload& upload) {
  if (upload.problem) return pass(*upload.problem);
  auto file = FileBytes::open(upload.path);
  if (!file) return pass(file.error());
  const std::uint64_t size = (*file)->size();
  if (size == 0) return fail(Errc::malformed, "the file is empty:", upload.path);
  const bool table = upload.content_type == "text/csv" || upload.content_type == "text/plain";
  if (size > (table ? kMaxTableBytes : kMaxFileBytes))
    return fail(Errc::limit, "File too large, max. size is 100MB:", upload.path);
  const bool described =
      std::ranges::any_of(upload.metadata, [](const auto& entry) { return entry.first.starts_with("csv_"); });
  if ((table && options.describes_csv()) || (options.check && upload.content_type == "text/csv" && !described)) {
    CsvDescription description{options.csv_timestamp, options.csv_axes, std::nullopt};
    if (options.frequency_hz > 0) description.frequency_hz = options.frequency_hz;
    CsvChecker checker(upload.path, description);
    auto fed = (*file)->each_piece([&checker](std::string_view piece) { return checker.feed(piece); });
    if (!fed) return pass(fed.error());
    if (auto facts = checker.finish(); !facts) return pass(facts.error());
  }
  if (options.check && upload.content_type == "audio/wav") {
    auto source = random_file_source(upload.path);
    if (!source) return pass(source.error());
    if (auto facts = check_wav(*source, upload.path); !facts) return pass(facts.error());
  }
  for (const std::string& attachment : upload.attachments) {
    if (auto opened = FileBytes::open(attachment); !opened) return pass(opened.error());
  }
  return size;
}

void tell(cli::Reporter& reporter, const Upload& upload, const Result<std::uint64_t>& size) {
  std::vector<std::string> side;
  for (const SideFile& file : side_files(upload)) side.push_back(file.name);
  Json fields = {{"path", upload.path},
                 {"name", upload.name},
                 {"label", label_text(upload)},
                 {"category", std::string(sample::category_name(upload.category))},
                 {"content_type", std::string(upload.content_type)},
                 {"side_files", side}};
  if (!upload.metadata.empty()) fields["metadata"] = upload.metadata;
  std::string text = std::string(sample::category_name(upload.category)) + "  " + label_text(upload) + "  ";
  if (size) {
    fields["size"] = *size;
    text += cli::human_size(*size) + "  " + upload.path;
  } else {
    fields["error"] = size.error().message();
    text += "would fail  " + upload.path + ": " + size.error().message();
  }
  if (upload.name != sample::base_name(upload.path)) text += "  as " + upload.name;
  for (const std::string& name : side) text += "  + " + name;
  reporter.event("plan", fields, text);
}

}  // namespace

ExitCode run_dry(const Options& options, cli::Reporter& reporter) {
  auto plan = open_plan(options, [&reporter](const std::string& text) { reporter.warning(text); });
  if (!plan) return reporter.error(plan.error());
  std::uint64_t files = 0;
  std::uint64_t bad = 0;
  std::uint64_t bytes = 0;
  while (true) {
    auto upload = (*plan)->next();
    if (!upload) return reporter.error(upload.error());
    if (!*upload) break;
    const auto size = examine(options, **upload);
    tell(reporter, **upload, size);
    ++files;
    if (size) {
      bytes += *size;
    } else {
      ++bad;
    }
  }
  reporter.event("plan_summary", Json{{"files", files}, {"failed", bad}, {"bytes", bytes}},
                 std::to_string(files) + " files, " + cli::human_size(bytes) +
                     (bad > 0 ? ", " + std::to_string(bad) + " would fail" : std::string()) +
                     ". Nothing was uploaded (--dry-run).");
  if (files == 0) return reporter.error(Error{Errc::not_found, "there is nothing to upload", {}, {}, {}});
  if (bad == 0) return ExitCode::ok;
  return bad == files || options.fail_when_any_failed ? ExitCode::failed : ExitCode::partly_failed;
}

}  // namespace tml::uploader
