// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <algorithm>
#include <array>
#include <cmath>

#include "uploader/parse/annotation_parse.hpp"
#include "uploader/parse/csv_line.hpp"

namespace tml::uploader {
namespace {

constexpr std::array<char, 3> kDelimiters = {',', '\t',
                                             ';'};  // wire reference 4.4, in the order in which they are tried

struct Schema {
  AnnotationFormat format;
  std::string_view columns[6];
  std::size_t count;
};
// Most columns first: a file for boxes may hold a class_name as well.
constexpr Schema kSchemas[] = {
    {AnnotationFormat::plain_csv_boxes, {"file_name", "classes", "xmin", "ymin", "xmax", "ymax"}, 6},
    {AnnotationFormat::open_images_csv, {"ImageID", "LabelName", "XMin", "YMin", "XMax", "YMax"}, 6},
    {AnnotationFormat::plain_csv, {"file_name", "class_name"}, 2},
};

// Where the columns of a schema stand under a header.
struct Columns {
  char delimiter = ',';
  std::array<std::size_t, 6> at{};
  std::size_t total = 0;
};

std::optional<Columns> match(const Schema& schema, std::string_view header) {
  std::vector<std::string_view> cells;
  for (const char delimiter : kDelimiters) {
    if (!split_csv(header, delimiter, cells, "", 1)) continue;
    Columns columns{delimiter, {}, cells.size()};
    std::size_t found = 0;
    for (; found < schema.count; ++found) {
      const auto at = std::find(cells.begin(), cells.end(), schema.columns[found]);
      if (at == cells.end()) break;
      columns.at[found] = static_cast<std::size_t>(at - cells.begin());
    }
    if (found == schema.count) return columns;
  }
  return std::nullopt;
}

const Schema& schema_of(AnnotationFormat format) {
  return *std::find_if(std::begin(kSchemas), std::end(kSchemas), [&](const Schema& s) { return s.format == format; });
}

std::string_view first_line(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  while (!bytes.empty() && (bytes.front() == '\n' || bytes.front() == '\r')) bytes.remove_prefix(1);
  return bytes.substr(0, std::min(bytes.find_first_of("\r\n"), kMaxAnnotationBytes));
}

class Rows {
 public:
  Rows(const Schema& schema, std::string_view path, RawAnnotations& into) : schema_(schema), path_(path), into_(into) {}

  Result<void> on_line(std::uint64_t number, std::string_view line) {
    if (!columns_) {
      columns_ = match(schema_, line);
      if (columns_) return {};
      std::string wanted;
      for (std::size_t i = 0; i < schema_.count; ++i) wanted.append(i == 0 ? "" : ",").append(schema_.columns[i]);
      return fail(Errc::malformed, "columns missing:", csv_place(path_, number), "The header names " + wanted);
    }
    if (auto ok = split_csv(line, columns_->delimiter, cells_, path_, number); !ok) return ok;
    if (cells_.size() != columns_->total) {
      return fail(
          Errc::malformed,
          std::to_string(cells_.size()) + " cells where the header has " + std::to_string(columns_->total) + ":",
          csv_place(path_, number));
    }
    const std::string name = unquoted(cell(0));
    if (name.empty()) return fail(Errc::malformed, "row without a file:", place(number, 0));
    FileAnnotation& file = into_.of(name, path_, schema_.format == AnnotationFormat::open_images_csv);
    if (schema_.format == AnnotationFormat::plain_csv) {
      if (cell(1).empty()) return {};
      return set_label(into_, file, unquoted(cell(1)), place(number, 1));
    }
    return boxes(number, file);
  }

  [[nodiscard]] bool begun() const { return columns_.has_value(); }

 private:
  [[nodiscard]] std::string_view cell(std::size_t i) const { return cells_[columns_->at[i]]; }
  [[nodiscard]] std::string place(std::uint64_t number, std::size_t i) const {
    return csv_place(path_, number, columns_->at[i] + 1, schema_.columns[i]);
  }

