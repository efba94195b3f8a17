// SPDX-License-Identifier: Apache-2.0
#include "uploader/parse/manifest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "common/base/json.hpp"

namespace tml::uploader {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<std::vector<ManifestEntry>> read_all(std::string_view text, std::size_t step = SIZE_MAX,
                                            ManifestLimits limits = {}) {
  ManifestReader reader("info.labels", text_source(text, step), limits);
  std::vector<ManifestEntry> out;
  while (true) {
    auto entry = reader.next();
    if (!entry) {
      // An error stays.
      EXPECT_FALSE(reader.next());
      return pass(entry.error());
    }
    if (!*entry) return out;
    out.push_back(std::move(**entry));
  }
}

std::string error_of(std::string_view text, ManifestLimits limits = {}) {
  const auto out = read_all(text, SIZE_MAX, limits);
  return out ? "no error" : out.error().message();
}

constexpr std::string_view kDocument = R"({
  "version": 1,
  "files": [
    {"path": "training/idle.1.json", "name": "idle.1", "category": "training",
     "label": {"type": "label", "label": "idle"}, "metadata": {"site": "A", "run": 3}},
    {"path": "./testing//walk.cbor", "category": "testing", "label": {"type": "multi-label", "labels": [
       {"startIndex": 0, "endIndex": 9, "label": "idle"},
       {"startIndex": 10, "endIndex": 19, "label": "walk", "labelMap": {"who": "me"}}]}},
    {"path": "a.jpg", "category": "split", "label": {"type": "unlabeled"},
     "boundingBoxes": [{"label": "car", "x": 1.4, "y": 2, "width": 10, "height": 20}],
     "attachments": ["extra/a.txt", "b.txt"]},
    {"path": "kv.wav", "label": {"type": "keyvalue-labels", "labels": {"k": "v"}}},
    {"path": "list.wav", "label": {"type": "keyvalue-labels", "labels": ["x", "y"]}}
  ]
})";

void expect_document(const std::vector<ManifestEntry>& files) {
  ASSERT_EQ(files.size(), 5U);
  EXPECT_EQ(files[0].path, "training/idle.1.json");
  EXPECT_EQ(files[0].name, "idle.1");
  EXPECT_EQ(files[0].category, "training");
  EXPECT_EQ(files[0].label.kind, LabelKind::single);
  EXPECT_EQ(files[0].label.text, "idle");
  EXPECT_EQ(files[0].metadata, (KeyValues{{"run", "3"}, {"site", "A"}}));
  EXPECT_EQ(files[0].line, 4U);
  EXPECT_EQ(files[1].path, "testing/walk.cbor");
  EXPECT_EQ(files[1].label.kind, LabelKind::multi);
  EXPECT_THAT(files[1].label.ranges,
              ElementsAre(LabelRange{0, 9, "idle", {}}, LabelRange{10, 19, "walk", {{"who", "me"}}}));
  EXPECT_EQ(files[2].label.kind, LabelKind::unlabeled);
  EXPECT_THAT(files[2].boxes, ElementsAre(Box{"car", 1, 2, 10, 20}));
  EXPECT_THAT(files[2].attachments, ElementsAre("extra/a.txt", "b.txt"));
  EXPECT_EQ(files[3].label.values, (KeyValues{{"k", "v"}}));
  EXPECT_EQ(files[3].category, "");
  EXPECT_EQ(files[4].label.values, (KeyValues{{"0", "x"}, {"1", "y"}}));
  EXPECT_EQ(files[4].index, 4U);
}

TEST(Manifest, ReadsEveryKindOfEntryInAnyPieces) {
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{1000}, SIZE_MAX}) {
    const auto files = read_all(kDocument, step);
    ASSERT_TRUE(files) << files.error().message();
    expect_document(*files);
  }
}

TEST(Manifest, ReadsNdjson) {
  const auto files = read_all(
      "{\"__ndjson\":true,\"version\":1}\n{\"__key\":\"files\",\"__item\":{\"path\":\"a.wav\"}}\n"
      "{\"__key\":\"other\",\"__item\":{}}\r\n\n{\"__key\":\"files\",\"__item\":{\"path\":\"b.wav\"}}");
  ASSERT_TRUE(files) << files.error().message();
  ASSERT_EQ(files->size(), 2U);
  EXPECT_EQ((*files)[1].path, "b.wav");
  EXPECT_EQ((*files)[1].line, 5U);
  EXPECT_EQ((*files)[1].index, 1U);
}

TEST(Manifest, AcceptsByteOrderMarkEmptyListsAndUnknownKeys) {
  const auto files = read_all("\xEF\xBB\xBF{\"x\":[{}],\"files\":[ ],\"y\":{\"files\":[1]}} \n");
  ASSERT_TRUE(files) << files.error().message();
  EXPECT_TRUE(files->empty());
}

