// SPDX-License-Identifier: Apache-2.0
#include "flasher/model_files.hpp"

#include <filesystem>

#include "common/base/file.hpp"
#include "common/model/impulse_build.hpp"
#include "common/model/impulse_file.hpp"
#include "common/model/tflite_reader.hpp"

namespace tml::flasher {
namespace {

Result<std::vector<std::string>> load_labels(const std::string& path) {
  constexpr std::size_t kMaxLabelFile = std::size_t{64} << 10U;
  const auto text = read_file(path, kMaxLabelFile);
  if (!text) return pass(text.error());
  std::vector<std::string> labels;
  std::size_t at = 0;
  while (at < text->size()) {
    const auto end = std::min(text->find('\n', at), text->size());
    std::string line = text->substr(at, end - at);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) labels.push_back(std::move(line));
    at = end + 1;
  }
  if (labels.empty())
    return fail(Errc::usage, "there are no labels in", path, "Write one label per line, in the order of the outputs");
  return labels;
}

/// At most so many bytes of UTF-8, without half a character at the end.
std::string beginning_of(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0U) == 0x80) --most;
  text.resize(most);
  return text;
}

}  // namespace

Result<model::Bytes> load_bytes(const std::string& path, std::size_t most) {
  const auto text = read_file(path, most);
  if (!text) return pass(text.error());
  return model::Bytes(text->begin(), text->end());
}

Result<Source> load_source(const SourceFiles& files) {
  Source source;
  if (files.model.empty() && files.impulse.empty())
    return fail(Errc::usage, "there is nothing to compile", {},
                "Name a .tflite model, or an impulse file with --impulse");
  source.where = files.model.empty() ? files.impulse : files.model;
  auto& options = source.options;
  const auto main_file = std::filesystem::path(source.where);
  constexpr std::size_t kLongestName = 31;
  options.name = beginning_of(main_file.stem().string(), kLongestName);
  if (!files.model.empty()) {
    const auto bytes = load_bytes(files.model, model::kMaxModelBytes);
    if (!bytes) return pass(bytes.error());
    auto graph = model::read_tflite(*bytes, files.model);
    if (!graph) return pass(std::move(graph.error()));
    source.graph = *std::move(graph);
  }
  std::string version = "0.1.0";
  std::string labels = files.labels;
  if (!files.impulse.empty()) {
    const auto text = read_file(files.impulse, model::kMaxImpulseFile);
    if (!text) return pass(text.error());
    auto spec = model::parse_impulse(*text, files.impulse);
    if (!spec) return pass(std::move(spec.error()));
    const auto folder = std::filesystem::path(files.impulse).parent_path();
    if (!spec->name.empty()) options.name = spec->name;
    if (!spec->version.empty()) version = spec->version;
    options.labels = spec->labels;
    if (labels.empty() && !spec->labels_file.empty()) labels = (folder / spec->labels_file).string();
    auto built = model::build_impulse(*spec, folder, source.graph ? &*source.graph : nullptr, files.impulse);
    if (!built) return pass(std::move(built.error()));
    options.impulse = std::move(built->section);
    source.fitted = std::move(built->fitted);
    source.notes = std::move(built->notes);
  }
  if (!labels.empty()) {
    auto list = load_labels(labels);
    if (!list) return pass(std::move(list.error()));
    options.labels = *std::move(list);
  }
  if (!files.name.empty()) options.name = files.name;
  if (!files.version.empty()) version = files.version;
  const auto number = model::parse_version(version);
  if (!number)
    return fail(Errc::usage, "the version cannot be read", version,
                "Write it as 1.2.3, parts up to 255, the last up to 65535");
  options.version = *number;
  return source;
}

}  // namespace tml::flasher
