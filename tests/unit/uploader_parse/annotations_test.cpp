// SPDX-License-Identifier: Apache-2.0
#include "uploader/parse/annotations.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tml::uploader {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Files = std::vector<std::pair<std::string, std::string>>;

Result<std::optional<Annotations>> read(const Files& files, std::optional<AnnotationFormat> format = std::nullopt) {
  AnnotationReader reader(format);
  for (const auto& [path, bytes] : files) {
    if (auto taken = reader.add(path, bytes); !taken) return pass(taken.error());
  }
  return reader.finish();
}

std::string error_of(const Files& files, std::optional<AnnotationFormat> format = std::nullopt) {
  const auto out = read(files, format);
  return out ? "no error" : out.error().message();
}

// The boxes of one file as "label x,y,width,height; ...".
std::string boxes_of(const Files& files, const std::string& path, std::optional<AnnotationFormat> format = std::nullopt,
                     ImageSize image = {100, 200}) {
  const auto out = read(files, format);
  if (!out) return out.error().message();
  if (!*out) return "nothing recognised";
  const auto found = (*out)->find(path);
  if (!found) return found.error().message();
  if (*found == nullptr) return "not found";
  const auto placed = (*out)->place(**found, image);
  if (!placed) return placed.error().message();
  std::string text;
  for (const Box& box : placed->boxes) {
    text += box.label + " " + std::to_string(box.x) + "," + std::to_string(box.y) + "," + std::to_string(box.width) +
            "," + std::to_string(box.height) + "; ";
  }
  return text;
}

std::string label_of(const Files& files, const std::string& path) {
  const auto out = read(files);
  if (!out || !*out) return "nothing";
  const auto found = (*out)->find(path);
  return found && *found != nullptr ? (*found)->label : "not found";
}

constexpr const char* kCoco = R"({"info":{"a":1},"categories":[{"id":1,"name":"car"},{"id":"x","name":"bus"}],
  "annotations":[{"id":1,"image_id":7,"category_id":1,"bbox":[1,2,30,40]},
                 {"id":2,"image_id":7,"category_id":"x","bbox":[[5,6,7,8],[9,10,11,12]]},
                 {"id":3,"image_id":7,"category_id":1,"segmentation":[]}],
  "images":[{"id":7,"file_name":"train/a.jpg"},{"id":8,"file_name":"b.jpg"}]})";

TEST(Annotations, Coco) {
  const Files files = {{"coco.json", kCoco}};
  EXPECT_EQ(recognise_annotations("coco.json", kCoco), AnnotationFormat::coco);
  EXPECT_EQ(boxes_of(files, "images/train/a.jpg"), "car 1,2,30,40; bus 5,6,7,8; bus 9,10,11,12; ");
  EXPECT_EQ(boxes_of(files, "b.jpg"), "");
  EXPECT_EQ(boxes_of(files, "c.jpg"), "not found");
  EXPECT_THAT(error_of({{"c.json", R"({"images":[],"categories":[],"annotations":[
      {"image_id":7,"category_id":1,"bbox":[1,2,3,4]}]})"}}),
              HasSubstr("no image has the id 7: c.json, line 2"));
  EXPECT_THAT(
      error_of({{"c.json",
                 R"({"images":[],"categories":[],"annotations":[{"image_id":7,"category_id":1,"bbox":[1,2,3]}]})"}}),
      HasSubstr("field bbox"));
  EXPECT_THAT(
      error_of({{"c.json", std::string(kCoco).substr(0, std::string(kCoco).size() - 20)}}, AnnotationFormat::coco),
      HasSubstr("JSON"));
}

TEST(Annotations, EdgeImpulseBoxesAreReadPerFolder) {
  const Files files = {
      {"train/bounding_boxes.labels",
       R"({"version":1,"type":"bounding-box-labels","boundingBoxes":{"a.jpg":[{"label":"x","x":1,"y":2,"width":3,"height":4}]}})"},
      {"test/bounding_boxes.labels", R"({"boundingBoxes":{"a.jpg":[]}})"}};
  EXPECT_EQ(boxes_of(files, "train/a.jpg"), "x 1,2,3,4; ");
  EXPECT_EQ(boxes_of(files, "test/a.jpg"), "");
  EXPECT_EQ(boxes_of(files, "a.jpg"), "not found");
  EXPECT_THAT(error_of({{"bounding_boxes.labels", R"({"boundingBoxes":{"a.jpg":[{"label":"x"}]}})"}}),
              HasSubstr("bounding_boxes.labels, line 1, field a.jpg[0].x"));
  EXPECT_THAT(error_of({{"bounding_boxes.labels", "{}"}}), HasSubstr("no object \"boundingBoxes\""));
}