TEST(Manifest, ErrorsNameLineFileAndField) {
  EXPECT_THAT(error_of("{\"files\":[{\"path\":\"a\"},\n{\"path\":\"b\",\"label\":{\"type\":\"lable\"}}]}"),
              HasSubstr("info.labels, line 2, file 2, field label.type"));
  EXPECT_THAT(error_of("{\"files\":[{\"name\":\"a\"}]}"), HasSubstr("needs a path"));
  EXPECT_THAT(error_of("{\"files\":[{\"path\":7}]}"), HasSubstr("not a text: info.labels, line 1, file 1, field path"));
  EXPECT_THAT(error_of("{\"files\":[{\"path\":\"a\",\"category\":\"trainig\"}]}"), HasSubstr("field category"));
  EXPECT_THAT(error_of("{\"files\":[{\"path\":\"a\",\"metadata\":{\"k\":[1]}}]}"), HasSubstr("field metadata.k"));
  EXPECT_THAT(error_of("{\"files\":[{\"path\":\"a\",\"label\":{\"type\":\"label\",\"label\":\"\"}}]}"),
              HasSubstr("empty label"));
  EXPECT_THAT(
      error_of(R"({"files":[{"path":"a","boundingBoxes":[{"label":"x","x":0,"y":0,"width":0.2,"height":3}]}]})"),
      HasSubstr("box without area: info.labels, line 1, file 1, field boundingBoxes[0]"));
  EXPECT_THAT(error_of(R"({"files":[{"path":"a","label":{"type":"multi-label","labels":[
      {"startIndex":0,"endIndex":4,"label":"x"},{"startIndex":6,"endIndex":9,"label":"y"}]}}]})"),
              HasSubstr("expected startIndex 5"));
  EXPECT_THAT(error_of("{\"version\":2,\"files\":[]}"), HasSubstr("version other than 1"));
  EXPECT_THAT(error_of("{\"version\":1}"), HasSubstr("no \"files\""));
  EXPECT_THAT(error_of("{\"files\":{}}"), HasSubstr("no list"));
  EXPECT_THAT(error_of("{\"files\":[],\"files\":[]}"), HasSubstr("twice"));
  EXPECT_THAT(error_of("{\"files\":[]} x"), HasSubstr("line 1"));
  EXPECT_THAT(error_of("{\"files\":[]}\n{}"), HasSubstr("something follows"));
  EXPECT_THAT(error_of("{\"files\":[{\"path\":\"a\"} {\"path\":\"b\"}]}"), HasSubstr("a ',' or ']' is missing"));
  EXPECT_THAT(error_of("{\"files\":[\n\n{\"path\":\"a\""), HasSubstr("ends inside a value"));
  EXPECT_THAT(error_of("{\"files\":[{\"path\":tru}]}"), HasSubstr("no valid JSON at line 1, column"));
  EXPECT_THAT(error_of(""), HasSubstr("does not begin with"));
  EXPECT_THAT(error_of("{\"__ndjson\":true}\n{\"__item\":{}}"), HasSubstr("without \"__key\""));
}

TEST(Manifest, StaysInsideItsFolder) {
  for (const char* path : {"/etc/passwd", "../x", "a/../../x", "", ".", "a/..", "..", "a/../.."}) {
    const auto inside = inside_path(path, "here");
    ASSERT_FALSE(inside) << path;
    EXPECT_EQ(inside.error().code, Errc::malformed);
  }
  EXPECT_FALSE(inside_path(std::string("a\0b", 3), "here"));
  EXPECT_EQ(inside_path("a/./b//c/../d", "here").value(), "a/b/d");
  EXPECT_EQ(inside_path("..a/b..", "here").value(), "..a/b..");
  EXPECT_THAT(error_of("{\"files\":[{\"path\":\"../../home/key\"}]}"), HasSubstr("leads out"));
  EXPECT_THAT(error_of("{\"files\":[{\"path\":\"a\",\"attachments\":[\"/etc/passwd\"]}]}"),
              HasSubstr("attachments[0]"));
}

TEST(Manifest, KeepsItsBounds) {
  ManifestLimits limits;
  limits.max_entry_bytes = 64;
  limits.max_entries = 2;
  const std::string big = "{\"files\":[{\"path\":\"" + std::string(100, 'a') + "\"}]}";
  EXPECT_THAT(error_of(big, limits), HasSubstr("longer than 64 bytes"));
  EXPECT_THAT(error_of(R"({"files":[{"path":"a"},{"path":"b"},{"path":"c"}]})", limits),
              HasSubstr("more than 2 files"));
  EXPECT_THAT(error_of("{\"files\":[" + std::string(100, '[') + "]}"), HasSubstr("nests deeper"));
}

