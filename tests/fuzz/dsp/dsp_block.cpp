// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A block's record and its window as a malformed package could hold them: whatever check() accepts runs inside the
// memory that check() asked for. Input: BlockConfig (128 bytes), readings, axes, rate and row width (4 bytes each),
// then the bits of readings, repeated as needed.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>

#include "firmware/dsp/block.hpp"

namespace {

using namespace tml::fw::dsp;

class Bits final : public Signal {
 public:
  Bits(std::span<const std::uint8_t> bytes, std::size_t size) : bytes_(bytes), size_(size) {}
  [[nodiscard]] bool read(std::size_t offset, std::span<float> into) override {
    if (offset > size_ || into.size() > size_ - offset) std::abort();  // a block never asks for what is not there
    for (std::size_t i = 0; i < into.size(); ++i) {
      std::uint32_t word = 0;
      for (std::size_t b = 0; b < 4 && !bytes_.empty(); ++b) {
        word = word << 8U | bytes_[((offset + i) * 4 + b) % bytes_.size()];
      }
      std::memcpy(&into[i], &word, 4);
    }
    return true;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t size_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  BlockConfig config;
  WindowFacts window;
  if (size < sizeof config + sizeof window) return 0;
  std::memcpy(&config, data, sizeof config);
  std::memcpy(&window, data + sizeof config, sizeof window);
  const auto facts = check(config, window);
  if (!facts) {
    if (text(facts.error()).empty()) std::abort();
    return 0;
  }
  // Each run in a moment: large windows are checked, not run.
  if (std::uint64_t{window.readings} * window.axes > 4096 || facts->features > 4096 ||
      std::uint64_t{facts->frames} * (config.fft_length + 1U) > 65536) {
    return 0;
  }
  // Exactly the sizes asked for: a sanitizer sees the first byte beyond.
  const auto scratch = std::make_unique<std::byte[]>(facts->scratch_bytes);
  const auto features = std::make_unique<float[]>(facts->features);
  const std::span<float> into(features.get(), facts->features);
  Bits signal({data + sizeof config + sizeof window, size - sizeof config - sizeof window},
              std::size_t{window.readings} * window.axes);
  const auto done = run(config, window, signal, into, {scratch.get(), facts->scratch_bytes});
  if (done) {
    for (const float value : into) {
      if (!std::isfinite(value)) std::abort();
    }
  } else if (done.error() != DspError::not_finite) {
    std::abort();  // nothing else can go wrong after check()
  }

  const auto ring_floats = FrameStream::ring_floats(config, window);
  if (!ring_floats) return 0;
  const auto ring = std::make_unique<float[]>(*ring_floats);
  FrameStream stream;
  if (!stream.begin(config, window, {ring.get(), *ring_floats})) std::abort();
  const auto pushed = stream.push(signal, window.readings, window.readings, {scratch.get(), facts->scratch_bytes});
  if (pushed.has_value() && !stream.ready()) std::abort();
  if (pushed && done && !stream.features(into)) std::abort();
  return 0;
}
