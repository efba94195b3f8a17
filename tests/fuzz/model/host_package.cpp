// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A package from outside on the host: what HostImpulse::open() takes runs, traced, with both kernels. Packages are
// compiled here and then changed, so that their layouts are never out of date; the hash is made right again, because
// whoever forges a package can do that too. Input: which package, then edits of three bytes: place (15 bits), whether a
// whole word is written there (1 bit), value (sign-extended to the word).
#include <openssl/evp.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "common/model/anomaly_fit.hpp"
#include "common/model/host_run.hpp"
#include "common/model/impulse_file.hpp"
#include "firmware/nn/check.hpp"
#include "firmware/nn/player.hpp"
#include "tests/unit/model/tflite_builder.hpp"

namespace {

using namespace tml;
using namespace tml::model;
using test::TfliteBuilder;

constexpr std::uint64_t kMaxWork = 1U << 18;
constexpr std::size_t kMaxValues = 4096;

template <typename T>
T need(Result<T> result) {
  if (!result) std::abort();
  return *std::move(result);
}

Bytes compiled(const TfliteBuilder* model, std::string_view toml, std::vector<std::string> labels = {}) {
  PackageOptions options;
  options.name = "seed";
  options.labels = std::move(labels);
  if (!toml.empty()) {
    const auto spec = need(parse_impulse(toml, "seed.toml"));
    const auto facts = need(choose_axes(spec, 0, 2, "seed.toml"));
    FittedAnomaly fitted;
    if (!spec.anomaly.fit.empty()) {
      std::vector<std::vector<float>> vectors;
      for (std::uint32_t n = 0; n < 24; ++n) {
        vectors.emplace_back();
        for (std::uint32_t k = 0; k < facts.features; ++k)
          vectors.back().push_back(static_cast<float>((n * 7 + k * 13 + n * k) % 11));
      }
      fitted = need(fit_anomaly(spec.anomaly, vectors));
    }
    options.impulse = write_impulse(spec, facts, fitted.model, fitted.threshold);
  }
  if (model == nullptr) return need(compile(nullptr, options, "seed")).package;
  return need(compile_file(model->build(), options, "seed")).package;
}

// Slices, a split and a concatenation: copies with all kinds of strides.
TfliteBuilder moves() {
  TfliteBuilder model;
  const int in = model.tensor({1, 2, 4});
  const int back = model.tensor({1, 2, 4});
  const int left = model.tensor({1, 2, 2});
  const int right = model.tensor({1, 2, 2});
  const int out = model.tensor({1, 2, 4});
  const std::vector<int> slice{in, model.numbers({0, 1, 3}), model.numbers({1, -3, -5}), model.numbers({1, -1, -1})};
  model.op(Op::strided_slice, slice, {back}, test::fb::BuiltinOptions::StridedSliceOptions,
           [](auto& b) { return test::fb::CreateStridedSliceOptions(b).Union(); });
  model.op(Op::split, {model.constant<std::int32_t>({}, {2}, TensorType::int32, {{}, {}, 0}), back}, {left, right},
           test::fb::BuiltinOptions::SplitOptions, [](auto& b) { return test::fb::CreateSplitOptions(b, 2).Union(); });
  model.op(Op::concatenation, {right, left}, {out}, test::fb::BuiltinOptions::ConcatenationOptions,
           [](auto& b) { return test::fb::CreateConcatenationOptions(b, -1).Union(); });
  model.inputs = {in};
  model.outputs = {out};
  return model;
}

TfliteBuilder picture() {
  TfliteBuilder model;
  const int in = model.tensor({1, 4, 4, 1});
  const int out = model.tensor({1, 4, 4, 2});
  model.op(Op::conv_2d, {in, model.weights({2, 3, 3, 1}, std::vector<std::int8_t>(18, 3))}, {out},
           test::fb::BuiltinOptions::Conv2DOptions, test::conv_options());
  model.inputs = {in};
  model.outputs = {out};
  return model;
}

const std::vector<Bytes>& seeds() {
  static const std::vector<Bytes> kSeeds = [] {
    const auto model = moves();
    const auto camera = picture();
    constexpr std::string_view kReadings = "[impulse]\nfrequency_hz = 100\nwindow_ms = 40\naxes = [0, 1]\n";
    std::vector<Bytes> list;
    list.push_back(compiled(&model, {}, {"a", "b", "c", "d", "e", "f", "g", "h"}));
    list.push_back(compiled(&model, std::string(kReadings) + "[anomaly]\nkind = 'reconstruction'\nthreshold = 1\n"));
    for (const char* kind : {"k_means", "mahalanobis"})
      list.push_back(compiled(nullptr, std::string(kReadings) + "[[dsp]]\ntype = 'flatten'\n[anomaly]\nkind = '" +
                                           kind + "'\nshrinkage = 0.5\nclusters = 2\nfit = '.'\n"));
    list.push_back(compiled(&camera,
                            "[impulse]\n[[dsp]]\ntype = 'image'\nimage_width = 4\nimage_height = 4\n"
                            "image_channels = 1\n"));
    return list;
  }();
  return kSeeds;
}

void seal(Bytes& package) {
  const auto opened = wire::model::open(package);
  if (opened.fault != wire::model::Fault::none) return;
  const auto bytes = opened.view.bytes();
  Bytes hashed(bytes.begin(), bytes.begin() + wire::model::kHashOffset);
  hashed.insert(hashed.end(), bytes.begin() + wire::model::kHeaderBytes, bytes.end());
  EVP_Digest(hashed.data(), hashed.size(), package.data() + wire::model::kHashOffset, nullptr, EVP_sha256(), nullptr);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Bytes package = seeds()[data[0] % seeds().size()];
  for (std::size_t n = 1; n + 3 <= size; n += 3) {
    const std::size_t place = (data[n] | std::size_t{data[n + 1]} << 8U) & 0x7FFFU;
    const std::int32_t value = static_cast<std::int8_t>(data[n + 2]);
    if ((data[n + 1] & 0x80U) == 0)
      package[place % package.size()] = data[n + 2];
    else
      std::memcpy(package.data() + place % (package.size() / 4) * 4, &value, sizeof value);
  }
  seal(package);
  auto impulse = HostImpulse::open(package, "fuzz");
  if (!impulse) {
    if (impulse.error().what.empty() || impulse.error().hint.empty()) std::abort();
    return 0;
  }
  const auto& view = impulse->model().view();
  std::uint64_t work = 0;
  fw::nn::Steps steps(view);
  while (const std::uint8_t* record = steps.next()) work += fw::nn::work(fw::nn::step_of(record));
  if (work > kMaxWork || impulse->window_values() > kMaxValues) return 0;
  std::size_t traced = 0;
  for (const Kernels kernels : {Kernels::reference, Kernels::fast}) {
    RunSettings settings;
    settings.kernels = kernels;
    settings.trace = [&traced](const LayerTrace& layer) { traced += layer.bytes; };
    if (impulse->impulse() && impulse->impulse()->image()) {
      static_cast<void>(impulse->run_picture({5, 3, 1, std::vector<std::uint8_t>(15, 77)}, settings));
    } else {
      std::vector<float> values(impulse->window_values());
      for (std::size_t n = 0; n < values.size(); ++n) values[n] = static_cast<float>(n % 5) - 2.0F;
      static_cast<void>(impulse->run_window(values, settings));
    }
    if (impulse->model().has_model())
      static_cast<void>(impulse->run_tensor(Bytes(view.header().input.bytes), settings));
  }
  return 0;
}
