// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/manifest_writer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace tml::server {
namespace {

constexpr std::size_t kBuffer = std::size_t{256} * 1024;
constexpr std::size_t kChunk = 1024 * 1024;

std::filesystem::path part_of(const std::filesystem::path& folder) { return folder / "info.labels.part"; }

}  // namespace

Result<void> write_fully(int fd, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), std::min(bytes.size(), kChunk));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno(errno, "cannot write", path.string());
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

ManifestWriter::ManifestWriter(std::filesystem::path folder, UniqueFd file, bool ndjson)
    : folder_(std::move(folder)), file_(std::move(file)), ndjson_(ndjson) {
  buffer_ = ndjson ? R"({"__ndjson":true,"version":1})" : R"({"version":1,"files":[)";
}

Result<ManifestWriter> ManifestWriter::create(const std::filesystem::path& folder, bool ndjson) {
  const auto path = part_of(folder);
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.valid()) return fail_errno(errno, "cannot create", path.string());
  return ManifestWriter(folder, std::move(file), ndjson);
}

Result<void> ManifestWriter::flush() {
  auto written = write_fully(file_.get(), buffer_, part_of(folder_));
  buffer_.clear();
  return written;
}

Result<void> ManifestWriter::add(std::string_view entry) {
  if (ndjson_) {
    buffer_.append("\n{\"__key\":\"files\",\"__item\":").append(entry).append("}");
  } else {
    buffer_.append(std::exchange(first_, false) ? "\n" : ",\n").append(entry);
  }
  return buffer_.size() < kBuffer ? Result<void>() : flush();
}

Result<void> ManifestWriter::finish() {
  buffer_ += ndjson_ ? "\n" : "\n]}\n";
  if (auto written = flush(); !written) return written;
  const auto target = folder_ / "info.labels";
  if (::fsync(file_.get()) != 0) return fail_errno(errno, "cannot sync", target.string());
  std::error_code error;
  std::filesystem::rename(part_of(folder_), target, error);
  if (error) return fail_errno(error.value(), "cannot rename to", target.string());
  return {};
}

}  // namespace tml::server
