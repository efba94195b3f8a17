// SPDX-License-Identifier: Apache-2.0
// The models of ../shared/models with their golden vectors: every output, the tensor before the softmax and the
// checksum of every layer, with the reference kernels and the fast ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "common/base/file.hpp"
#include "common/base/json.hpp"
#include "common/model/host_model.hpp"
#include "common/wire/crc.hpp"

namespace tml::model {
namespace {

namespace fs = std::filesystem;

std::vector<std::uint8_t> bytes_of(const fs::path& file) {
  const auto read = read_file(file, std::size_t{64} << 20U);
  EXPECT_TRUE(read) << file;
  return read ? std::vector<std::uint8_t>(read->begin(), read->end()) : std::vector<std::uint8_t>{};
}

std::string hex(std::uint32_t value) {
  char text[9];
  std::snprintf(text, sizeof text, "%08x", value);
  return text;
}

std::uint32_t crc_of(std::span<const std::uint8_t> bytes) {
  wire::Crc32 crc;
  crc.update(std::as_bytes(bytes));
  return crc.value();
}

struct Golden {
  Json meta;
  std::vector<std::uint8_t> inputs, outputs, presoftmax;
};

void check_model(const fs::path& folder, Kernels kernels) {
  SCOPED_TRACE(folder.filename().string() + (kernels == Kernels::fast ? " fast" : " reference"));
  Golden golden;
  const auto meta_text = read_file(folder / "meta.json", std::size_t{64} << 20U);
  ASSERT_TRUE(meta_text);
  JsonLimits limits;
  limits.max_values = 5'000'000;
  limits.max_bytes = std::size_t{64} << 20U;
  const auto meta = parse_json(*meta_text, "meta.json", limits);
  ASSERT_TRUE(meta) << meta.error().message();
  const auto inputs = bytes_of(folder / "inputs.bin");
  const auto outputs = bytes_of(folder / "outputs.bin");
  const bool softmax = fs::exists(folder / "presoftmax.bin");
  const auto presoftmax = softmax ? bytes_of(folder / "presoftmax.bin") : std::vector<std::uint8_t>{};

  const auto compiled = compile_file(bytes_of(folder / "model.tflite"), {}, "model.tflite");
  ASSERT_TRUE(compiled) << compiled.error().message();
  auto model = HostModel::open(compiled->package, "model");
  ASSERT_TRUE(model) << model.error().message();
  const auto in_bytes = model->view().header().input.bytes;
  const auto out_bytes = model->view().header().output.bytes;
  const auto& vectors = meta->at("vectors");
  ASSERT_EQ(inputs.size(), in_bytes * vectors.size());
  ASSERT_EQ(outputs.size(), out_bytes * vectors.size());
  const auto& layers = compiled->report.layers;
  // The tensor that enters the final softmax is the output of the layer before it.
  std::uint32_t softmax_input_crc = 0;
  for (std::size_t n = 0; n < vectors.size(); ++n) {
    const std::span<const std::uint8_t> input(inputs.data() + n * in_bytes, in_bytes);
    std::map<std::uint16_t, std::uint32_t> crcs;
    const auto output = model->run(input, kernels, [&](const LayerTrace& trace) { crcs[trace.layer] = trace.crc; });
    ASSERT_TRUE(output);
    EXPECT_TRUE(
        std::equal(output->begin(), output->end(), outputs.begin() + static_cast<std::ptrdiff_t>(n * out_bytes)))
        << "vector " << n;
    // Layers without steps hold the bytes of the layer before them.
    std::uint32_t before = crc_of(input);
    for (const auto& layer : layers) {
      if (layer.steps == 0) crcs[layer.index] = before;
      if (&layer == &layers.back()) softmax_input_crc = before;
      before = crcs[layer.index];
    }
    if (softmax)
      EXPECT_EQ(hex(softmax_input_crc), hex(crc_of(std::span(presoftmax.data() + n * out_bytes, out_bytes))))
          << "vector " << n;
    const auto* golden_crcs = json_member(vectors[n], "layer_crc32");
    if (golden_crcs == nullptr) continue;
    ASSERT_EQ(golden_crcs->size(), layers.size());
    for (const auto& layer : layers)
      EXPECT_EQ(hex(crcs[layer.index]), (*golden_crcs)[layer.index].get<std::string>())
          << "vector " << n << " layer " << layer.index << " " << layer.op;
  }
}

class GoldenModels : public testing::TestWithParam<Kernels> {};

TEST_P(GoldenModels, AreBitExact) {
  const fs::path root = fs::path(TML_SHARED_DIR) / "models";
  if (!fs::is_directory(root)) GTEST_SKIP() << "no golden models: " << root << " is not there";
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(root))
    if (fs::exists(entry.path() / "meta.json")) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  ASSERT_FALSE(folders.empty());
  for (const auto& folder : folders) check_model(folder, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Both, GoldenModels, testing::Values(Kernels::reference, Kernels::fast));

}  // namespace
}  // namespace tml::model
