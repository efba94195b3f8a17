// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// From the command line to uploads, one at a time: memory does not grow with their number (the names in one folder are
// held while it is read, and the annotations of a dataset). Order is stable: as given, folders sorted by name, files
// before folders. Blocking; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "uploader/options.hpp"
#include "uploader/upload.hpp"

namespace tml::uploader {

/// A source of uploads.
class Plan {
 public:
  Plan() = default;
  virtual ~Plan() = default;
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  /// The next one; nothing at the end. An Error ends planning as a whole (a manifest that is damaged); what is wrong
  /// with a single file is Upload::problem.
  [[nodiscard]] virtual Result<std::optional<Upload>> next() = 0;
};

/// Receives what was passed over and why.
using Warn = std::function<void(std::string)>;

/// Opens what the options name: --info-file, --directory, --format-openmv, or files and folders. `warn` may be called
/// from next() too. Errc::usage, not_found, malformed.
[[nodiscard]] Result<std::unique_ptr<Plan>> open_plan(const Options& options, Warn warn);

struct PlanSize {
  std::uint64_t files = 0;
  bool large_table = false;  ///< There is a .csv or .txt file above kMaxFileBytes (examine.hpp).
};

/// By going through a plan of its own. Warnings are dropped.
[[nodiscard]] Result<PlanSize> measure_plan(const Options& options);

// The kinds of plans; `options` must outlive them.
[[nodiscard]] Result<std::unique_ptr<Plan>> open_files_plan(const Options& options, Warn warn);
[[nodiscard]] Result<std::unique_ptr<Plan>> open_openmv_plan(const Options& options);
[[nodiscard]] Result<std::unique_ptr<Plan>> open_manifest_plan(const Options& options, Warn warn);
[[nodiscard]] Result<std::unique_ptr<Plan>> open_dataset_plan(const Options& options, Warn warn);

/// An upload of `path` as the flags describe it: category, label, metadata, content type.
[[nodiscard]] Upload upload_of(const Options& options, std::string path);

}  // namespace tml::uploader
