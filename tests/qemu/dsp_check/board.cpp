// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// On the Cortex-M4F: reads in.bin, says each case's name, writes every feature to out.bin.
#include "tests/qemu/dsp_check/program.hpp"
#include "tests/qemu/support/semihost.hpp"

namespace {

class BoardIo final : public tml::test::DspProgramIo {
 public:
  explicit BoardIo(int out) : out_(out) {}
  void name(const char* text) override {
    tml::qemu::say(text);
    tml::qemu::say("\n");
  }
  void begin() override { bench_begin(); }
  void end() override { bench_end(); }
  void result(std::span<const float> features) override {
    if (!tml::qemu::append(out_, std::as_bytes(features))) tml::qemu::leave(98);
  }

 private:
  int out_;
};

alignas(16) std::byte golden[512 * 1024];

}  // namespace

int main() {
  const long size = tml::qemu::read_file("in.bin", 0, golden);
  const int out = tml::qemu::create_file("out.bin");
  if (size <= 0 || out < 0) return 3;
  BoardIo io(out);
  const int failed = tml::test::run_dsp_program(std::span(golden).first(static_cast<std::size_t>(size)), io);
  return failed == 0 ? 0 : 1;
}
