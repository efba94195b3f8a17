// SPDX-License-Identifier: Apache-2.0
#include "uploader/plan.hpp"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.hpp"

namespace tml::uploader {
namespace {

using sample::Category;

class PlanTest : public ::testing::Test {
 protected:
  std::vector<Upload> all() {
    std::vector<Upload> uploads;
    auto plan = open_plan(options, [this](std::string text) { warnings.push_back(std::move(text)); });
    if (!plan) {
      error = plan.error();
      return uploads;
    }
    while (true) {
      auto next = (*plan)->next();
      if (!next) {
        error = next.error();
        return uploads;
      }
      if (!*next) return uploads;
      uploads.push_back(**std::move(next));
    }
  }
  std::string at(const std::string& name) const { return (folder / name).string(); }

  test::TempDir folder;
  Options options;
  std::vector<std::string> warnings;
  Error error{Errc::failed, "", {}, {}, {}};
};

TEST_F(PlanTest, FilesAndFoldersInTheirOrder) {
  folder.put("set/b/two.wav", "x");
  folder.put("set/b/one.csv", "x");
  folder.put("set/a.json", "x");
  folder.put("set/README.txt", "x");
  folder.put("set/.hidden.csv", "x");
  folder.put("set/notes.md", "x");
  folder.put("set/bounding_boxes.labels", R"({"version":1,"type":"bounding-box-labels","boundingBoxes":{}})");
  folder.put("bad.exe", "x");
  options.files = {at("bad.exe"), at("set"), at("missing.wav"), at("set/bounding_boxes.labels")};
  const auto uploads = all();
  ASSERT_EQ(uploads.size(), 5U);
  EXPECT_EQ(uploads[0].problem->code, Errc::unsupported);
  EXPECT_EQ(uploads[1].name, "a.json");
  EXPECT_EQ(uploads[2].name, "one.csv");
  EXPECT_EQ(uploads[3].name, "two.wav");
  EXPECT_EQ(uploads[3].content_type, "audio/wav");
  EXPECT_EQ(uploads[3].label.kind, LabelKind::infer);
  EXPECT_EQ(uploads[4].name, "missing.wav");
  EXPECT_EQ(measure_plan(options)->files, 5U);
}

/// A folder that is gone by the time it is read stands for any that cannot be read: permissions do not bind root.
TEST_F(PlanTest, AFolderThatCannotBeReadIsAProblemAndNotTheEnd) {
  folder.put("set/a.csv", "x");
  folder.put("set/gone/b.csv", "x");
  folder.put("set/later/c.csv", "x");
  folder.put("o/idle.class/1.jpg", "x");
  folder.put("o/walk.class/1.jpg", "x");
  options.files = {at("set")};
  auto plan = open_plan(options, {});
  ASSERT_TRUE(plan);
  EXPECT_EQ((**(*plan)->next()).name, "a.csv");
  std::filesystem::remove_all(folder / "set/gone");
  const auto gone = (*plan)->next();
  ASSERT_TRUE(gone && *gone);
  EXPECT_EQ((*gone)->path, at("set/gone"));
  ASSERT_TRUE((*gone)->problem);
  EXPECT_EQ((*gone)->problem->code, Errc::not_found);
  EXPECT_EQ((**(*plan)->next()).name, "c.csv");
  EXPECT_FALSE(*(*plan)->next());

  options.files = {at("o")};
  options.format_openmv = true;
  plan = open_plan(options, {});
  ASSERT_TRUE(plan) << plan.error().message();
  std::filesystem::remove_all(folder / "o/idle.class");
  EXPECT_TRUE((**(*plan)->next()).problem);
  EXPECT_EQ((**(*plan)->next()).label.text, "walk");
  EXPECT_FALSE(*(*plan)->next());
}

TEST_F(PlanTest, LabelsByFlagFolderOrNothing) {
  folder.put("fan/off/1.csv", "x");
  options.files = {at("fan")};
  options.label_from = LabelFrom::folder;
  EXPECT_EQ(all()[0].label.text, "off");
  options.label_from = LabelFrom::none;
  EXPECT_EQ(all()[0].label.kind, LabelKind::unlabeled);
  options.label = "fixed";
  EXPECT_EQ(all()[0].label.text, "fixed");
  options.label = "";
  EXPECT_EQ(all()[0].label.kind, LabelKind::unlabeled);
}

TEST_F(PlanTest, BoxesBesideImages) {
  folder.put("i/a.jpg", "x");
  folder.put("i/b.jpg", "x");
  folder.put(
      "i/bounding_boxes.labels",
      R"({"version":1,"type":"bounding-box-labels","boundingBoxes":{"a.jpg":[{"label":"cup","x":1,"y":2,"width":3,"height":4}]}})");
  folder.put("broken/c.jpg", "x");
  folder.put("broken/bounding_boxes.labels", "{");
  options.files = {at("i"), at("broken")};
  const auto uploads = all();
  ASSERT_EQ(uploads.size(), 3U);
  ASSERT_EQ(uploads[0].boxes.size(), 1U);
  EXPECT_EQ(uploads[0].boxes[0], (Box{"cup", 1, 2, 3, 4}));
  EXPECT_TRUE(uploads[1].boxes.empty());
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("invalid labels file"), std::string::npos);
}

TEST_F(PlanTest, Manifest) {
  folder.put("data/one.json.x.json", "x");
  folder.put("info.labels", R"({"version":1,"files":[
    {"path":"data/one.json.x.json","name":"one.6600","category":"testing","label":{"type":"label","label":"circle"},
     "metadata":{"a":"1","b":"2"},"boundingBoxes":[{"label":"l","x":0,"y":0,"width":1,"height":1}],"attachments":["data/att.png"]},
    {"path":"data/two.WAV","name":"two.v1","category":"split","label":{"type":"unlabeled"}},
    {"path":"data/three.csv","category":"training","label":{"type":"multi-label","labels":[{"startIndex":0,"endIndex":9,"label":"q"}]}},
    {"path":"data/four.csv","category":"training","label":{"type":"keyvalue-labels","labels":{"k":"v"}}}]})");
  options.info_file = at("info.labels");
  options.metadata = {{"b", "3"}};
  const auto uploads = all();
  ASSERT_EQ(uploads.size(), 4U) << error.message();
  EXPECT_EQ(uploads[0].name, "one.6600.json");
  EXPECT_EQ(uploads[0].path, at("data/one.json.x.json"));
  EXPECT_EQ(uploads[0].category, Category::testing);
  EXPECT_EQ(uploads[0].metadata, (KeyValues{{"a", "1"}, {"b", "3"}}));
  const auto side = side_files(uploads[0]);
  ASSERT_EQ(side.size(), 3U);
  EXPECT_EQ(side[0].name, "bounding_boxes.labels");
  EXPECT_EQ(side[1].path, at("data/att.png"));
  EXPECT_EQ(side[2].name, "attachments.labels");
  EXPECT_EQ(uploads[1].name, "two.v1.WAV");
  EXPECT_EQ(uploads[1].category, Category::split);
  EXPECT_EQ(uploads[1].label.kind, LabelKind::unlabeled);
  EXPECT_EQ(side_files(uploads[2])[0].name, "structured_labels.labels");
  EXPECT_EQ(side_files(uploads[3])[0].name, "label_map.labels");
}

