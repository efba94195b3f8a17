// SPDX-License-Identifier: Apache-2.0
#include "common/model/compile.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "common/model/estimate.hpp"
#include "common/model/lower.hpp"
#include "common/model/plan.hpp"
#include "common/model/tflite_reader.hpp"
#include "common/wire/model_package.hpp"
#include "common/wire/text.hpp"
#include "firmware/dsp/impulse.hpp"
#include "firmware/nn/check.hpp"
#include "firmware/nn/overlap.hpp"

namespace tml::model {
namespace {

namespace dsp = fw::dsp;
namespace nn = fw::nn;
using namespace wire::model;

static_assert(__STDCPP_DEFAULT_NEW_ALIGNMENT__ >= kAlignment);

using Digest = std::array<std::uint8_t, kHashBytes>;

Digest digest_of(std::span<const std::uint8_t> package) {
  Digest digest{};
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_DigestInit_ex(context, EVP_sha256(), nullptr);
  EVP_DigestUpdate(context, package.data(), kHashOffset);
  EVP_DigestUpdate(context, package.data() + kHeaderBytes, package.size() - kHeaderBytes);
  EVP_DigestFinal_ex(context, digest.data(), nullptr);
  EVP_MD_CTX_free(context);
  return digest;
}

/// The buffers of a draft with their lifetimes, one more per step that needs scratch, and which of them may overlap.
struct Problem {
  std::vector<PlanBuffer> buffers;
  std::vector<PlanOverlap> overlaps;
  std::vector<int> scratch;  ///< Per step: its buffer, or kNoBuffer.
};

Problem problem_of(const Draft& draft) {
  Problem p;
  const int end = static_cast<int>(draft.steps.size());
  for (const auto& b : draft.buffers) p.buffers.push_back({b.bytes, b.alignment, end + 1, -1});
  const auto alive = [&](const Place& place, int step) {
    if (place.buffer == kNoBuffer) return;
    auto& b = p.buffers[static_cast<std::size_t>(place.buffer)];
    b.first = std::min(b.first, step);
    b.last = std::max(b.last, step);
  };
  alive(draft.input, -1);
  for (int n = 0; n < end; ++n) {
    const auto& step = draft.steps[static_cast<std::size_t>(n)];
    alive(step.input, n);
    alive(step.input2, n);
    alive(step.output, n);
    const auto bytes = nn::scratch_bytes(step.step());
    p.scratch.push_back(bytes == 0 ? kNoBuffer : static_cast<int>(p.buffers.size()));
    if (bytes != 0) p.buffers.push_back({bytes, 4, n, n});
  }
  alive(draft.output, end);

  for (int n = 0; n < end; ++n) {
    const auto& step = draft.steps[static_cast<std::size_t>(n)];
    const auto& out = p.buffers[static_cast<std::size_t>(step.output.buffer)];
    if (out.first != n) continue;
    const auto allow = [&](const Place& place, nn::Operand operand) {
      if (place.buffer == kNoBuffer || place.buffer == step.output.buffer || place.offset != 0 ||
          step.output.offset != 0)
        return;
      if (p.buffers[static_cast<std::size_t>(place.buffer)].last != n) return;
      const auto distance = nn::overlap_distance(step.step(), operand);
      if (!distance) return;
      const std::int64_t unit = nn::overlap_unit(step.step());
      p.overlaps.push_back({step.output.buffer, place.buffer, (*distance + unit - 1) / unit * unit, unit});
    };
    // One buffer as both operands: each would allow what the other may forbid.
    if (step.input.buffer == step.input2.buffer && step.input.buffer != kNoBuffer) {
      const auto one = nn::overlap_distance(step.step(), nn::Operand::input);
      const auto two = nn::overlap_distance(step.step(), nn::Operand::input2);
      if (!one || !two || *one != *two) continue;
      allow(step.input, nn::Operand::input);
      continue;
    }
    allow(step.input, nn::Operand::input);
    allow(step.input2, nn::Operand::input2);
  }
  return p;
}

void place_steps(Draft& draft, const Problem& problem, const Plan& plan) {
  for (std::size_t n = 0; n < draft.steps.size(); ++n) {
    auto& step = draft.steps[n];
    const auto write = [&](std::size_t field, const Place& place) {
      if (place.buffer == kNoBuffer) return;
      const auto at = static_cast<std::uint32_t>(plan.offsets[static_cast<std::size_t>(place.buffer)] + place.offset);
      std::memcpy(step.record.data() + field, &at, sizeof at);
    };
    write(offsetof(Step, input), step.input);
    write(offsetof(Step, output), step.output);
    if (step.input2.buffer != kNoBuffer) write(offsetof(BinaryStep, input2), step.input2);
    write(offsetof(Step, scratch), {problem.scratch[n], 0});
  }
}

TensorFacts facts_of(const Tensor& tensor, std::uint64_t offset) {
  TensorFacts facts;
  facts.type = tensor.type == TensorType::int8 ? ElementType::int8 : ElementType::float32;
  facts.rank = static_cast<std::uint8_t>(std::max<std::size_t>(1, tensor.shape.size()));
  facts.shape.fill(1);
  for (std::size_t n = 0; n < tensor.shape.size(); ++n) facts.shape[n] = static_cast<std::uint32_t>(tensor.shape[n]);
  if (tensor.type == TensorType::int8) {
    facts.scale = tensor.quantisation.scales[0];
    facts.zero_point = static_cast<std::int32_t>(tensor.quantisation.zero_points[0]);
  }
  facts.arena_offset = static_cast<std::uint32_t>(offset);
  facts.bytes = static_cast<std::uint32_t>(tensor.bytes());
  return facts;
}

Report report_of(const Draft& draft, const Problem& problem, const Plan& plan) {
  Report report;
  report.arena_bytes = plan.bytes;
  report.arena_bound = plan.bound;
  report.constant_bytes = draft.constants.size();
  report.notes = draft.notes;
  std::uint64_t kernels = 0;
  for (const auto& layer : draft.layers) {
    LayerReport l;
    l.index = layer.index;
    l.op = layer.op;
    l.input_shape = layer.input_shape;
    l.output_shape = layer.output_shape;
    l.macs = layer.macs;
    l.weight_bytes = layer.weight_bytes;
    l.output_bytes = layer.output_bytes;
    l.output_offset =
        static_cast<std::uint32_t>(plan.offsets[static_cast<std::size_t>(layer.output.buffer)] + layer.output.offset);
    l.steps = layer.steps;
    for (std::uint32_t n = layer.first_step; n < layer.first_step + layer.steps; ++n) {
      const auto& step = draft.steps[n].step();
      const auto name = kernel_name(step.kernel);
      if (n == layer.first_step || draft.steps[n - 1].step().kernel != step.kernel)
        l.kernels += (l.kernels.empty() ? "" : "+") + std::string(name);
      kernels |= std::uint64_t{1} << static_cast<unsigned>(step.kernel);
      l.instructions += estimated_instructions(step);
      report.scratch_bytes = std::max(report.scratch_bytes, nn::scratch_bytes(step));
      std::uint64_t low = plan.bytes;
      std::uint64_t high = 0;
      for (std::size_t b = 0; b < problem.buffers.size(); ++b) {
        const auto& buffer = problem.buffers[b];
        if (buffer.first > static_cast<int>(n) || buffer.last < static_cast<int>(n)) continue;
        low = std::min(low, plan.offsets[b]);
        high = std::max(high, plan.offsets[b] + buffer.bytes);
      }
      l.ram_bytes = std::max(l.ram_bytes, high > low ? high - low : 0);
    }
    report.macs += l.macs;
    report.instructions += l.instructions;
    report.layers.push_back(std::move(l));
  }
  for (unsigned n = 0; n < kKernelCount; ++n)
    if ((kernels >> n & 1U) != 0) report.kernels.emplace_back(kernel_name(static_cast<Kernel>(n)));
  return report;
}

/// Appends at a multiple of kAlignment.
Section append(Bytes& package, std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return {};
  const Section section{static_cast<std::uint32_t>(package.size()), static_cast<std::uint32_t>(bytes.size())};
  package.insert(package.end(), bytes.begin(), bytes.end());
  package.resize((package.size() + kAlignment - 1) / kAlignment * kAlignment);
  return section;
}

Result<void> check_texts(const PackageOptions& options, std::int64_t outputs) {
  const auto printable = [](std::string_view text) {
    return wire::is_utf8(text) && std::none_of(text.begin(), text.end(), [](char c) {
             return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
           });
  };
  if (options.name.size() >= kNameBytes || !printable(options.name))
    return fail(Errc::usage, "the package's name cannot be written", "\"" + options.name + "\"",
                "At most 31 bytes of UTF-8 without control characters");
  if (options.labels.size() > kMaxLabels)
    return fail(Errc::usage, "there are " + std::to_string(options.labels.size()) + " labels", {},
                "At most " + std::to_string(kMaxLabels) + " fit into a package");
  if (outputs != 0 && !options.labels.empty() && static_cast<std::int64_t>(options.labels.size()) != outputs)
    return fail(Errc::usage,
                "there are " + std::to_string(options.labels.size()) + " labels for " + std::to_string(outputs) +
                    " output values",
                {}, "Give one label per output, in the order of training");
  for (const auto& label : options.labels)
    if (label.empty() || label.size() > kMaxLabelLength || !printable(label))
      return fail(Errc::usage, "a label cannot be written", "\"" + label + "\"",
                  "1 to 63 bytes of UTF-8 without control characters");
  return {};
}

/// What a board would refuse when it opens the package, in the words of the board's own check.
Result<void> check_impulse(const View& view, const std::string& place) {
  dsp::ImpulseSection section;
  const auto refusal = dsp::read_impulse_section(view, section);
  if (refusal.fault == Fault::none) return {};
  if (refusal.fault == Fault::tensor)
    return fail(Errc::limit,
                "a board would refuse the model's input or output (" + std::string(refusal.why) + "): the input has " +
                    std::to_string(dsp::elements(view.header().input)) + " values",
                place, "1 to " + std::to_string(kMaxFeatures) + " are possible: use a smaller input");
  return fail(Errc::usage, "a board would refuse the impulse: " + std::string(refusal.why), place,
              "docs/model-package.md lists the impulse file's keys and what boards demand of them");
}

}  // namespace

bool hash_matches(std::span<const std::uint8_t> package) {
  if (package.size() < kHeaderBytes) return false;
  const auto digest = digest_of(package);
  return std::equal(digest.begin(), digest.end(), package.begin() + kHashOffset);
}

Result<Compiled> compile(const Graph* graph, const PackageOptions& options, std::string_view where) {
  Compiled compiled;
  Header header;
  header.version = options.version;
  header.label_count = static_cast<std::uint16_t>(options.labels.size());
  if (options.name.size() < kNameBytes) std::copy(options.name.begin(), options.name.end(), header.name.begin());
  Bytes steps;
  Bytes constants;
  const std::string place = "in " + std::string(where);
  std::vector<std::uint16_t> operators;  // Of each step.
  if (graph != nullptr) {
    auto lowered = lower(*graph, where);
    if (!lowered) return pass(std::move(lowered.error()));
    auto& draft = *lowered;
    if (const auto ok = check_texts(options, draft.output_tensor.elements()); !ok) return pass(ok.error());
    const auto problem = problem_of(draft);
    const auto plan = plan_memory(problem.buffers, problem.overlaps, options.plan_budget);
    if (plan.bytes > kMaxArenaBytes)
      return fail(Errc::limit, "the model needs " + std::to_string(plan.bytes) + " bytes of RAM", place,
                  "At most 4 MiB are supported: use a smaller network or input");
    place_steps(draft, problem, plan);
    compiled.report = report_of(draft, problem, plan);
    for (const auto& step : draft.steps) {
      steps.insert(steps.end(), step.record.begin(), step.record.end());
      operators.push_back(step.step().layer);
      header.kernels |= std::uint64_t{1} << static_cast<unsigned>(step.step().kernel);
    }
    constants = std::move(draft.constants);
    header.step_count = static_cast<std::uint16_t>(draft.steps.size());
    header.arena_bytes = static_cast<std::uint32_t>(plan.bytes);
    header.macs = static_cast<std::uint32_t>(std::min<std::uint64_t>(compiled.report.macs, 0xFFFFFFFF));
    header.instructions = static_cast<std::uint32_t>(std::min<std::uint64_t>(compiled.report.instructions, 0xFFFFFFFF));
    header.input =
        facts_of(draft.input_tensor, plan.offsets[static_cast<std::size_t>(draft.input.buffer)] + draft.input.offset);
    header.output = facts_of(draft.output_tensor,
                             plan.offsets[static_cast<std::size_t>(draft.output.buffer)] + draft.output.offset);
  } else if (const auto ok = check_texts(options, 0); !ok) {
    return pass(ok.error());
  }
  Bytes labels;
  for (const auto& label : options.labels) {
    labels.push_back(static_cast<std::uint8_t>(label.size()));
    labels.insert(labels.end(), label.begin(), label.end());
  }

  Bytes& package = compiled.package;
  package.resize(kHeaderBytes);
  header.steps = append(package, steps);
  header.constants = append(package, constants);
  header.impulse = append(package, options.impulse);
  header.labels = append(package, labels);
  if (package.size() > kMaxPackageBytes)
    return fail(Errc::limit, "the package takes " + std::to_string(package.size()) + " bytes", place,
                "At most 4 MiB are supported: use a smaller network");
  header.total_bytes = static_cast<std::uint32_t>(package.size());
  std::memcpy(package.data(), &header, sizeof header);
  const auto digest = digest_of(package);
  std::copy(digest.begin(), digest.end(), package.begin() + kHashOffset);
  compiled.report.name = options.name;
  compiled.report.package_bytes = package.size();

  // The firmware would refuse it later, far from anyone who can help.
  const auto opened = open(package);
  if (opened.fault != Fault::none)
    return fail(Errc::failed,
                "the compiler made a package that the firmware refuses: " + std::string(text(opened.fault)), place,
                "Report this with the model");
  const auto verdict = nn::check(opened.view, nn::ref::kTable, header.arena_bytes);
  if (verdict.fault != Fault::none) {
    std::string what = "the firmware would refuse step " + std::to_string(verdict.step) + " of the package";
    if (verdict.step < operators.size()) {
      const std::size_t n = operators[verdict.step];
      what += ", of operator " + std::to_string(n) + " " + op_name(graph->operators[n].code);
    }
    return fail(verdict.fault == Fault::step ? Errc::limit : Errc::failed,
                what + " (" + std::string(text(verdict.fault)) + ")", place,
                "Report this with the model; until then, replace the operator");
  }
  if (const auto ok = check_impulse(opened.view, place); !ok) return pass(ok.error());
  return compiled;
}

Result<Compiled> compile_file(std::span<const std::uint8_t> tflite, const PackageOptions& options,
                              std::string_view where) {
  const auto graph = read_tflite(tflite, where);
  if (!graph) return pass(graph.error());
  return compile(&*graph, options, where);
}

std::optional<std::uint32_t> parse_version(std::string_view text) {
  std::array<std::uint32_t, 3> parts{};
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (std::size_t n = 0; n < parts.size(); ++n) {
    const auto [next, problem] = std::from_chars(at, end, parts[n]);
    if (problem != std::errc{} || parts[n] > (n == 2 ? 65535U : 255U)) return std::nullopt;
    at = next;
    if (n < 2 && (at == end || *at++ != '.')) return std::nullopt;
  }
  if (at != end) return std::nullopt;
  return parts[0] << 24U | parts[1] << 16U | parts[2];
}

std::string version_text(std::uint32_t version) {
  return std::to_string(version >> 24U) + "." + std::to_string(version >> 16U & 0xFFU) + "." +
         std::to_string(version & 0xFFFFU);
}

}  // namespace tml::model
