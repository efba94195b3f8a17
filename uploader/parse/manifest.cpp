// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "uploader/parse/manifest.hpp"

#include "uploader/parse/json_slicer.hpp"
#include "uploader/parse/manifest_entry.hpp"

namespace tml::uploader {

struct ManifestReader::Impl {
  Impl(std::string manifest, ByteSource source, ManifestLimits bounds)
      : name(manifest),
        limits(bounds),
        slicer(std::move(manifest), std::move(source), {"files"}, bounds.max_entry_bytes) {}

  [[nodiscard]] std::string place(std::uint64_t line) const {
    return name + ", line " + std::to_string(line) + ", file " + std::to_string(entries + 1);
  }

  Result<void> read_member(const JsonPiece& piece);
  Result<ManifestEntry> read_entry(const Json& json, std::uint64_t line);
  Result<std::optional<Json>> unwrap_line(const JsonPiece& piece);
  Result<Json> parse(const JsonPiece& piece) const;
  Result<std::optional<ManifestEntry>> next();

  std::string name;
  ManifestLimits limits;
  JsonSlicer slicer;
  std::uint64_t entries = 0;
  bool has_files = false;
  bool ndjson = false;
  std::optional<Error> error;
};

Result<Json> ManifestReader::Impl::parse(const JsonPiece& piece) const {
  auto json = parse_json(piece.text, "", {64, limits.max_entry_values, limits.max_entry_bytes});
  if (json) return json;
  Error broken = std::move(json.error());
  // The parser counts from where the entry begins.
  broken.where = place(piece.line) + (piece.line > 1 ? " (counted from there)" : "");
  return pass(std::move(broken));
}

Result<void> ManifestReader::Impl::read_member(const JsonPiece& piece) {
  if (piece.key == "files") return fail(Errc::malformed, "\"files\" is no list:", name);
  const bool is_mark = piece.key == "__ndjson";
  if (!is_mark && piece.key != "version") return {};
  const auto json = parse(piece);
  if (!json) return pass(json.error());
  if (is_mark) {
    ndjson = *json == true;
  } else if (*json != 1) {
    return fail(Errc::unsupported,
                "manifest of a version other than 1:", name + ", line " + std::to_string(piece.line));
  }
  return {};
}

Result<ManifestEntry> ManifestReader::Impl::read_entry(const Json& json, std::uint64_t line) {
  if (entries == limits.max_entries) {
    return fail(Errc::limit, "more than " + std::to_string(limits.max_entries) + " files:", place(line));
  }
  auto entry = read_manifest_entry(json, place(line), limits);
  if (!entry) return entry;
  entry->line = line;
  entry->index = entries++;
  return entry;
}

// A line of NDJSON: {"__key":"files","__item":{...}}; nothing for other keys.
Result<std::optional<Json>> ManifestReader::Impl::unwrap_line(const JsonPiece& piece) {
  if (!ndjson)
    return fail(Errc::malformed, "something follows the manifest:", name + ", line " + std::to_string(piece.line));
  auto json = parse(piece);
  if (!json) return pass(std::move(json.error()));
  const auto key = json_string(*json, "__key");
  if (!key) return fail(Errc::malformed, "a line without \"__key\":", place(piece.line));
  if (*key != "files") return std::nullopt;
  const auto item = json->find("__item");
  if (item == json->end()) return fail(Errc::malformed, "a line without \"__item\":", place(piece.line));
  return std::move(*item);
}

Result<std::optional<ManifestEntry>> ManifestReader::Impl::next() {
  while (true) {
    auto piece = slicer.next();
    if (!piece) return pass(std::move(piece.error()));
    if (!*piece) {
      if (!has_files && !ndjson) return fail(Errc::malformed, "no \"files\" in the manifest:", name);
      return std::nullopt;
    }
    std::optional<Json> json;
    switch ((*piece)->kind) {
      case JsonPiece::Kind::member: {
        if (auto ok = read_member(**piece); !ok) return pass(std::move(ok.error()));
        continue;
      }
      case JsonPiece::Kind::begin:
        if (has_files) return fail(Errc::malformed, "\"files\" given twice:", name);
        if ((*piece)->in_object) return fail(Errc::malformed, "\"files\" is no list:", name);
        has_files = true;
        continue;
      case JsonPiece::Kind::item: {
        if (!has_files) return fail(Errc::malformed, "\"files\" is no list:", name);
        auto parsed = parse(**piece);
        if (!parsed) return pass(std::move(parsed.error()));
        json = std::move(*parsed);
        break;
      }
      case JsonPiece::Kind::document: {
        auto line = unwrap_line(**piece);
        if (!line) return pass(std::move(line.error()));
        if (!*line) continue;
        json = std::move(*line);
        break;
      }
    }
    auto entry = read_entry(*json, (*piece)->line);
    if (!entry) return pass(std::move(entry.error()));
    return std::move(*entry);
  }
}

ManifestReader::ManifestReader(std::string name, ByteSource source, ManifestLimits limits)
    : impl_(std::make_unique<Impl>(std::move(name), std::move(source), limits)) {}
ManifestReader::~ManifestReader() = default;
ManifestReader::ManifestReader(ManifestReader&&) noexcept = default;
ManifestReader& ManifestReader::operator=(ManifestReader&&) noexcept = default;

Result<std::optional<ManifestEntry>> ManifestReader::next() {
  if (impl_->error) return pass(*impl_->error);
  auto entry = impl_->next();
  if (!entry) impl_->error = entry.error();
  return entry;
}

}  // namespace tml::uploader
