// SPDX-License-Identifier: Apache-2.0
// Where boxes end up in an image.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "uploader/parse/annotations.hpp"

namespace tml::uploader {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Annotations annotations_of(AnnotationFormat format, const std::string& path, const std::string& bytes) {
  AnnotationReader reader(format);
  EXPECT_TRUE(reader.add("classes.txt", "car\n"));
  EXPECT_TRUE(reader.add(path, bytes));
  return **reader.finish();
}

Annotations yolo() { return annotations_of(AnnotationFormat::yolo_txt, "a.txt", "0 0.5 0.5 1 1\n"); }
Annotations pixels() {
  return annotations_of(AnnotationFormat::pascal_voc, "a.xml", "<annotation><filename>a.jpg</filename></annotation>");
}

TEST(PlaceBoxes, ClipsToTheImageAndDropsWhatIsOutside) {
  const FileAnnotation file{"",
                            {{"in", -5, -5, 20, 20},
                             {"out", 200, 10, 5, 5},
                             {"flat", 1, 1, 0, 5},
                             {"nan", NAN, 1, 5, 5},
                             {"edge", 95, 90, 10, 20}}};
  const auto placed = pixels().place(file, ImageSize{100, 100});
  ASSERT_TRUE(placed);
  EXPECT_THAT(placed->boxes, ElementsAre(Box{"in", 0, 0, 15, 15}, Box{"edge", 95, 90, 5, 10}));
  EXPECT_EQ(placed->dropped, 3U);
  EXPECT_FALSE(pixels().needs_image_size());
  EXPECT_EQ(pixels().place(file, std::nullopt)->dropped, 2U);
}

TEST(PlaceBoxes, FractionsNeedTheSizeOfTheImage) {
  const FileAnnotation file{"", {{"a", 0.5, 0.5, 0.5, 0.5}}};
  EXPECT_TRUE(yolo().needs_image_size());
  EXPECT_THAT(yolo().place(file, std::nullopt).error().message(), HasSubstr("size of the image is not known"));
  EXPECT_THAT(yolo().place(file, ImageSize{10, 20})->boxes, ElementsAre(Box{"a", 3, 5, 5, 10}));
}

RC_GTEST_PROP(PlaceBoxesProperty, BoxesStayInsideTheImage, ()) {
  static const Annotations formats[] = {yolo(), pixels()};
  const ImageSize image{*rc::gen::inRange<std::uint32_t>(1, 5000), *rc::gen::inRange<std::uint32_t>(1, 5000)};
  const auto number = [] { return *rc::gen::inRange(-3'000'000, 6'000'000) / std::pow(10.0, *rc::gen::inRange(0, 7)); };
  FileAnnotation file;
  for (auto left = *rc::gen::inRange(0, 10); left > 0; --left) {
    RawBox box{"x", 0, 0, 0, 0};
    box.x = number();
    box.y = number();
    box.width = number();
    box.height = number();
    file.boxes.push_back(box);
  }
  for (const Annotations& annotations : formats) {
    const auto placed = annotations.place(file, image);
    RC_ASSERT(placed.has_value());
    RC_ASSERT(placed->boxes.size() + placed->dropped == file.boxes.size());
    for (const Box& box : placed->boxes) {
      RC_ASSERT(box.x >= 0 && box.y >= 0 && box.width > 0 && box.height > 0);
      RC_ASSERT(box.x + box.width <= image.width && box.y + box.height <= image.height);
    }
  }
}

}  // namespace
}  // namespace tml::uploader
