// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "uploader/folder.hpp"
#include "uploader/parse/manifest.hpp"
#include "uploader/plan.hpp"

namespace tml::uploader {
namespace {

namespace fs = std::filesystem;

/// Names in manifests lack the extension (wire reference 4.3).
std::string sent_name(const ManifestEntry& entry) {
  if (entry.name.empty()) return std::string(sample::base_name(entry.path));
  const std::string_view base = sample::base_name(entry.path);
  return entry.name + std::string(base.substr(base.size() - extension_of(base).size()));
}

class ManifestPlan final : public Plan {
 public:
  ManifestPlan(const Options& options, fs::path folder, ManifestReader reader, const Warn& warn)
      : options_(options), folder_(std::move(folder)), reader_(std::move(reader)), boxes_(warn) {
    std::error_code ignored;
    root_ = fs::weakly_canonical(folder_.empty() ? "." : folder_, ignored);
  }

  Result<std::optional<Upload>> next() override {
    auto entry = reader_.next();
    if (!entry) return pass(entry.error());
    if (!*entry) return std::nullopt;
    return made(**entry);
  }

 private:
  Upload made(const ManifestEntry& entry) {
    Upload upload = upload_of(options_, (folder_ / entry.path).string());
    upload.name = sent_name(entry);
    if (!options_.category_given && !entry.category.empty()) {
      if (auto category = sample::parse_category(entry.category)) upload.category = *category;
    }
    if (!options_.label && entry.label.kind != LabelKind::infer) upload.label = entry.label;
    upload.metadata = entry.metadata;
    set_values(upload.metadata, options_.metadata);
    upload.boxes = entry.boxes;
    for (const std::string& path : entry.attachments) {
      upload.attachments.push_back((folder_ / path).string());
      if (leads_out(upload.attachments.back())) upload.problem = outside(upload.attachments.back());
    }
    if (upload.content_type.empty()) {
      upload.problem = Error{Errc::unsupported, "files of this kind are not taken", upload.path, {}, {}};
    }
    if (leads_out(upload.path)) upload.problem = outside(upload.path);
    boxes_.apply(upload);
    return upload;
  }

  static Error outside(const std::string& path) {
    return Error{Errc::refused, "the manifest names a link that leads out of its folder:", path, {}, {}};
  }

  /// A manifest from elsewhere must not upload other files of the user through symbolic links.
  bool leads_out(const std::string& path) {
    std::error_code error;
    const fs::path parent = fs::path(path).parent_path();
    if (parent != checked_) {
      const fs::path real = fs::weakly_canonical(parent.empty() ? "." : parent, error);
      if (!is_inside(real)) return true;
      checked_ = parent;
    }
    if (!fs::is_symlink(path, error)) return false;
    return !is_inside(fs::weakly_canonical(path, error));
  }

  [[nodiscard]] bool is_inside(const fs::path& real) const {
    const auto relative = real.lexically_relative(root_);
    return !relative.empty() && *relative.begin() != "..";
  }

  const Options& options_;
  fs::path folder_;
  fs::path root_;
  std::optional<fs::path> checked_;
  ManifestReader reader_;
  BoxesBeside boxes_;
};

}  // namespace

Result<std::unique_ptr<Plan>> open_manifest_plan(const Options& options, Warn warn) {
  auto source = file_source(options.info_file);
  if (!source) return pass(source.error());
  ManifestReader reader(options.info_file, *std::move(source));
  return std::make_unique<ManifestPlan>(options, fs::path(options.info_file).parent_path(), std::move(reader), warn);
}

}  // namespace tml::uploader
