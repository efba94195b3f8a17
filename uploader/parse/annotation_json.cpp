// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <array>
#include <set>

#include "common/base/json.hpp"
#include "uploader/parse/annotation_parse.hpp"
#include "uploader/parse/json_slicer.hpp"
#include "uploader/parse/json_values.hpp"

namespace tml::uploader {
namespace {

constexpr std::size_t kMaxPieceBytes = std::size_t{16} << 20U;
constexpr JsonLimits kPieceLimits{32, 2'000'000, kMaxPieceBytes};

std::string place(std::string_view path, const JsonPiece& piece) {
  return std::string(path) + ", line " + std::to_string(piece.line);
}

Result<Json> parse_piece(std::string_view path, const JsonPiece& piece) {
  return parse_json(piece.text, place(path, piece), kPieceLimits);
}

// Calls `on_piece` for each until it fails.
template <class OnPiece>
Result<void> for_each_piece(std::string_view path, std::string_view bytes, std::vector<std::string> streamed,
                            OnPiece on_piece) {
  JsonSlicer slicer(std::string(path), text_source(bytes), std::move(streamed), kMaxPieceBytes);
  while (true) {
    auto piece = slicer.next();
    if (!piece) return pass(std::move(piece.error()));
    if (!*piece) return {};
    if ((*piece)->kind == JsonPiece::Kind::document) {
      return fail(Errc::malformed, "something follows the JSON:", place(path, **piece));
    }
    if (auto ok = on_piece(**piece); !ok) return ok;
  }
}

// COCO identifiers are integers, in some exports texts.
std::optional<std::string> identifier(const Json& object, std::string_view key) {
  const Json* member = json_member(object, key);
  if (member == nullptr || member->is_structured() || member->is_null()) return std::nullopt;
  if (member->is_string()) return "\"" + *member->get_ptr<const std::string*>();
  const auto number = json_integer(object, key);
  return number ? std::optional(std::to_string(*number)) : std::nullopt;
}

std::optional<std::array<double, 4>> four_numbers(const Json& value) {
  if (!value.is_array() || value.size() != 4) return std::nullopt;
  std::array<double, 4> out{};
  for (std::size_t i = 0; i < 4; ++i) {
    if (!value[i].is_number()) return std::nullopt;
    out[i] = value[i].get<double>();
  }
  return out;
}

struct CocoBox {
  std::string image;
  std::string category;
  RawBox box;
  std::uint64_t line = 0;
};

struct Coco {
  std::map<std::string, std::string> images;
  std::map<std::string, std::string> categories;
  std::vector<CocoBox> boxes;
};

Result<void> coco_name(std::map<std::string, std::string>& into, const Json& item, std::string_view key,
                       const std::string& where) {
  const auto id = identifier(item, "id");
  auto name = json_string(item, key);
  if (!id || !name || name->empty() || name->size() > kMaxLabelBytes) {
    return bad_field("an entry needs an id and a name:", where, key);
  }
  if (!into.try_emplace(*id, std::move(*name)).second) return bad_field("an id that is taken:", where, "id");
  return {};
}

Result<void> coco_boxes(Coco& coco, const Json& item, const std::string& where, std::uint64_t line) {
  const auto image = identifier(item, "image_id");
  const auto category = identifier(item, "category_id");
  const Json* bbox = json_member(item, "bbox");
  if (!image || !category) return bad_field("an annotation needs image_id and category_id:", where, "image_id");
  // Labels of whole images and segmentations without boxes have none.
  if (bbox == nullptr || bbox->is_null() || (bbox->is_array() && bbox->empty())) return {};
  if (!bbox->is_array()) return bad_field("a box is not four numbers:", where, "bbox");
  const bool nested = bbox->front().is_array();
  const Json one = nested ? *bbox : Json::array({*bbox});
  for (const Json& numbers : one) {
    const auto box = four_numbers(numbers);
    if (!box) return bad_field("a box is not four numbers:", where, "bbox");
    if (coco.boxes.size() == kMaxAnnotations) return fail(Errc::limit, "too many annotations:", where);
    coco.boxes.push_back({*image, *category, {{}, (*box)[0], (*box)[1], (*box)[2], (*box)[3]}, line});
  }
  return {};
}

std::optional<AnnotationFormat> recognise_remo(const Json& item) {
  if (!json_string(item, "file_name")) return std::nullopt;
  const Json* classes = json_member(item, "classes");
  const bool labelled = classes != nullptr && classes->is_array();
  const Json* annotations = json_member(item, "annotations");
  if (annotations != nullptr && annotations->is_array() && !(labelled && annotations->empty())) {
    for (const Json& annotation : *annotations) {
      if (json_member(annotation, "classes") == nullptr || json_member(annotation, "bbox") == nullptr) {
        return std::nullopt;
      }
    }
    return AnnotationFormat::remo_boxes;
  }
  return labelled ? std::optional(AnnotationFormat::remo_label) : std::nullopt;
}

Result<void> remo_boxes(const Json& item, FileAnnotation& file, const std::string& where, RawAnnotations& into) {
  const Json* annotations = json_member(item, "annotations");
  if (annotations == nullptr || !annotations->is_array()) return bad_field("not a list:", where, "annotations");
  for (std::size_t i = 0; i < annotations->size(); ++i) {
    const Json& annotation = (*annotations)[i];
    const std::string field = "annotations[" + std::to_string(i) + "]";
    const Json* bbox = json_member(annotation, "bbox");
    const Json* classes = json_member(annotation, "classes");
    if (bbox == nullptr || classes == nullptr || !classes->is_array()) {
      return bad_field("an annotation needs bbox and classes:", where, field);
    }
    const auto left = json_number(*bbox, "xmin");
    const auto top = json_number(*bbox, "ymin");
    const auto right = json_number(*bbox, "xmax");
    const auto bottom = json_number(*bbox, "ymax");
    if (!left || !top || !right || !bottom) return bad_field("a box needs xmin, ymin, xmax, ymax:", where, field);
    for (const Json& name : *classes) {
      if (!name.is_string()) return bad_field("a class is no text:", where, field);
      RawBox box{name.get<std::string>(), *left, *top, *right - *left, *bottom - *top};
      if (auto ok = add_box(into, file, std::move(box), where); !ok) return ok;
    }
  }
  return {};
}

}  // namespace

std::optional<AnnotationFormat> recognise_json(std::string_view bytes) {
  JsonSlicer slicer("", text_source(bytes), {"images", "annotations", "categories"}, kMaxPieceBytes);
  std::set<std::string, std::less<>> lists;
  while (true) {
    const auto piece = slicer.next();
    if (!piece || !*piece) return std::nullopt;
    if ((*piece)->kind == JsonPiece::Kind::begin && !(*piece)->in_object) lists.emplace((*piece)->key);
    if (lists.size() == 3) return AnnotationFormat::coco;
    if ((*piece)->kind != JsonPiece::Kind::item || !(*piece)->key.empty()) continue;
    const auto json = parse_piece("", **piece);
    if (!json) return std::nullopt;
    return recognise_remo(*json);
  }
}

Result<void> read_coco(std::string_view path, std::string_view bytes, RawAnnotations& into) {
  Coco coco;
  std::set<std::string, std::less<>> seen;
  auto read =
      for_each_piece(path, bytes, {"images", "annotations", "categories"}, [&](const JsonPiece& piece) -> Result<void> {
        const std::string where = place(path, piece);
        if (piece.kind == JsonPiece::Kind::begin) {
          if (piece.in_object || !seen.emplace(piece.key).second) return bad_field("not one list:", where, piece.key);
          return {};
        }
        if (piece.kind != JsonPiece::Kind::item) return {};
        const auto json = parse_piece(path, piece);
        if (!json) return pass(json.error());
        if (piece.key == "images") return coco_name(coco.images, *json, "file_name", where);
        if (piece.key == "categories") return coco_name(coco.categories, *json, "name", where);
        return coco_boxes(coco, *json, where, piece.line);
      });
  if (!read) return read;
  for (const auto& [id, name] : coco.images) (void)into.of(name, path);
  for (CocoBox& box : coco.boxes) {
    const std::string where = std::string(path) + ", line " + std::to_string(box.line);
    const auto image = coco.images.find(box.image);
    if (image == coco.images.end()) return bad_field("no image has the id " + box.image + ":", where, "image_id");
    const auto category = coco.categories.find(box.category);
    if (category == coco.categories.end()) {
      return bad_field("no category has the id " + box.category + ":", where, "category_id");
    }
    box.box.label = category->second;
    if (auto ok = add_box(into, into.of(image->second, path), std::move(box.box), where); !ok) return ok;
  }
  return {};
}

Result<void> read_remo(std::string_view path, std::string_view bytes, bool boxes, RawAnnotations& into) {
  return for_each_piece(path, bytes, {}, [&](const JsonPiece& piece) -> Result<void> {
    const std::string where = place(path, piece);
    if (piece.kind != JsonPiece::Kind::item) return fail(Errc::malformed, "not a list of files:", where);
    const auto json = parse_piece(path, piece);
    if (!json) return pass(json.error());
    const auto name = json_string(*json, "file_name");
    if (!name || name->empty()) return bad_field("an entry needs a file_name:", where, "file_name");
    FileAnnotation& file = into.of(*name, path);
    if (boxes) return remo_boxes(*json, file, where, into);
    const Json* classes = json_member(*json, "classes");
    if (classes == nullptr || !classes->is_array()) return bad_field("not a list of texts:", where, "classes");
    if (classes->empty()) return {};
    if (!classes->front().is_string()) return bad_field("not a list of texts:", where, "classes");
    return set_label(into, file, classes->front().get<std::string>(), where);
  });
}

Result<void> read_ei_boxes(std::string_view path, std::string_view bytes, RawAnnotations& into) {
  bool found = false;
  auto read = for_each_piece(path, bytes, {"boundingBoxes"}, [&](const JsonPiece& piece) -> Result<void> {
    const std::string where = place(path, piece);
    if (piece.key != "boundingBoxes") return {};
    if (piece.kind != JsonPiece::Kind::item) {
      if (!piece.in_object || found) return bad_field("not one object:", where, piece.key);
      found = true;
      return {};
    }
    const auto json = parse_piece(path, piece);
    if (!json) return pass(json.error());
    auto boxes = boxes_of(*json, where, piece.name, kMaxLabelBytes);
    if (!boxes) return pass(std::move(boxes.error()));
    FileAnnotation& file = into.of(split_path(piece.name).second, path);
    for (Box& box : *boxes) {
      RawBox raw{std::move(box.label), static_cast<double>(box.x), static_cast<double>(box.y),
                 static_cast<double>(box.width), static_cast<double>(box.height)};
      if (auto ok = add_box(into, file, std::move(raw), where); !ok) return ok;
    }
    return {};
  });
  if (read && !found) return fail(Errc::malformed, "no object \"boundingBoxes\":", std::string(path));
  return read;
}

}  // namespace tml::uploader
