// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/model_report.hpp"

#include <algorithm>
#include <array>

#include "common/wire/at.hpp"
#include "common/wire/caps.hpp"
#include "common/wire/hex.hpp"
#include "firmware/app/cascade.hpp"
#include "firmware/app/impulse_text.hpp"
#include "firmware/nn/kernel_names.hpp"

namespace tml::fw::app {
namespace {

using wire::model::ElementType;
using wire::model::Gate;

constexpr unsigned kDecimals = 6;

std::string_view block_name(std::uint8_t type) {
  static constexpr std::array<std::string_view, 9> kNames{"?",   "raw",  "flatten", "spectral", "spectrogram",
                                                          "mfe", "mfcc", "log_mel", "image"};
  return type < kNames.size() ? kNames[type] : kNames[0];
}

std::string_view name_of(wire::model::AnomalyKind kind) {
  switch (kind) {
    case wire::model::AnomalyKind::none:
      return "none";
    case wire::model::AnomalyKind::k_means:
      return "k_means";
    case wire::model::AnomalyKind::mahalanobis:
      return "mahalanobis";
    case wire::model::AnomalyKind::reconstruction:
      return "reconstruction";
  }
  return "?";
}

std::string_view name_of(wire::model::Smoothing smoothing) {
  switch (smoothing) {
    case wire::model::Smoothing::none:
      return "none";
    case wire::model::Smoothing::average:
      return "average";
    case wire::model::Smoothing::majority:
      return "majority";
  }
  return "?";
}

void put_signed(Line& line, std::int64_t value) {
  if (value < 0) line.put('-');
  line.number(static_cast<std::uint64_t>(value < 0 ? -value : value));
}

}  // namespace

Step InfoReport::step() {
  if (!slots_.check_some()) return Step::again();
  Output& out = services_.out;
  if (out.queued() > 0) return Step::when_sent();
  const hal::SystemInfo& about = services_.board.system.info();
  const Impulse* const impulse = slots_.impulse(0) != nullptr ? slots_.impulse(0) : slots_.impulse(1);
  Line line;
  line.put("**********************************\n");
  line.put("Firmware build date  : ").put(about.build_date);
  line.put("\nFirmware build time  : ").put(about.build_time);
  line.put("\nML model author      : none\nML model name        : ");
  out.text(line.view());
  line.clear();
  if (impulse == nullptr) {
    line.put("none\nML model ID          : 0\nModel deploy version : 0\n");
    line.put("Edge Impulse version : none\nUsed sensor          : none\n");
  } else {
    std::array<char, 8> digits;
    const auto size = wire::hex_encode(std::as_bytes(impulse->package.hash().first(digits.size() / 2)), digits);
    wire::write_without_prompt(impulse->package.name(), services_.sink());
    line.put("\nML model ID          : ").put({digits.data(), size.value_or(0)}).put("\nModel deploy version : ");
    put_version(line, impulse->package.header().version);
    line.put("\nEdge Impulse version : none\nUsed sensor          : ");
    line.put(impulse->image() ? std::string_view("camera") : impulse->sensor_name()).put('\n');
  }
  out.text(line.view());
  line.clear();
  line.put("TML firmware version : ").put(about.firmware_version).put("\nTML sample flash     : ");
  line.number(std::uint64_t{services_.samples.free_sectors()} * hal::kFlashSectorBytes / 1024).put(" of ");
  line.number(std::uint64_t{services_.samples.sector_count()} * hal::kFlashSectorBytes / 1024).put(" KiB free, ");
  line.number(services_.samples.file_count()).put(" files\n");
  out.text(line.view());
  wire::write_caps({.ranges = true, .files = true, .streams = true}, services_.sink());
  out.text("**********************************\n");
  return Step::finished();
}

void ModelInfo::begin() {
  bank_ = 0;
  part_ = 0;
  label_ = 0;
  stopping_ = false;
}

void ModelInfo::bank() {
  Line line;
  line.put("Slot ").put(ModelSlots::name(bank_)).put(": ");
  switch (at().state) {
    case ModelBank::State::unknown:
    case ModelBank::State::empty:
      line.put("empty");
      break;
    case ModelBank::State::refused:
      line.put("refused, fault ").number(static_cast<unsigned>(at().fault)).put(": ").put(text(at().fault));
      if (at().fault == wire::model::Fault::step) line.put(" (step ").number(at().step).put(')');
      if (!at().why.empty()) line.put(" (").put(at().why).put(')');
      break;
    case ModelBank::State::valid:
      line.put(slots_.active(bank_ / kBanksPerSlot) == bank_ ? "valid, active" : "valid");
      break;
  }
  line.put('\n');
  services_.out.text(line.view());
}

void ModelInfo::tensor(std::string_view title, const wire::model::TensorFacts& facts) {
  if (facts.type == ElementType::none) return;
  Line line;
  line.put('\t').put(title).put(facts.type == ElementType::int8 ? ": int8 " : ": float32 ");
  for (std::size_t i = 0; i < std::min<std::size_t>(facts.rank, facts.shape.size()); ++i) {
    if (i > 0) line.put('x');
    line.number(facts.shape[i]);
  }
  line.put(", ").number(facts.bytes).put(" bytes");
  if (facts.type == ElementType::int8) {
    line.put(", scale ").fixed(static_cast<double>(facts.scale), 9).put(", zero point ");
    put_signed(line, facts.zero_point);
  }
  line.put('\n');
  services_.out.text(line.view());
}

void ModelInfo::contract() {
  const wire::model::View& view = at().impulse.package;
  const wire::model::Header& header = view.header();
  services_.out.text("\tName: ");
  wire::write_without_prompt(view.name(), services_.sink());
  Line line;
  line.put("\n\tVersion: ");
  put_version(line, header.version);
  line.put("\n\tHash: ");
  std::array<char, 2 * wire::model::kHashBytes> digits;
  line.put({digits.data(), wire::hex_encode(std::as_bytes(view.hash()), digits).value_or(0)});
  line.put("\n\tSize: ").number(header.total_bytes).put(" bytes\n");
  services_.out.text(line.view());
  line.clear();
  line.put("\tArena: model ").number(header.arena_bytes).put(" bytes, signal processing ");
  line.number(at().impulse.scratch_bytes).put(" bytes, board ").number(services_.board.arena.size()).put(" bytes\n");
  line.put("\tModel: ").number(header.step_count).put(" steps, ").number(header.macs).put(" MACs, about ");
  line.number(header.instructions).put(" instructions\n");
  services_.out.text(line.view());
  tensor("Input", header.input);
  tensor("Output", header.output);
}

void ModelInfo::kernels() {
  const std::uint64_t needed = at().impulse.package.header().kernels;
  Line line;
  line.put("\tKernels:");
  for (std::size_t n = 0; n < wire::model::kKernelCount; ++n) {
    if ((needed >> n & 1U) != 0) line.put(' ').put(nn::kernel_name(static_cast<wire::model::Kernel>(n)));
  }
  line.put('\n');
  services_.out.text(line.view());
}

void ModelInfo::impulse() {
  const Impulse& impulse = at().impulse;
  if (impulse.head == nullptr) {
    services_.out.text("\tImpulse: none, a bare model\n");
    return;
  }
  const wire::model::ImpulseHead& head = *impulse.head;
  Line line;
  line.put("\tSensor: ");
  if (impulse.image()) {
    line.put("camera, ").number(head.image_width).put('x').number(head.image_height);
    line.put(head.image_channels == 3 ? ", RGB" : ", grey");
  } else {
    line.put(impulse.sensor_name().empty() ? std::string_view("any") : impulse.sensor_name()).put(", axes");
    for (std::size_t i = 0; i < head.axis_count; ++i) line.put(' ').number(head.axes[i]);
    line.put(", ").fixed(static_cast<double>(head.frequency_hz), 2).put(" Hz, window ").number(head.window);
    line.put(", stride ").number(head.stride);
  }
  line.put("\n\tBlocks:");
  for (const dsp::BlockConfig& block : impulse.blocks) line.put(' ').put(block_name(block.type));
  line.put(", ").number(head.features).put(" features\n");
  services_.out.text(line.view());
  line.clear();
  line.put("\tAnomaly: ").put(name_of(head.anomaly));
  if (head.anomaly != wire::model::AnomalyKind::none)
    line.put(", threshold ").fixed(static_cast<double>(head.anomaly_threshold), kDecimals);
  line.put("\n\tSmoothing: ").put(name_of(head.smoothing)).put(", ").number(head.smoothing_count).put(" of ");
  line.number(head.smoothing_length).put(", threshold ").fixed(static_cast<double>(head.threshold), kDecimals);
  line.put("\n\tGate: ").put(gate_name(head.gate));
  if (head.gate != Gate::none) {
    if (head.gate != Gate::anomaly) line.put(' ').number(head.gate_label);
    line.put(", threshold ").fixed(static_cast<double>(head.gate_threshold), kDecimals);
    line.put(", hold ").number(head.gate_hold);
  }
  line.put('\n');
  services_.out.text(line.view());
}

void ModelInfo::runs_here() {
  Source source;
  Line reason;
  Line line;
  const bool runs = bind_impulse(at().impulse, services_.board, source, reason);
  line.put("\tOn this board: ").put(runs ? std::string_view("runs") : reason.view()).put('\n');
  services_.out.text(line.view());
}

bool ModelInfo::label() {
  const wire::model::View& view = at().impulse.package;
  if (label_ >= view.header().label_count) return false;
  Line line;
  line.put("\tLabel ").number(label_).put(": ");
  services_.out.text(line.view());
  wire::write_without_prompt(view.label(label_), services_.sink());
  services_.out.text("\n");
  ++label_;
  return true;
}

Step ModelInfo::step() {
  if (!slots_.check_some()) return Step::again();
  Output& out = services_.out;
  if (out.room() < 3 * Line::kMax) return Step::when_sent();
  if (bank_ == 0 && part_ == 0 && services_.board.model_slots.empty()) {
    out.text("ERR: this board has no model slots\n");
    return Step::finished();
  }
  if (stopping_ || bank_ == kModelBanks) return Step::finished();
  const bool valid = at().state == ModelBank::State::valid;
  switch (part_) {
    case 0:
      bank();
      break;
    case 1:
      if (valid) contract();
      break;
    case 2:
      if (valid) kernels();
      break;
    case 3:
      if (valid) impulse();
      break;
    case 4:
      if (valid) runs_here();
      break;
    default:
      if (valid && label()) return Step::again();
      ++bank_;
      part_ = 0;
      label_ = 0;
      return Step::again();
  }
  ++part_;
  return Step::again();
}

}  // namespace tml::fw::app
