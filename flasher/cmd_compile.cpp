// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "common/base/file.hpp"
#include "common/cli/table.hpp"
#include "common/model/compile.hpp"
#include "common/model/tflite_reader.hpp"
#include "flasher/commands.hpp"
#include "flasher/model_files.hpp"

namespace tml::flasher {

ExitCode run_compile(const CompileOptions& options, cli::Reporter& reporter) {
  auto source = load_source({options.model, options.impulse, options.labels, options.name, options.version});
  if (!source) return reporter.error(source.error());
  for (const auto& note : source->notes) reporter.warning(note);
  if (!options.fitted.empty() && source->fitted.model.empty())
    return reporter.error({Errc::usage,
                           "there is no fitted anomaly model to write",
                           options.fitted,
                           "Leave --fitted out, or describe a detector with [anomaly] kind = \"k_means\" or "
                           "\"mahalanobis\" and fit in the impulse file",
                           {}});
  const auto compiled = model::compile(source->graph ? &*source->graph : nullptr, source->options, source->where);
  if (!compiled) return reporter.error(compiled.error());
  std::filesystem::path target = options.output;
  if (target.empty())
    target = std::filesystem::path(options.model.empty() ? options.impulse : options.model).replace_extension(".tmlm");
  const std::string_view content(reinterpret_cast<const char*>(compiled->package.data()), compiled->package.size());
  if (const auto written = write_file_atomic(target, content, 0644); !written) return reporter.error(written.error());
  for (const auto& note : compiled->report.notes) reporter.warning(note);
  if (!options.fitted.empty()) {
    const std::string_view fitted(reinterpret_cast<const char*>(source->fitted.model.data()),
                                  source->fitted.model.size());
    if (const auto written = write_file_atomic(options.fitted, fitted, 0644); !written)
      return reporter.error(written.error());
  }
  const auto& report = compiled->report;
  nlohmann::json fields = {{"file", target.string()},       {"name", report.name},
                           {"bytes", report.package_bytes}, {"arena_bytes", report.arena_bytes},
                           {"macs", report.macs},           {"instructions", report.instructions},
                           {"kernels", report.kernels}};
  if (source->fitted.windows != 0) {
    const auto& f = source->fitted;
    fields["anomaly"] = {{"windows", f.windows},
                         {"inputs", f.inputs},
                         {"clusters", f.clusters},
                         {"threshold", f.threshold},
                         {"largest", f.largest}};
    reporter.text("Anomaly detector fitted on " + std::to_string(f.windows) + " normal windows, threshold " +
                  std::to_string(f.threshold));
  }
  if (options.report) {
    if (reporter.json())
      fields["report"] = to_json(report);
    else if (!report.layers.empty())
      reporter.text(cli::format_table(model::to_rows(report)) + "\n");
  }
  reporter.event(
      "compiled", fields,
      !source->graph
          ? target.string() + ": " + cli::human_size(report.package_bytes) + ", an anomaly detector without a model"
          : target.string() + ": " + cli::human_size(report.package_bytes) + ", RAM " +
                cli::human_size(report.arena_bytes) + ", " + std::to_string(report.macs) + " multiplications, about " +
                std::to_string(report.instructions) + " instructions per run");
  return ExitCode::ok;
}

}  // namespace tml::flasher