TEST(Annotations, OpenImages) {
  const std::string rows =
      "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded\n"
      "00a,xclick,/m/1,1,0.1,0.5,0.25,0.75,0\n00a,xclick,/m/2,1,10,20,30,60,0\n";
  const Files files = {{"oid/class-descriptions.csv", "/m/1,Car\n/m/2,\"Bus, red\"\n"}, {"oid/train.csv", rows}};
  EXPECT_EQ(boxes_of(files, "train/00a.jpg"), "Car 10,50,40,100; Bus, red 10,30,10,30; ");
  EXPECT_THAT(error_of({{"train.csv", rows}}),
              AllOf(HasSubstr("class /m/1 has no name: train.csv, line 2, column 3 (LabelName)"),
                    HasSubstr("class-descriptions.csv")));
}

TEST(Annotations, PascalVoc) {
  const std::string xml =
      "<?xml version=\"1.0\"?><annotation><folder>f</folder><filename>a.jpg</filename><size><width>9</width></size>"
      "<object><name>cat &amp; dog</name><pose>x</pose><bndbox><xmin>10</xmin><ymin> 20 </ymin><xmax>30.6</xmax>"
      "<ymax>60</ymax></bndbox></object></annotation>";
  EXPECT_EQ(boxes_of({{"train/annotations/1.xml", xml}}, "train/images/a.jpg"), "cat & dog 10,20,21,40; ");
  EXPECT_EQ(boxes_of({{"1.xml", "<annotation><filename>b.jpg</filename></annotation>"}}, "b.jpg"), "");
  EXPECT_THAT(error_of({{"1.xml",
                         "<annotation><filename>b.jpg</filename><object><name>x</name><bndbox><xmin>q</xmin>"
                         "</bndbox></object></annotation>"}}),
              HasSubstr("1.xml, object 1, xmin"));
  EXPECT_THAT(error_of({{"1.xml", "<annotation><filename>"}}, AnnotationFormat::pascal_voc), HasSubstr("no valid XML"));
  EXPECT_FALSE(recognise_annotations("x.xml", "<svg/>"));
}

TEST(Annotations, PlainCsv) {
  const Files labels = {{"l.csv", "file_name;class_name\na.jpg;cat\nsub/b.jpg;dog\n"}};
  EXPECT_EQ(label_of(labels, "train/a.jpg"), "cat");
  EXPECT_EQ(label_of(labels, "sub/b.jpg"), "dog");
  EXPECT_THAT(error_of({{"l.csv", "file_name,class_name\na,x\na,y\n"}}), HasSubstr("a second label"));
  const Files boxes = {{"b.csv",
                        "file_name\tclasses\txmin\tymin\txmax\tymax\na.jpg\tcar; bus\t1\t2\t4\t8\nn.jpg\t\t\t\t\t\n"
                        "f.jpg\tcar\t0.1\t0.1\t0.5\t0.5\n"}};
  EXPECT_EQ(boxes_of(boxes, "a.jpg"), "car 1,2,3,6; bus 1,2,3,6; ");
  EXPECT_EQ(boxes_of(boxes, "n.jpg"), "");
  EXPECT_EQ(boxes_of(boxes, "f.jpg"), "car 10,20,40,80; ");
  EXPECT_THAT(error_of({{"b.csv", "file_name,classes,xmin,ymin,xmax,ymax\na,c,5,0,1,1\n"}}),
              HasSubstr("left of its beginning: b.csv, line 2, column 5 (xmax)"));
  EXPECT_THAT(error_of({{"b.csv", "file_name,classes,xmin,ymin,xmax,ymax\na,c,x,0,1,1\n"}}),
              HasSubstr("line 2, column 3 (xmin)"));
  EXPECT_FALSE(recognise_annotations("s.csv", "timestamp,accX\n0,1\n"));
}

TEST(Annotations, Remo) {
  EXPECT_EQ(
      label_of({{"r.json", R"([{"file_name":"a.jpg","classes":["dog","pet"]},{"file_name":"b.jpg","classes":[]}])"}},
               "a.jpg"),
      "dog");
  const Files boxes = {{"r.json", R"([{"file_name":"a.jpg","height":9,"annotations":[
      {"classes":["x","y"],"bbox":{"xmin":1,"ymin":2,"xmax":11,"ymax":22}},
      {"classes":["z"],"bbox":{"xmin":0,"ymin":0.5,"xmax":0.5,"ymax":1}}]}])"}};
  EXPECT_EQ(boxes_of(boxes, "a.jpg"), "x 1,2,10,20; y 1,2,10,20; z 0,100,50,100; ");
  EXPECT_FALSE(recognise_annotations("d.json", R"({"protected":{},"signature":"","payload":{}})"));
  EXPECT_FALSE(recognise_annotations("d.json", "[1,2]"));
  EXPECT_FALSE(recognise_annotations("d.json", "{"));
}

