// SPDX-License-Identifier: Apache-2.0
#include "uploader/plan.hpp"

#include <cerrno>
#include <filesystem>

#include "uploader/examine.hpp"
#include "uploader/folder.hpp"

namespace tml::uploader {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOpenMvSuffix = ".class";

std::string parent_name(const std::string& path) {
  fs::path parent = fs::path(path).parent_path();
  if (parent.empty() || parent == "." || parent.filename() == "..") {
    std::error_code ignored;
    parent = fs::absolute(path, ignored).lexically_normal().parent_path();
  }
  return parent.filename().string();
}

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

Error refused_extension(const std::string& path) {
  std::error_code error;
  if (!fs::exists(fs::status(path, error)) && (!error || error.value() == ENOENT)) {
    return Error{Errc::not_found, "there is no such file or folder", path, "Check the path", {}};
  }
  return Error{Errc::unsupported,
               "files of this kind are not taken",
               path,
               "Known are .wav .cbor .json .jpg .jpeg .png .csv .txt .mp4 .avi .parquet",
               {}};
}

/// A folder that cannot be read stands in the plan for what may be in it: the run must not look complete without it.
Upload unreadable(const Error& error) {
  Upload upload;
  upload.path = error.where;
  upload.name = std::string(sample::base_name(error.where));
  upload.label.kind = LabelKind::unlabeled;
  upload.problem = error;
  return upload;
}

/// Files as given, folders with all that is in them.
class FilesPlan final : public Plan {
 public:
  FilesPlan(const Options& options, const Warn& warn) : options_(options), warn_(warn), boxes_(warn) {}

  Result<std::optional<Upload>> next() override {
    while (true) {
      auto path = walk_ ? next_in_folder() : next_argument();
      if (!path) return unreadable(path.error());
      if (!*path) {
        if (walk_) {
          walk_.reset();
          continue;
        }
        return std::nullopt;
      }
      if (path->value().empty()) continue;
      Upload upload = upload_of(options_, *std::move(*path));
      if (upload.content_type.empty()) upload.problem = refused_extension(upload.path);
      boxes_.apply(upload);
      return upload;
    }
  }

 private:
  /// Empty text: nothing to upload here, go on.
  Result<std::optional<std::string>> next_argument() {
    if (at_ == options_.files.size()) return std::nullopt;
    const std::string& path = options_.files[at_++];
    if (is_folder(path)) {
      walk_.emplace(path);
      std::error_code ignored;
      if (fs::exists(fs::path(path) / "info.labels", ignored)) {
        warn_(path + " has an info.labels; to use its labels give --info-file " +
              (fs::path(path) / "info.labels").string());
      }
      return std::string();
    }
    if (is_side_file_name(sample::base_name(path))) return std::string();
    return path;
  }

  Result<std::optional<std::string>> next_in_folder() {
    auto path = walk_->next();
    if (!path) return pass(path.error());
    if (*path && content_type_for(**path).empty()) return std::string();
    return path;
  }

  const Options& options_;
  Warn warn_;
  BoxesBeside boxes_;
  std::size_t at_ = 0;
  std::optional<FolderWalk> walk_;
};

/// LABEL.class folders.
class OpenMvPlan final : public Plan {
 public:
  OpenMvPlan(const Options& options, std::vector<std::string> folders)
      : options_(options), folders_(std::move(folders)) {}

  Result<std::optional<Upload>> next() override {
    while (true) {
      if (!walk_) {
        if (at_ == folders_.size()) return std::nullopt;
        walk_.emplace(folders_[at_++]);
      }
      auto path = walk_->next();
      if (!path) return unreadable(path.error());
      if (!*path) {
        walk_.reset();
        continue;
      }
      Upload upload = upload_of(options_, *std::move(*path));
      if (upload.content_type.empty()) continue;
      if (!options_.category_given) upload.category = sample::Category::split;
      if (!options_.label) {
        const std::string_view folder = sample::base_name(folders_[at_ - 1]);
        upload.label.kind = LabelKind::single;
        upload.label.text = std::string(folder.substr(0, folder.size() - kOpenMvSuffix.size()));
      }
      return upload;
    }
  }

 private:
  const Options& options_;
  std::vector<std::string> folders_;
  std::size_t at_ = 0;
  std::optional<FolderWalk> walk_;
};

}  // namespace

Upload upload_of(const Options& options, std::string path) {
  Upload upload;
  upload.name = std::string(sample::base_name(path));
  upload.content_type = content_type_for(path);
  upload.category = options.category;
  upload.metadata = options.metadata;
  if (options.label) {
    upload.label.kind = options.label->empty() ? LabelKind::unlabeled : LabelKind::single;
    upload.label.text = *options.label;
  } else if (options.label_from == LabelFrom::folder) {
    upload.label.kind = LabelKind::single;
    upload.label.text = parent_name(path);
  } else if (options.label_from == LabelFrom::none) {
    upload.label.kind = LabelKind::unlabeled;
  }
  upload.path = std::move(path);
  return upload;
}

Result<std::unique_ptr<Plan>> open_files_plan(const Options& options, Warn warn) {
  return std::make_unique<FilesPlan>(options, warn);
}

Result<std::unique_ptr<Plan>> open_openmv_plan(const Options& options) {
  const std::string& folder = options.files.front();
  auto folders = sub_folders(folder);
  if (!folders) return pass(folders.error());
  std::erase_if(*folders, [](const std::string& path) {
    const std::string_view name = sample::base_name(path);
    return !name.ends_with(kOpenMvSuffix) || name.size() == kOpenMvSuffix.size();
  });
  if (folders->empty()) {
    return fail(Errc::not_found, "no OpenMV dataset: there is no LABEL.class folder in", folder);
  }
  return std::make_unique<OpenMvPlan>(options, *std::move(folders));
}

Result<std::unique_ptr<Plan>> open_plan(const Options& options, Warn warn) {
  if (!options.info_file.empty()) return open_manifest_plan(options, std::move(warn));
  if (!options.directory.empty()) return open_dataset_plan(options, std::move(warn));
  if (options.format_openmv) return open_openmv_plan(options);
  return open_files_plan(options, std::move(warn));
}

Result<PlanSize> measure_plan(const Options& options) {
  auto plan = open_plan(options, [](const std::string&) {});
  if (!plan) return pass(plan.error());
  PlanSize size;
  while (true) {
    auto upload = (*plan)->next();
    if (!upload) return pass(upload.error());
    if (!*upload) return size;
    ++size.files;
    if (size.large_table || !is_table((*upload)->content_type)) continue;
    std::error_code error;
    const std::uintmax_t bytes = fs::file_size((*upload)->path, error);
    size.large_table = !error && bytes > kMaxFileBytes;
  }
}

}  // namespace tml::uploader
