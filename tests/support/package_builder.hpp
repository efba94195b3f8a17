// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Builds small model packages from the structures of common/wire, without the compiler: an identity model (one copy
// step), impulse section, labels, hash.
#pragma once

#include <sodium/crypto_hash_sha256.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "common/wire/model_impulse.hpp"
#include "common/wire/model_package.hpp"
#include "common/wire/model_steps.hpp"
#include "firmware/dsp/block.hpp"

namespace tml::fw::test {

namespace model = wire::model;

inline void set_text(std::span<char> field, std::string_view text) {
  std::fill(field.begin(), field.end(), '\0');
  std::copy_n(text.begin(), std::min(text.size(), field.size() - 1), field.begin());
}

class PackageBuilder {
 public:
  model::Header header;
  model::ImpulseHead head;
  bool with_impulse = true;
  std::vector<dsp::BlockConfig> blocks;
  std::vector<std::uint8_t> anomaly;
  std::vector<std::string> labels;
  std::vector<std::uint8_t> steps;
  std::vector<std::uint8_t> constants;

  explicit PackageBuilder(std::string_view name = "test", std::uint32_t version = 0x01020003) {
    set_text(header.name, name);
    header.version = version;
  }

  /// `count` int8 values copied from input to output: scores are the quantised features.
  PackageBuilder& identity(std::uint32_t count, float scale, std::int32_t zero_point) {
    model::CopyStep step;
    step.step.kernel = model::Kernel::copy;
    step.step.bytes = sizeof(step);
    step.step.last = 1;
    step.step.input = 0;
    step.step.output = (count + 15) / 16 * 16;
    step.step.scratch = 0;
    step.shape = {1, 1, 1, static_cast<std::uint16_t>(count)};
    step.in_stride = {0, 0, 0, 1};
    step.out_stride = {0, 0, 0, 1};
    append(steps, step);
    header.step_count = 1;
    header.kernels |= std::uint64_t{1} << static_cast<unsigned>(model::Kernel::copy);
    header.arena_bytes = 2 * step.step.output;
    header.input = {model::ElementType::int8, 2, 0, {1, count, 1, 1}, scale, zero_point, 0, count, 0};
    header.output = {model::ElementType::int8, 2, 0, {1, count, 1, 1}, scale, zero_point, step.step.output, count, 0};
    return *this;
  }
  PackageBuilder& sensor(std::string_view name, std::vector<std::uint8_t> axes, float hz, std::uint32_t window,
                         std::uint32_t stride) {
    set_text(head.sensor, name);
    head.axis_count = static_cast<std::uint8_t>(axes.size());
    std::copy(axes.begin(), axes.end(), head.axes.begin());
    head.frequency_hz = hz;
    head.window = window;
    head.stride = stride;
    return *this;
  }

  /// 16-byte multiples; the hash is right whatever the content is.
  [[nodiscard]] std::vector<std::uint8_t> build() const {
    model::Header out = header;
    std::vector<std::uint8_t> bytes(model::kHeaderBytes, 0);
    place(bytes, out.steps, steps);
    place(bytes, out.constants, constants);
    if (with_impulse) {
      model::ImpulseHead impulse_head = head;
      impulse_head.block_count = static_cast<std::uint8_t>(blocks.size());
      impulse_head.block_bytes = sizeof(dsp::BlockConfig);
      impulse_head.anomaly_bytes = static_cast<std::uint32_t>(anomaly.size());
      impulse_head.anomaly_offset =
          anomaly.empty() ? 0
                          : static_cast<std::uint32_t>(sizeof(impulse_head) + blocks.size() * sizeof(dsp::BlockConfig));
      std::vector<std::uint8_t> section;
      append(section, impulse_head);
      for (const dsp::BlockConfig& block : blocks) append(section, block);
      section.insert(section.end(), anomaly.begin(), anomaly.end());
      place(bytes, out.impulse, section);
    }
    std::vector<std::uint8_t> names;
    for (const std::string& label : labels) {
      names.push_back(static_cast<std::uint8_t>(label.size()));
      names.insert(names.end(), label.begin(), label.end());
    }
    place(bytes, out.labels, names);
    out.label_count = static_cast<std::uint16_t>(labels.size());
    out.total_bytes = static_cast<std::uint32_t>(bytes.size());
    std::memcpy(bytes.data(), &out, sizeof(out));
    seal(bytes);
    return bytes;
  }

  /// Makes the hash right again after bytes were changed.
  static void seal(std::vector<std::uint8_t>& bytes) {
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, bytes.data(), model::kHashOffset);
    crypto_hash_sha256_update(&state, bytes.data() + model::kHeaderBytes, bytes.size() - model::kHeaderBytes);
    crypto_hash_sha256_final(&state, bytes.data() + model::kHashOffset);
  }

 private:
  template <typename T>
  static void append(std::vector<std::uint8_t>& to, const T& value) {
    const auto* const from = reinterpret_cast<const std::uint8_t*>(&value);
    to.insert(to.end(), from, from + sizeof(T));
  }
  static void place(std::vector<std::uint8_t>& bytes, model::Section& section,
                    const std::vector<std::uint8_t>& content) {
    if (content.empty()) return;
    section = {static_cast<std::uint32_t>(bytes.size()), static_cast<std::uint32_t>(content.size())};
    bytes.insert(bytes.end(), content.begin(), content.end());
    bytes.resize((bytes.size() + model::kAlignment - 1) / model::kAlignment * model::kAlignment, 0);
  }
};

/// Means of the accelerometer's three axes over four readings as the "scores" of three labels.
inline PackageBuilder mean_package(std::string_view name = "means") {
  PackageBuilder package(name);
  package.identity(3, 0.25F, 0).sensor("Built-in accelerometer", {0, 1, 2}, 100.0F, 4, 2);
  dsp::BlockConfig block = dsp::defaults(dsp::BlockType::flatten);
  block.statistics = dsp::kMean;
  package.blocks = {block};
  package.head.features = 3;
  package.labels = {"x", "y", "z"};
  return package;
}

}  // namespace tml::fw::test
