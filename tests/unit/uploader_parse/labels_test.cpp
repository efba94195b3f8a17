// SPDX-License-Identifier: Apache-2.0
#include "uploader/parse/labels.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tml::uploader {
namespace {

using ::testing::HasSubstr;

// The texts of wire reference 4.3.
TEST(SideFiles, AreWrittenAsTheServiceReadsThem) {
  const std::vector<LabelRange> ranges = {{0, 9, "idle", {}}, {10, 19, "a\"b", {{"who", "me"}}}};
  EXPECT_EQ(structured_labels_json("x.wav", ranges),
            R"({"type":"structured-labels","version":1,"structuredLabels":{"x.wav":[)"
            R"({"startIndex":0,"endIndex":9,"label":"idle"},)"
            R"({"startIndex":10,"endIndex":19,"label":"a\"b","labelMap":{"who":"me"}}]}})");
  const std::vector<Box> boxes = {{"car", 1, 2, 3, 4}, {"bus", 5, 6, 7, 8}};
  EXPECT_EQ(bounding_boxes_json("i.jpg", boxes),
            R"({"version":1,"type":"bounding-box-labels","boundingBoxes":{"i.jpg":[)"
            R"({"label":"car","x":1,"y":2,"width":3,"height":4},{"label":"bus","x":5,"y":6,"width":7,"height":8}]}})");
  const std::vector<std::string> names = {"a.txt", "b.txt"};
  EXPECT_EQ(attachments_json("x", names),
            R"({"version":1,"type":"attachments","attachments":{"x":[{"filename":"a.txt"},{"filename":"b.txt"}]}})");
  EXPECT_EQ(label_map_json("x", {{"k", "v"}, {"l", "w"}}),
            R"({"version":1,"type":"label-map-labels","labels":{"x":{"k":"v","l":"w"}}})");
  EXPECT_EQ(label_map_json("x", {}), R"({"version":1,"type":"label-map-labels","labels":{"x":{}}})");
  EXPECT_TRUE(is_side_file_name("bounding_boxes.labels"));
  EXPECT_FALSE(is_side_file_name("info.labels"));
}

TEST(Metadata, IsReadAndWritten) {
  const auto read = read_metadata(R"({"site":"A","run":3,"ok":true,"x":1.5})", "--metadata");
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(metadata_json(*read), R"({"ok":"true","run":"3","site":"A","x":"1.5"})");
  EXPECT_EQ(metadata_json({}), "{}");
  EXPECT_THAT(read_metadata(R"({"a":{"b":1}})", "--metadata").error().message(), HasSubstr("field metadata.a"));
  EXPECT_FALSE(read_metadata("[]", "--metadata"));
  EXPECT_FALSE(read_metadata("{", "--metadata"));
}

}  // namespace
}  // namespace tml::uploader