TEST(Annotations, YoloWithEachKindOfNames) {
  const std::string rows = "0 0.5 0.5 0.2 0.1\n1 50 60 20 10\n";
  const std::string expected = "car 40,90,20,20; bus 40,55,20,10; ";
  const std::string image = "images/train/a.jpg";
  const auto yolo = AnnotationFormat::yolo_txt;
  EXPECT_EQ(boxes_of({{"labels/train/a.txt", rows}, {"labels/classes.txt", "car\r\nbus\n"}}, image, yolo), expected);
  EXPECT_EQ(boxes_of({{"labels/train/a.txt", rows}, {"obj.names", "car\nbus\n"}}, image, yolo), expected);
  EXPECT_EQ(boxes_of({{"data.yaml", "train: ../train\nnc: 2\nx: [a, {b: c}]\nnames: ['car', bus]\n"},
                      {"labels/train/a.txt", rows}},
                     image, yolo),
            expected);
  EXPECT_EQ(boxes_of({{"data.yaml", "names:\n  0: car\n  1: bus\n"}, {"labels/train/a.txt", rows}}, image, yolo),
            expected);
  EXPECT_EQ(boxes_of({{"classes.txt", "car"}, {"a.txt", ""}}, "a.jpg", yolo), "");
  // Lists of files are no boxes, and nothing is taken for YOLO unless it is asked for.
  AnnotationReader reader(yolo);
  EXPECT_EQ(reader.add("train.txt", "images/a.jpg\nimages/b.jpg\n"), true);
  EXPECT_EQ(reader.finish().error().code, Errc::not_found);
  EXPECT_FALSE(may_hold_annotations("a.txt", std::nullopt));
}

TEST(Annotations, YoloFaultsAreNamed) {
  const auto yolo = AnnotationFormat::yolo_txt;
  EXPECT_THAT(error_of({{"a.txt", "0 0.5 0.5 0.2 0.1\n3 0.5 0.5 0.1 0.1\n"}, {"x.names", "car\n"}}, yolo),
              AllOf(HasSubstr("class 3 has no name: a.txt, line 2"), HasSubstr("data.yaml")));
  EXPECT_THAT(error_of({{"a.txt", "0 0.5 0.5 0.2\n"}}, yolo), HasSubstr("4 columns where a box has 5: a.txt, line 1"));
  EXPECT_THAT(error_of({{"a.txt", "0 0.5 0.5 0.2 0.2\n0 0.5 x 0.2 0.1\n"}}, yolo),
              HasSubstr("column 3 is no number: a.txt, line 2"));
  EXPECT_THAT(error_of({{"a.txt", "car 0.5 0.5 0.2 0.2\n"}}, yolo), HasSubstr("the class is no number: a.txt, line 1"));
  EXPECT_THAT(error_of({{"x.names", "car\n"}, {"y.names", "bus\n"}}, yolo), HasSubstr("class 0 is \"car\" elsewhere"));
  EXPECT_THAT(error_of({{"data.yaml", "nc: 1\n"}}, yolo), HasSubstr("no \"names\""));
  EXPECT_THAT(error_of({{"data.yaml", "a: [\n"}}, yolo), HasSubstr("no valid YAML"));
  EXPECT_THAT(error_of({{"data.yaml", "names: {a: b}\n"}}, yolo), HasSubstr("a class is no number: data.yaml, line 1"));
  EXPECT_THAT(error_of({{"data.yaml", "names: [[a]]\n"}}, yolo), HasSubstr("a name is no text"));
}

TEST(Annotations, OneFormatPerFolder) {
  EXPECT_THAT(error_of({{"coco.json", kCoco}, {"l.csv", "file_name,class_name\na,b\n"}}),
              AllOf(HasSubstr("l.csv is plain-csv, but coco.json is coco"), HasSubstr("--dataset-format")));
  EXPECT_EQ(boxes_of({{"coco.json", kCoco}, {"l.csv", "file_name,class_name\na,b\n"}}, "b.jpg", AnnotationFormat::coco),
            "");
  EXPECT_THAT(error_of({{"l.csv", "file_name,class_name\na,b\n"}}, AnnotationFormat::coco),
              HasSubstr("no annotations of the format coco"));
  const auto nothing = read({{"a.csv", "timestamp,x\n"}, {"b.json", "{}"}, {"c.png", ""}});
  ASSERT_TRUE(nothing);
  EXPECT_FALSE(*nothing);
}

TEST(Annotations, SeveralFilesOfOneNameAreToldApartByTheirFolders) {
  const Files files = {{"labels/train/a.txt", "0 0.5 0.5 1 1\n"}, {"labels/val/a.txt", ""}, {"classes.txt", "car"}};
  EXPECT_EQ(boxes_of(files, "images/train/a.jpg", AnnotationFormat::yolo_txt), "car 0,0,100,200; ");
  EXPECT_EQ(boxes_of(files, "images/val/a.jpg", AnnotationFormat::yolo_txt), "");
  EXPECT_THAT(boxes_of(files, "images/test/a.jpg", AnnotationFormat::yolo_txt), HasSubstr("fit equally well"));
}

TEST(Annotations, KeysOfTheFlag) {
  for (const std::string_view key : kAnnotationFormatKeys) {
    EXPECT_EQ(annotation_format_key(*parse_annotation_format(key)), key);
  }
  EXPECT_THAT(parse_annotation_format("yolo").error().message(), HasSubstr("yolo-txt"));
}

}  // namespace
}  // namespace tml::uploader
