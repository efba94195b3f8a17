// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/model_package.hpp"

#include <algorithm>

#include "common/wire/model_steps.hpp"
#include "common/wire/text.hpp"

namespace tml::wire::model {
namespace {

bool printable(std::string_view text) {
  return is_utf8(text) && std::none_of(text.begin(), text.end(),
                                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

bool section_fits(const Section& s, std::uint32_t total) {
  if (s.bytes == 0) return s.offset == 0;
  return s.offset >= kHeaderBytes && s.offset % kAlignment == 0 && s.offset <= total && s.bytes <= total - s.offset;
}

std::uint64_t values(const TensorFacts& t) {
  std::uint64_t n = 1;
  for (const std::uint32_t dimension : t.shape) {
    if (dimension == 0 || dimension > kMaxArenaBytes) return 0;
    n *= dimension;
    if (n > kMaxArenaBytes) return 0;
  }
  return n;
}

Fault check_tensor(const TensorFacts& t, std::uint32_t arena_bytes) {
  if (t.reserved != 0 || t.reserved2 != 0 || t.rank < 1 || t.rank > kMaxRank) return Fault::tensor;
  for (std::size_t d = t.rank; d < kMaxRank; ++d)
    if (t.shape[d] != 1) return Fault::tensor;
  const std::uint64_t count = values(t);
  if (count == 0) return Fault::tensor;
  if (t.type == ElementType::int8) {
    // Written so that a scale that is not a number fails too.
    if (t.bytes != count || !(t.scale > 0.0F) || !(t.scale < 1e30F) || t.zero_point < -128 || t.zero_point > 127)
      return Fault::tensor;
  } else if (t.type == ElementType::float32) {
    if (t.bytes != 4 * count || t.arena_offset % 4 != 0) return Fault::tensor;
  } else {
    return Fault::tensor;
  }
  return t.bytes <= arena_bytes && t.arena_offset <= arena_bytes - t.bytes ? Fault::none : Fault::arena;
}

// Of a package without a model.
bool absent(const TensorFacts& t) { return t.type == ElementType::none && t.rank == 0 && t.bytes == 0; }

Fault check_labels(std::span<const std::uint8_t> section, std::size_t count) {
  if (count > kMaxLabels) return Fault::labels;
  for (std::size_t n = 0; n < count; ++n) {
    if (section.empty()) return Fault::labels;
    const std::size_t length = section[0];
    if (length == 0 || length > kMaxLabelLength || section.size() - 1 < length) return Fault::labels;
    if (!printable({reinterpret_cast<const char*>(section.data()) + 1, length})) return Fault::labels;
    section = section.subspan(1 + length);
  }
  return section.size() < kAlignment ? Fault::none : Fault::labels;
}

Fault check_name(const std::array<char, kNameBytes>& name) {
  const auto end = std::find(name.begin(), name.end(), '\0');
  if (end == name.end() || std::any_of(end, name.end(), [](char c) { return c != '\0'; })) return Fault::labels;
  return printable({name.data(), static_cast<std::size_t>(end - name.begin())}) ? Fault::none : Fault::labels;
}

Fault check_header(const Header& h) {
  if (h.format != kFormat) return Fault::format;
  if (h.kernel_abi != kKernelAbi) return Fault::kernel_abi;
  if (std::any_of(h.reserved.begin(), h.reserved.end(), [](std::uint8_t b) { return b != 0; })) return Fault::format;
  if (h.total_bytes < kHeaderBytes || h.total_bytes > kMaxPackageBytes || h.total_bytes % kAlignment != 0)
    return Fault::section;
  for (const Section* s : {&h.steps, &h.constants, &h.impulse, &h.labels})
    if (!section_fits(*s, h.total_bytes)) return Fault::section;
  if (h.arena_bytes > kMaxArenaBytes) return Fault::arena;
  if ((h.kernels >> kKernelCount) != 0) return Fault::kernel;
  if (h.step_count > kMaxSteps || (h.step_count == 0) != (h.steps.bytes == 0)) return Fault::step;
  return check_name(h.name);
}

}  // namespace

std::string_view text(Fault fault) {
  switch (fault) {
    case Fault::none:
      return "no fault";
    case Fault::too_short:
      return "shorter than a package says it is";
    case Fault::not_a_package:
      return "not a model package";
    case Fault::format:
      return "a package format that this version does not know";
    case Fault::kernel_abi:
      return "compiled for other firmware (kernel ABI)";
    case Fault::section:
      return "a section lies outside the package";
    case Fault::hash:
      return "damaged: the content does not match its hash";
    case Fault::arena:
      return "needs more memory than there is";
    case Fault::kernel:
      return "needs an operator that this firmware was built without";
    case Fault::step:
      return "a step is malformed";
    case Fault::tensor:
      return "input or output contradict themselves";
    case Fault::labels:
      return "name or labels are malformed, or not as many labels as outputs";
    case Fault::impulse:
      return "the impulse section is malformed or does not fit the model";
  }
  return "unknown fault";
}

std::string_view View::name() const {
  const auto& name = header_->name;
  return {name.data(), static_cast<std::size_t>(std::find(name.begin(), name.end(), '\0') - name.begin())};
}

std::string_view View::label(std::size_t n) const {
  if (n >= header_->label_count) return {};
  auto section = of(header_->labels);
  for (; n > 0; --n) section = section.subspan(1 + std::size_t{section[0]});
  return {reinterpret_cast<const char*>(section.data()) + 1, section[0]};
}

Opened open(std::span<const std::uint8_t> bytes) {
  Opened opened;
  const auto refuse = [&](Fault fault) {
    opened.fault = fault;
    return opened;
  };
  if (bytes.size() < kHeaderBytes) return refuse(Fault::too_short);
  if (!std::equal(kMagic.begin(), kMagic.end(), bytes.begin())) return refuse(Fault::not_a_package);
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % kAlignment != 0) return refuse(Fault::section);
  const auto& header = *reinterpret_cast<const Header*>(bytes.data());
  if (const Fault fault = check_header(header); fault != Fault::none) return refuse(fault);
  if (header.total_bytes > bytes.size()) return refuse(Fault::too_short);

  View view;
  view.header_ = &header;
  view.bytes_ = bytes.first(header.total_bytes);
  if (header.step_count == 0) {
    if (!absent(header.input) || !absent(header.output)) return refuse(Fault::tensor);
  } else {
    for (const TensorFacts* tensor : {&header.input, &header.output})
      if (const Fault fault = check_tensor(*tensor, header.arena_bytes); fault != Fault::none) return refuse(fault);
  }
  if (const Fault fault = check_labels(view.of(header.labels), header.label_count); fault != Fault::none)
    return refuse(fault);
  if (header.step_count != 0 && header.label_count != 0 && header.label_count != values(header.output))
    return refuse(Fault::labels);
  opened.fault = Fault::none;
  opened.view = view;
  return opened;
}

}  // namespace tml::wire::model
