// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target without libFuzzer: every corpus file, then --runs=N (20000) seeded random inputs and mutations of
// the corpus. The seed is fixed so that a failure repeats; longer runs with coverage feedback are `scripts/check fuzz`.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::uint8_t> mutate(std::vector<std::uint8_t> input, std::mt19937& random) {
  const auto edits = 1 + random() % 8;
  for (unsigned long i = 0; i < edits; ++i) {
    const std::size_t at = input.empty() ? 0 : random() % input.size();
    switch (random() % 5) {
      case 0:
        if (!input.empty()) input[at] ^= static_cast<std::uint8_t>(1U << (random() % 8));
        break;
      case 1:
        input.insert(input.begin() + static_cast<std::ptrdiff_t>(at), static_cast<std::uint8_t>(random()));
        break;
      case 2:
        if (!input.empty()) input.erase(input.begin() + static_cast<std::ptrdiff_t>(at));
        break;
      case 3:
        input.resize(at);
        break;
      default:
        if (!input.empty()) input[at] = static_cast<std::uint8_t>(random());
        break;
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::vector<std::uint8_t>> corpus{{}};
  unsigned runs = 20'000;
  for (int i = 1; i < argc; ++i) {
    constexpr std::string_view kRunsOption = "--runs=";
    const std::string_view argument = argv[i];
    if (argument.starts_with(kRunsOption)) {
      const std::string_view number = argument.substr(kRunsOption.size());
      const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), runs);
      if (error != std::errc{} || end != number.data() + number.size()) {
        std::fprintf(stderr, "not a number of runs: %s\n", argv[i]);
        return 2;
      }
      continue;
    }
    std::error_code code;
    for (const auto& entry : std::filesystem::directory_iterator(argv[i], code)) {
      std::ifstream file(entry.path(), std::ios::binary);
      corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
  }
  std::sort(corpus.begin(), corpus.end());
  for (const auto& input : corpus) LLVMFuzzerTestOneInput(input.data(), input.size());
  std::mt19937 random(20'261'121);  // NOLINT: the same inputs in every run, on purpose
  for (unsigned run = 0; run < runs; ++run) {
    std::vector<std::uint8_t> input;
    if (run % 2 == 0 && corpus.size() > 1) {
      input = mutate(corpus[random() % corpus.size()], random);
    } else {
      input.resize(random() % 300);
      std::generate(input.begin(), input.end(), [&random] { return static_cast<std::uint8_t>(random()); });
    }
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%u inputs and %zu corpus files, none failed\n", runs, corpus.size() - 1);
  return 0;
}
