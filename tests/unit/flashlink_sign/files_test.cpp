// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/flashlink/bundle.hpp"
#include "common/flashlink/object_file.hpp"
#include "common/flashlink/payload_cache.hpp"
#include "common/model/compile.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/flashlink_sign/objects.hpp"

namespace tml::flashlink {
namespace {

using test::image_of;
using test::payload_of;

test::Payload read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

const std::filesystem::path kNetwork =
    std::filesystem::path(TML_SOURCE_DIR) / "tests/fuzz/model/corpus/tflite/network.tflite";

test::Payload package() {
  const auto tflite = read(kNetwork);
  model::PackageOptions options;
  options.name = "network";
  options.version = 0x02000001;
  const auto compiled =
      model::compile_file({reinterpret_cast<const std::uint8_t*>(tflite.data()), tflite.size()}, options, "network");
  const auto bytes = std::as_bytes(std::span(compiled.value().package));
  return {bytes.begin(), bytes.end()};
}

TEST(ObjectFile, Kinds) {
  EXPECT_EQ(kind_of(image_of(4096, 1)), FileKind::image);
  EXPECT_EQ(kind_of(package()), FileKind::package);
  EXPECT_EQ(kind_of(read(kNetwork)), FileKind::tflite);
  EXPECT_EQ(kind_of(payload_of(5000)), FileKind::other);
  EXPECT_EQ(kind_of({}), FileKind::other);
}

TEST(ObjectFile, AnImageTellsItsFacts) {
  const auto key = development_key();
  auto image = image_of(6000, 2);
  image.resize(7000);  // padded by a tool: what is behind image_bytes is not signed
  const auto objects = objects_of(image, {}, &key, 5, "app.bin");
  ASSERT_TRUE(objects.has_value()) << objects.error().message();
  const auto& m = objects->front().manifest;
  EXPECT_EQ(m.object, wire::flash::ObjectClass::app);
  EXPECT_EQ(m.payload_bytes, 6000U);
  EXPECT_EQ(m.slots, 2U);
  EXPECT_EQ(text_of(m.product), "tml-virtual");
  EXPECT_EQ(m.kernel_abi, 2);
  EXPECT_EQ(m.created_unix_s, 5U);
  EXPECT_EQ(objects_of(test::Payload(image.begin(), image.begin() + 5000), {}, &key, 5, "app.bin").error().code,
            Errc::malformed);
  EXPECT_EQ(objects_of(image, {}, nullptr, 5, "app.bin").error().code, Errc::usage);
}

TEST(ObjectFile, APackageTellsItsContract) {
  const auto key = development_key();
  const auto bytes = package();
  ObjectFlags flags;
  flags.epoch = 4;
  const auto objects = objects_of(bytes, flags, &key, 5, "network.tmlm");
  ASSERT_TRUE(objects.has_value()) << objects.error().message();
  const auto& m = objects->front().manifest;
  EXPECT_EQ(m.object, wire::flash::ObjectClass::model);
  EXPECT_EQ(m.slots, 0b0111100U);
  EXPECT_EQ(m.version, 0x02000001U);
  EXPECT_EQ(m.epoch, 4U);
  EXPECT_NE(m.kernels, 0U);
  EXPECT_NE(m.io_hash, Hash{});
  EXPECT_EQ(m.dsp_hash, Hash{});
  EXPECT_EQ(text_of(m.name), "network");
  auto damaged = bytes;
  damaged.back() ^= std::byte{1};
  EXPECT_EQ(facts_of(damaged, {}, "x").error().code, Errc::verification);
  damaged.resize(300);
  EXPECT_EQ(facts_of(damaged, {}, "x").error().code, Errc::malformed);
}

TEST(ObjectFile, FlagsGoFirst) {
  ObjectFlags flags;
  flags.product = "other";
  flags.version = 9;
  flags.hardware_last = 3;
  flags.name = "n";
  flags.slots = 1;
  const auto facts = facts_of(image_of(4096, 3), flags, "x");
  ASSERT_TRUE(facts.has_value());
  EXPECT_EQ(text_of(facts->product), "other");
  EXPECT_EQ(facts->version, 9U);
  EXPECT_EQ(facts->hardware_last, 3);
  EXPECT_EQ(facts->slots, 1U);
  flags.slots = 4;
  EXPECT_EQ(facts_of(image_of(4096, 3), flags, "x").error().code, Errc::usage);
  flags.slots.reset();
  flags.product = std::string(24, 'p');
  EXPECT_EQ(facts_of(image_of(4096, 3), flags, "x").error().code, Errc::usage);
}

TEST(ObjectFile, OtherFilesOnlyAsData) {
  const auto key = development_key();
  EXPECT_EQ(facts_of(payload_of(10), {}, "x").error().code, Errc::usage);
  EXPECT_EQ(facts_of(read(kNetwork), {}, "x").error().code, Errc::usage);
  ObjectFlags flags;
  flags.data = true;
  const auto objects = objects_of(read(kNetwork), flags, &key, 0, "x");
  ASSERT_TRUE(objects.has_value());
  EXPECT_EQ(objects->front().manifest.object, wire::flash::ObjectClass::data);
  EXPECT_EQ(objects->front().manifest.slots, 64U);
}

RC_GTEST_PROP(ObjectFile, AnyBytesAreReadOrRefused, (const std::vector<std::uint8_t>& bytes, std::uint8_t kind)) {
  const auto key = development_key();
  auto content = test::Payload(std::as_bytes(std::span(bytes)).begin(), std::as_bytes(std::span(bytes)).end());
  const auto put = [&content](std::size_t at, std::string_view text) {
    if (content.size() < at + text.size()) content.resize(at + text.size());
    std::memcpy(content.data() + at, text.data(), text.size());
  };
  if (kind % 4 == 1) put(0, "TMLU");
  if (kind % 4 == 2) put(0, "TMLM");
  if (kind % 4 == 3) put(0x200, "TMLI");
  (void)objects_of(content, {}, &key, 0, "x");
}

TEST(PayloadCache, KeepsAndForgets) {
  const ::tml::test::TempDir folder;
  const PayloadCache cache(folder / "flash", 10'000);
  const auto a = payload_of(4000, 1);
  const auto b = payload_of(4000, 2);
  const auto c = payload_of(4000, 3);
  EXPECT_FALSE(cache.find(sha256(a)).has_value());
  EXPECT_TRUE(cache.keep(sha256(a), a));
  EXPECT_TRUE(cache.keep(sha256(b), b));
  const auto past = std::filesystem::file_time_type::clock::now() - std::chrono::hours(1);
  std::filesystem::last_write_time(folder / "flash" / hex(sha256(b)), past);
  EXPECT_EQ(cache.find(sha256(a)), a);
  EXPECT_TRUE(cache.keep(sha256(c), c));
  EXPECT_FALSE(cache.find(sha256(b)).has_value()) << "unused for longest";
  EXPECT_EQ(cache.find(sha256(a)), a);
  EXPECT_EQ(cache.find(sha256(c)), c);
  EXPECT_FALSE(cache.keep(sha256(a), b)) << "not what its name says";
  EXPECT_FALSE(cache.keep(sha256(payload_of(20'000)), payload_of(20'000))) << "larger than all";
  folder.put("flash/" + hex(sha256(c)), "damaged");
  EXPECT_FALSE(cache.find(sha256(c)).has_value());
  EXPECT_FALSE(std::filesystem::exists(folder / "flash" / hex(sha256(c))));
}

}  // namespace
}  // namespace tml::flashlink
