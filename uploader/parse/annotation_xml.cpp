// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <array>
#include <pugixml.hpp>

#include "common/wire/text.hpp"
#include "uploader/parse/annotation_parse.hpp"
#include "uploader/parse/csv_line.hpp"

namespace tml::uploader {
namespace {

constexpr std::size_t kRecogniseBytes = std::size_t{1} << 20U;

std::string_view text_of_child(const pugi::xml_node& node, const char* name) {
  return wire::trim(node.child(name).child_value());
}

std::string place(std::string_view path, std::size_t object, std::string_view field) {
  return std::string(path) + ", object " + std::to_string(object) + ", " + std::string(field);
}

Result<RawBox> box_of(const pugi::xml_node& object, std::string_view path, std::size_t number) {
  constexpr std::array<const char*, 4> kEdges = {"xmin", "ymin", "xmax", "ymax"};
  const pugi::xml_node bndbox = object.child("bndbox");
  std::array<double, 4> edge{};
  for (std::size_t i = 0; i < kEdges.size(); ++i) {
    const auto value = csv_number(text_of_child(bndbox, kEdges[i]));
    if (!value) return fail(Errc::malformed, "no number in bndbox:", place(path, number, kEdges[i]));
    edge[i] = *value;
  }
  if (edge[2] < edge[0] || edge[3] < edge[1]) {
    return fail(Errc::malformed, "a box ends before its beginning:", place(path, number, "bndbox"));
  }
  return RawBox{std::string(text_of_child(object, "name")), edge[0], edge[1], edge[2] - edge[0], edge[3] - edge[1]};
}

}  // namespace

bool recognise_voc(std::string_view bytes) {
  // One file is about one image; a data set in one huge XML file is some other format.
  if (bytes.size() > kRecogniseBytes) return false;
  pugi::xml_document document;
  if (!document.load_buffer(bytes.data(), bytes.size(), pugi::parse_default, pugi::encoding_auto)) return false;
  const pugi::xml_node annotation = document.child("annotation");
  if (text_of_child(annotation, "filename").empty()) return false;
  for (const pugi::xml_node& object : annotation.children("object")) {
    if (!object.child("name") || !object.child("bndbox")) return false;
  }
  return true;
}

Result<void> read_voc(std::string_view path, std::string_view bytes, RawAnnotations& into) {
  if (bytes.size() > kMaxXmlBytes) return fail(Errc::limit, "larger than 16 MiB:", std::string(path));
  pugi::xml_document document;
  const pugi::xml_parse_result parsed =
      document.load_buffer(bytes.data(), bytes.size(), pugi::parse_default, pugi::encoding_auto);
  if (!parsed) {
    return fail(Errc::malformed, std::string("no valid XML (") + parsed.description() + "):",
                std::string(path) + ", byte " + std::to_string(parsed.offset));
  }
  const pugi::xml_node annotation = document.child("annotation");
  const std::string_view name = text_of_child(annotation, "filename");
  if (name.empty()) return fail(Errc::malformed, "no annotation with a filename:", std::string(path));
  FileAnnotation& file = into.of(name, path);
  std::size_t number = 0;
  for (const pugi::xml_node& object : annotation.children("object")) {
    auto box = box_of(object, path, ++number);
    if (!box) return pass(std::move(box.error()));
    if (auto ok = add_box(into, file, std::move(*box), place(path, number, "name")); !ok) return ok;
  }
  return {};
}

}  // namespace tml::uploader