TEST(Manifest, PassesOnWhatTheSourceSays) {
  ManifestReader reader("m", [](std::span<char>) -> Result<std::size_t> { return fail(Errc::io, "broken disk"); });
  EXPECT_EQ(reader.next().error().code, Errc::io);
}

// What a manifest says, written by an independent writer, comes back.

Json label_json(const Label& label) {
  switch (label.kind) {
    case LabelKind::single:
      return {{"type", "label"}, {"label", label.text}};
    case LabelKind::multi: {
      Json ranges = Json::array();
      for (const LabelRange& range : label.ranges) {
        ranges.push_back({{"startIndex", range.start_index}, {"endIndex", range.end_index}, {"label", range.label}});
      }
      return {{"type", "multi-label"}, {"labels", ranges}};
    }
    case LabelKind::key_values: {
      Json values = Json::object();
      for (const auto& [key, value] : label.values) values[key] = value;
      return {{"type", "keyvalue-labels"}, {"labels", values}};
    }
    case LabelKind::unlabeled:
    case LabelKind::infer:
      break;
  }
  return {{"type", "unlabeled"}};
}

std::string word() {
  return *rc::gen::nonEmpty(
      rc::gen::container<std::string>(rc::gen::elementOf(std::string("abc xyz.,\"\\{}[]:\n\xC3"))));
}

// Only UTF-8 is a JSON text.
std::string utf8_word() {
  std::string out;
  for (const char c : word()) out += c == '\xC3' ? std::string("\xC3\xA9") : std::string(1, c);
  return out;
}

RC_GTEST_PROP(ManifestProperty, WhatIsWrittenIsReadBack, ()) {
  const bool ndjson = *rc::gen::arbitrary<bool>();
  const auto count = *rc::gen::inRange<std::size_t>(0, 20);
  std::vector<ManifestEntry> written(count);
  Json files = Json::array();
  std::string lines = "{\"__ndjson\":true,\"version\":1}\n";
  for (std::size_t i = 0; i < count; ++i) {
    ManifestEntry& entry = written[i];
    entry.path = "f/" + std::to_string(i) + ".wav";
    entry.name = utf8_word();
    entry.category = *rc::gen::element<std::string>("training", "testing", "split", "validation", "anomaly");
    entry.label.kind =
        *rc::gen::element(LabelKind::single, LabelKind::multi, LabelKind::key_values, LabelKind::unlabeled);
    if (entry.label.kind == LabelKind::single) entry.label.text = utf8_word();
    if (entry.label.kind == LabelKind::key_values) entry.label.values = {{"a", utf8_word()}, {"b", utf8_word()}};
    if (entry.label.kind == LabelKind::multi) {
      std::uint64_t next = 0;
      for (auto left = *rc::gen::inRange(1, 5); left > 0; --left) {
        const auto end = next + *rc::gen::inRange<std::uint64_t>(0, 1000);
        entry.label.ranges.push_back({next, end, utf8_word(), {}});
        next = end + 1;
      }
    }
    entry.metadata = {{"k", utf8_word()}};
    const Json json = {{"path", entry.path},
                       {"name", entry.name},
                       {"category", entry.category},
                       {"label", label_json(entry.label)},
                       {"metadata", {{"k", entry.metadata[0].second}}}};
    files.push_back(json);
    lines += Json{{"__key", "files"}, {"__item", json}}.dump() + "\n";
  }
  const std::string document = Json{{"version", 1}, {"files", files}}.dump(*rc::gen::inRange(-1, 4));
  const auto read = read_all(ndjson ? lines : document, *rc::gen::inRange<std::size_t>(1, 300));
  RC_ASSERT(read.has_value());
  RC_ASSERT(read->size() == count);
  for (std::size_t i = 0; i < count; ++i) {
    const ManifestEntry& entry = (*read)[i];
    RC_ASSERT(entry.path == written[i].path);
    RC_ASSERT(entry.name == written[i].name);
    RC_ASSERT(entry.category == written[i].category);
    RC_ASSERT(entry.label == written[i].label);
    RC_ASSERT(entry.metadata == written[i].metadata);
    RC_ASSERT(entry.index == i);
  }
}

// No path, however it is put together, leads out of the folder.
RC_GTEST_PROP(ManifestProperty, AcceptedPathsStayInside, ()) {
  const auto parts =
      *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>("a", "..", ".", "", "b"));
  std::string path;
  for (const std::string& part : parts) path += part + "/";
  const auto inside = inside_path(path, "x");
  if (!inside) return;
  RC_ASSERT(!inside->starts_with("/"));
  RC_ASSERT(("/" + *inside + "/").find("/../") == std::string::npos);
}

}  // namespace
}  // namespace tml::uploader
