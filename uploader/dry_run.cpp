// SPDX-License-Identifier: Apache-2.0
#include "common/base/json.hpp"
#include "common/cli/table.hpp"
#include "uploader/examine.hpp"
#include "uploader/plan.hpp"
#include "uploader/run.hpp"

namespace tml::uploader {
namespace {

/// Its size, without sending it; an Error where it would be refused.
Result<std::uint64_t> examine(const Upload& upload, const FileRules& rules) {
  auto file = open_upload(upload, rules);
  if (!file) return pass(file.error());
  if (auto examined = examine_wav(upload, **file, rules); !examined) return pass(examined.error());
  if (auto checker = csv_checker(upload, rules)) {
    auto fed = (*file)->each_piece([&checker](std::string_view piece) { return checker->feed(piece); });
    if (!fed) return pass(fed.error());
    if (auto facts = checker->finish(); !facts) return pass(facts.error());
  }
  for (const std::string& attachment : upload.attachments) {
    if (auto opened = open_attachment(attachment, kMaxFileBytes); !opened) return pass(opened.error());
  }
  return (*file)->size();
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
  const FileRules rules = rules_of(options);
  std::uint64_t files = 0;
  std::uint64_t bad = 0;
  std::uint64_t bytes = 0;
  while (true) {
    auto upload = (*plan)->next();
    if (!upload) return reporter.error(upload.error());
    if (!*upload) break;
    const auto size = examine(**upload, rules);
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