  Result<void> boxes(std::uint64_t number, FileAnnotation& file) {
    // A row of a file without objects.
    if (cell(1).empty() && cell(2).empty() && cell(3).empty() && cell(4).empty() && cell(5).empty()) return {};
    std::array<double, 4> edge{};
    for (std::size_t i = 0; i < edge.size(); ++i) {
      const auto value = csv_number(cell(i + 2));
      if (!value) return fail(Errc::malformed, "the cell is no number:", place(number, i + 2));
      edge[i] = *value;
    }
    if (edge[2] < edge[0]) return fail(Errc::malformed, "a box ends left of its beginning:", place(number, 4));
    if (edge[3] < edge[1]) return fail(Errc::malformed, "a box ends above its beginning:", place(number, 5));
    const std::string classes = unquoted(cell(1));
    std::string_view rest = classes;
    while (true) {
      const std::size_t end =
          schema_.format == AnnotationFormat::plain_csv_boxes ? rest.find(';') : std::string_view::npos;
      std::string_view name = rest.substr(0, end);
      while (name.starts_with(' ')) name.remove_prefix(1);
      while (name.ends_with(' ')) name.remove_suffix(1);
      RawBox box{std::string(name), edge[0], edge[1], edge[2] - edge[0], edge[3] - edge[1]};
      if (auto ok = add_box(into_, file, std::move(box), place(number, 1)); !ok) return ok;
      if (schema_.format == AnnotationFormat::open_images_csv)
        into_.used_in.try_emplace(std::string(name), place(number, 1));
      if (end == std::string_view::npos) return {};
      rest.remove_prefix(end + 1);
    }
  }

  const Schema& schema_;
  std::string path_;
  RawAnnotations& into_;
  std::optional<Columns> columns_;
  std::vector<std::string_view> cells_;
};

}  // namespace

std::optional<AnnotationFormat> recognise_csv(std::string_view bytes) {
  const std::string_view header = first_line(bytes);
  for (const Schema& schema : kSchemas) {
    if (match(schema, header)) return schema.format;
  }
  return std::nullopt;
}

bool has_columns_of(AnnotationFormat format, std::string_view bytes) {
  return match(schema_of(format), first_line(bytes)).has_value();
}

Result<void> read_csv_annotations(AnnotationFormat format, std::string_view path, std::string_view bytes,
                                  RawAnnotations& into) {
  Rows rows(schema_of(format), path, into);
  CsvLines lines{std::string(path)};
  const auto on_line = [&](std::uint64_t number, std::string_view line) { return rows.on_line(number, line); };
  if (auto ok = lines.feed(bytes, on_line); !ok) return ok;
  if (auto ok = lines.finish(on_line); !ok) return ok;
  if (!rows.begun()) return fail(Errc::malformed, "empty file:", std::string(path));
  return {};
}

Result<void> read_class_descriptions(std::string_view path, std::string_view bytes, RawAnnotations& into) {
  if (bytes.size() > kMaxClassFileBytes) return fail(Errc::limit, "larger than 16 MiB:", std::string(path));
  CsvLines lines{std::string(path)};
  std::vector<std::string_view> cells;
  const auto on_line = [&](std::uint64_t number, std::string_view line) -> Result<void> {
    if (auto ok = split_csv(line, ',', cells, path, number); !ok) return ok;
    if (cells.size() < 2)
      return fail(Errc::malformed, "a row needs an identifier and a name:", csv_place(path, number));
    const auto [at, fresh] = into.class_names.try_emplace(unquoted(cells[0]), unquoted(cells[1]));
    if (fresh || at->second == unquoted(cells[1])) return {};
    return fail(Errc::malformed, "a second name for " + at->first + ":", csv_place(path, number, 2));
  };
  if (auto ok = lines.feed(bytes, on_line); !ok) return ok;
  return lines.finish(on_line);
}

}  // namespace tml::uploader