TEST_F(PlanTest, ManifestCannotReachOtherFiles) {
  folder.put("secret.txt", "x");
  folder.put("set/info.labels", R"({"version":1,"files":[
    {"path":"link.txt","category":"training","label":{"type":"unlabeled"}},
    {"path":"out/secret.txt","category":"training","label":{"type":"unlabeled"}},
    {"path":"fine.txt","category":"training","label":{"type":"unlabeled"}}]})");
  folder.put("set/real.txt", "x");
  std::filesystem::create_symlink("../secret.txt", folder / "set/link.txt");
  std::filesystem::create_symlink("..", folder / "set/out");
  std::filesystem::create_symlink("real.txt", folder / "set/fine.txt");
  options.info_file = at("set/info.labels");
  const auto uploads = all();
  ASSERT_EQ(uploads.size(), 3U);
  EXPECT_EQ(uploads[0].problem->code, Errc::refused);
  EXPECT_EQ(uploads[1].problem->code, Errc::refused);
  EXPECT_FALSE(uploads[2].problem);
}

TEST_F(PlanTest, DirectoryWithTrainingAndTesting) {
  folder.put("d/training/idle.1.csv", "x");
  folder.put("d/training/.x.csv", "x");
  folder.put("d/training/deeper/no.csv", "x");
  folder.put("d/testing/wave.1.csv", "x");
  options.directory = at("d");
  const auto uploads = all();
  ASSERT_EQ(uploads.size(), 2U) << error.message();
  EXPECT_EQ(uploads[0].category, Category::training);
  EXPECT_EQ(uploads[1].category, Category::testing);
  options.directory = at("d/training");
  EXPECT_TRUE(all().empty());
  EXPECT_EQ(error.code, Errc::not_found);
}

TEST_F(PlanTest, DirectoryWithAnnotations) {
  folder.put("d/train/labels.csv", "file_name,class_name\na.png,cat\nb.png,dog\n");
  folder.put("d/train/a.png", "x");
  folder.put("d/test/b.png", "x");
  folder.put("d/post-processing/c.png", "x");
  folder.put("d/readme.txt", "x");
  options.directory = at("d");
  const auto uploads = all();
  ASSERT_EQ(uploads.size(), 3U) << error.message();
  EXPECT_EQ(uploads[0].category, Category::post_processing);
  EXPECT_EQ(uploads[1].label.text, "dog");
  EXPECT_EQ(uploads[1].category, Category::testing);
  EXPECT_EQ(uploads[2].label.text, "cat");
  EXPECT_EQ(uploads[2].category, Category::training);
}

TEST_F(PlanTest, OpenMv) {
  folder.put("mv/cup.class/0001.jpg", "x");
  folder.put("mv/other/0002.jpg", "x");
  options.files = {at("mv")};
  options.format_openmv = true;
  auto uploads = all();
  ASSERT_EQ(uploads.size(), 1U);
  EXPECT_EQ(uploads[0].label.text, "cup");
  EXPECT_EQ(uploads[0].category, Category::split);
  options.files = {at("mv/other")};
  EXPECT_TRUE(all().empty());
  EXPECT_EQ(error.code, Errc::not_found);
}

TEST(ContentTypeTest, OfEachKind) {
  EXPECT_EQ(content_type_for("a/b.WAV"), "audio/wav");
  EXPECT_EQ(content_type_for("x.parquet"), "application/vnd.apache.parquet");
  EXPECT_EQ(content_type_for(".csv"), "");
  EXPECT_EQ(content_type_for("a.b/c"), "");
}

}  // namespace
}  // namespace tml::uploader
