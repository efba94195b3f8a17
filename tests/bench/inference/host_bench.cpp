// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// How long a package's run takes on this computer: tml-model-bench PACKAGE INPUTS. INPUTS: one or more input tensors.
// Prints the median of many runs over all of them, in microseconds, for the host's kernels and for the reference ones,
// as one JSON object. Exit code 1 with a word on standard error when the files do not fit.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "common/model/host_model.hpp"

namespace {

using tml::model::HostModel;
using tml::model::Kernels;
using Clock = std::chrono::steady_clock;

std::vector<std::uint8_t> read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// At least 21 runs, and more until half a second has gone by.
std::optional<std::pair<double, std::size_t>> median_us(HostModel& model, std::span<const std::uint8_t> inputs,
                                                        Kernels kernels) {
  constexpr std::size_t kLeast = 21;
  constexpr auto kLong = std::chrono::milliseconds(500);
  const std::size_t size = model.view().header().input.bytes;
  const std::size_t count = inputs.size() / size;
  std::vector<double> times;
  const auto start = Clock::now();
  for (std::size_t n = 0; times.size() < kLeast || Clock::now() - start < kLong; ++n) {
    const auto before = Clock::now();
    const auto output = model.run(inputs.subspan(n % count * size, size), kernels);
    const auto after = Clock::now();
    if (!output) return std::nullopt;
    times.push_back(std::chrono::duration<double, std::micro>(after - before).count());
  }
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return std::pair{*middle, times.size()};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: tml-model-bench PACKAGE INPUTS\n", stderr);
    return 2;
  }
  auto model = HostModel::open(read(argv[1]), argv[1]);
  const auto inputs = read(argv[2]);
  if (!model || !model->has_model() || inputs.size() < model->view().header().input.bytes) {
    std::fprintf(stderr, "%s does not run on %s\n", argv[1], argv[2]);
    return 1;
  }
  const auto fast = median_us(*model, inputs, Kernels::fast);
  const auto reference = median_us(*model, inputs, Kernels::reference);
  if (!fast || !reference) return 1;
  std::printf("{\"fast_us\": %.1f, \"ref_us\": %.1f, \"runs\": %zu}\n", fast->first, reference->first, fast->second);
  return 0;
}
