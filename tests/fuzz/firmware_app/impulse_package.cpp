// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A package as it could lie in a model slot: whatever the checks of firmware/app accept runs on a window inside the
// arena that the layout asked for. Input: a package (its hash is not looked at here), then the bits of the readings.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "firmware/app/stage.hpp"
#include "firmware/nn/check.hpp"

namespace {

using namespace tml;
using namespace tml::fw;

constexpr std::size_t kArena = 256 * 1024;
constexpr std::size_t kMostBytes = 64 * 1024;
constexpr std::uint32_t kMostValues = 1024;
constexpr int kMostPieces = 5000;

struct NoUart final : hal::Uart {
  std::size_t read(std::span<std::uint8_t>) override { return 0; }
  std::size_t write(std::span<const std::uint8_t>) override { return 0; }
  [[nodiscard]] std::size_t tx_space() const override { return 0; }
  [[nodiscard]] bool drained() const override { return true; }
  void set_baud(std::uint32_t) override {}
};
struct NoClock final : hal::Clock {
  [[nodiscard]] std::uint64_t wire_us() const override { return now_ += 1000; }
  mutable std::uint64_t now_ = 0;
};
struct NoFlash final : hal::Flash {
  [[nodiscard]] std::uint32_t size_bytes() const override { return 0; }
  [[nodiscard]] bool read(std::uint32_t, std::span<std::uint8_t>) override { return false; }
  [[nodiscard]] bool program(std::uint32_t, std::span<const std::uint8_t>) override { return false; }
  [[nodiscard]] bool erase_sector(std::uint32_t) override { return false; }
};
struct NoRandom final : hal::Random {
  void fill(std::span<std::uint8_t>) override {}
};
struct NoSystem final : hal::System {
  [[nodiscard]] const hal::SystemInfo& info() const override { return info_; }
  void reset() override {}
  hal::SystemInfo info_;
};

class Bits final : public dsp::Signal {
 public:
  Bits(std::span<const std::uint8_t> bytes, std::size_t values) : bytes_(bytes), values_(values) {}
  [[nodiscard]] bool read(std::size_t offset, std::span<float> into) override {
    if (offset > values_ || into.size() > values_ - offset) std::abort();
    for (std::size_t i = 0; i < into.size(); ++i) {
      into[i] = bytes_.empty() ? 0.0F : static_cast<float>(bytes_[(offset + i) % bytes_.size()]) - 100.0F;
    }
    return true;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t values_;
};

struct Unit {
  alignas(16) std::uint8_t bytes[16];
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > kMostBytes || size < wire::model::kHeaderBytes) return 0;
  // Copies of exactly the size that they may have, so that a sanitizer sees what lies outside.
  std::vector<Unit> copy((size + sizeof(Unit) - 1) / sizeof(Unit));
  std::memcpy(copy.data(), data, size);
  const auto opened = wire::model::open({copy[0].bytes, size});
  if (opened.fault != wire::model::Fault::none) return 0;
  const wire::model::View& view = opened.view;
  if (view.header().step_count > 0 && nn::check(view, nn::ref::kTable, kArena).fault != wire::model::Fault::none)
    return 0;
  app::Impulse impulse;
  if (app::open_impulse(view, impulse).fault != wire::model::Fault::none) return 0;
  if (impulse.window_values() > kMostValues) return 0;

  NoUart uart;
  NoClock clock;
  NoFlash flash;
  NoRandom random;
  NoSystem system;
  std::vector<Unit> arena(kArena / sizeof(Unit));
  const app::Board board{.uart = uart,
                         .clock = clock,
                         .flash = flash,
                         .config_region = {},
                         .sample_region = {},
                         .random = random,
                         .system = system,
                         .sensors = {},
                         .arena = {arena[0].bytes, kArena},
                         .kernels = &nn::ref::kTable};
  const hal::CameraResolution picture =
      impulse.image() ? hal::CameraResolution{impulse.head->image_width, impulse.head->image_height}
                      : hal::CameraResolution{};
  const dsp::WindowFacts window = impulse.window(picture, 3);
  Bits bits({data, size}, impulse.image() ? std::size_t{3} * impulse.window_values() : impulse.window_values());
  app::Drift drift;
  app::Stage stage;
  for (const bool incremental : {false, true}) {
    app::ArenaTaker memory(board.arena);
    const bool slices = incremental && !impulse.image() && impulse.head != nullptr;
    using Windows = app::Stage::Windows;
    stage.use(board, impulse, window, slices ? Windows::slices : Windows::in_a_row, memory, &drift);
    stage.set_work(memory.take(stage.work_bytes()));
    if (memory.failed()) return 0;
    stage.start(bits);
    if (impulse.head == nullptr) {
      for (float& feature : stage.features()) feature = 1.0F;
      stage.start_features();
    } else if (stage.incremental()) {
      stage.start_slice(bits, window.readings, window.readings);
    }
    for (int piece = 0; piece < kMostPieces && stage.step() == app::Stage::Progress::more; ++piece) {
    }
  }
  return 0;
}
