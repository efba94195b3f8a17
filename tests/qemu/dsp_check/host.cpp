// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The same program on the host: dsp_check_host IN OUT.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/qemu/dsp_check/program.hpp"

namespace {

class HostIo final : public tml::test::DspProgramIo {
 public:
  explicit HostIo(const char* path) : out_(path, std::ios::binary) {}
  void name(const char* text) override { name_ = text; }
  void begin() override {}
  void end() override {}
  void result(std::span<const float> features) override {
    std::printf("%zu %s\n", features.size(), name_.c_str());
    out_.write(reinterpret_cast<const char*>(features.data()), static_cast<std::streamsize>(features.size_bytes()));
  }

 private:
  std::ofstream out_;
  std::string name_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::ifstream in(argv[1], std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  std::vector<std::byte> golden(text.size());
  if (!text.empty()) std::memcpy(golden.data(), text.data(), text.size());
  HostIo io(argv[2]);
  return tml::test::run_dsp_program(golden, io) == 0 ? 0 : 1;
}
