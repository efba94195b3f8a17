// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "tests/support/nn/layer.hpp"

#include <algorithm>
#include <cstring>

#include "common/wire/model_package.hpp"
#include "firmware/nn/check.hpp"
#include "firmware/nn/layout.hpp"
#include "firmware/nn/overlap.hpp"
#include "firmware/nn/tables.hpp"
#include "tests/support/nn/memory.hpp"

namespace tml::test::nn {
namespace {

using namespace wire::model;
namespace nn = fw::nn;

template <typename Record>
Record& make(Layer& layer, Kernel kernel) {
  layer.record.assign(sizeof(Record), 0);
  layer.as<Record>() = Record{};
  layer.step().kernel = kernel;
  layer.step().bytes = sizeof(Record);
  layer.step().last = 1;
  return layer.as<Record>();
}

void fill(Bytes& bytes, std::size_t size, Entropy& entropy) {
  bytes.resize(size);
  for (auto& b : bytes) b = static_cast<std::uint8_t>(entropy.edgy_byte());
}

std::int32_t multiplier(Entropy& e) {
  if (e.one_in(16)) return 0;
  if (e.one_in(8)) return 1 << 30;
  if (e.one_in(8)) return 0x7FFFFFFF;
  return static_cast<std::int32_t>((1U << 30) | (e.word() >> 2));
}

void clamps(std::int8_t& minimum, std::int8_t& maximum, Entropy& e) {
  if (!e.one_in(3)) return;
  minimum = e.byte();
  maximum = e.byte();
  if (minimum > maximum) std::swap(minimum, maximum);
}

// One dimension of a window: sizes so that every window touches the input.
struct Axis {
  int in, out, kernel, stride, dilation, pad;
  Axis(Entropy& e, bool plain, int max_kernel, bool dilated) {
    in = e.between(1, 9);
    kernel = plain ? 1 : e.between(1, max_kernel);
    stride = plain ? 1 : e.between(1, 3);
    dilation = plain || !dilated || e.one_in(2) ? 1 : e.between(1, 3);
    const int span = (kernel - 1) * dilation + 1;
    pad = plain ? 0 : e.between(0, span - 1);
    const int most = (in - 1 + pad) / stride + 1;
    out = plain ? in : e.one_in(2) ? most : e.between(1, most);
  }
  // depthwise_3x3.
  Axis(Entropy& e, int of_both) : in(e.between(1, 9)), kernel(3), stride(of_both), dilation(1), pad(e.between(0, 2)) {
    if (in + pad < 1) in = 1;
    const int most = (in - 1 + pad) / stride + 1;
    out = e.one_in(2) ? most : e.between(1, most);
  }
};

// A shift that makes the channel's output spread over the int8 range rather than always saturate, or any allowed one.
int shift_for(Kernel kernel, std::size_t taps, Entropy& e) {
  const bool any =
      kernel == Kernel::conv_any || kernel == Kernel::fully_connected_any || kernel == Kernel::depthwise_multi;
  if (any && e.one_in(2)) return e.between(-31, 4);
  if (e.one_in(8)) return -e.between(1, 23);
  int bits = 7;
  while ((taps >>= 1) != 0) ++bits;
  return -e.between(std::max(1, bits - 3), bits + 1);
}

PlainChannel channel(Kernel kernel, std::size_t taps, Entropy& e) {
  PlainChannel c;
  c.bias = e.one_in(4) ? e.between(-1 << 24, 1 << 24) : e.between(-4096, 4096);
  c.multiplier = multiplier(e);
  c.shift = shift_for(kernel, taps, e);
  return c;
}

void write_channel(Bytes& out, const nn::ChannelPlace& at, const PlainChannel& c, std::int32_t folded) {
  std::memcpy(out.data() + at.bias, &folded, sizeof folded);
  std::memcpy(out.data() + at.multiplier, &c.multiplier, sizeof c.multiplier);
  out[at.shift] = static_cast<std::uint8_t>(-c.shift - 1);
}

std::vector<std::int8_t> random_weights(std::size_t count, Entropy& e) {
  std::vector<std::int8_t> weights(count);
  for (auto& w : weights) w = e.edgy_byte();
  return weights;
}

// bias - input_zero * (sum of the weights that `of` gives).
template <typename Of>
std::int32_t fold(const Layer& layer, std::size_t channel, std::size_t count, const Of& of) {
  std::int64_t sum = 0;
  for (std::size_t n = 0; n < count; ++n) sum += layer.weights[of(n)];
  return static_cast<std::int32_t>(layer.channels[channel].bias - layer.input_zero * sum);
}

ConvStep& geometry(Layer& layer, Kernel kernel, Entropy& e) {
  auto& s = make<ConvStep>(layer, kernel);
  const bool plain = kernel == Kernel::conv_1x1;
  const bool three = kernel == Kernel::depthwise_3x3;
  const int stride = e.between(1, 2);
  const Axis y = three ? Axis(e, stride) : Axis(e, plain, 4, true);
  const Axis x = three ? Axis(e, stride) : Axis(e, plain, 4, true);
  s.in_height = static_cast<std::uint16_t>(y.in);
  s.in_width = static_cast<std::uint16_t>(x.in);
  s.out_height = static_cast<std::uint16_t>(y.out);
  s.out_width = static_cast<std::uint16_t>(x.out);
  s.kernel_height = static_cast<std::uint8_t>(y.kernel);
  s.kernel_width = static_cast<std::uint8_t>(x.kernel);
  s.stride_height = static_cast<std::uint8_t>(y.stride);
  s.stride_width = static_cast<std::uint8_t>(x.stride);
  s.dilation_height = static_cast<std::uint8_t>(y.dilation);
  s.dilation_width = static_cast<std::uint8_t>(x.dilation);
  s.pad_top = static_cast<std::uint8_t>(y.pad);
  s.pad_left = static_cast<std::uint8_t>(x.pad);
  s.input_zero = layer.input_zero = e.edgy_byte();
  s.output_zero = e.edgy_byte();
  clamps(s.minimum, s.maximum, e);
  return s;
}

void random_conv(Layer& layer, Kernel kernel, Entropy& e) {
  auto& s = geometry(layer, kernel, e);
  s.in_channels = static_cast<std::uint16_t>(e.between(1, 18));
  s.out_channels = static_cast<std::uint16_t>(e.between(1, 9));
  const std::size_t k = std::size_t{s.kernel_height} * s.kernel_width * s.in_channels;
  const std::size_t k4 = nn::round_up4(k);
  layer.weights = random_weights(k * s.out_channels, e);
  layer.constants.assign(nn::weight_bytes(s.step), 0);
  for (std::size_t o = 0; o < s.out_channels; ++o) {
    layer.channels.push_back(channel(kernel, k, e));
    const auto at = [&](std::size_t n) { return o * k + n; };
    write_channel(layer.constants, nn::conv_channel(o, k4), layer.channels[o], fold(layer, o, k, at));
    for (std::size_t n = 0; n < k; ++n)
      layer.constants[nn::conv_weight(o, n, k4)] = static_cast<std::uint8_t>(layer.weights[at(n)]);
  }
}

void random_depthwise(Layer& layer, Kernel kernel, Entropy& e) {
  auto& s = geometry(layer, kernel, e);
  s.in_channels = static_cast<std::uint16_t>(e.between(1, 13));
  s.out_channels =
      static_cast<std::uint16_t>(s.in_channels * (kernel == Kernel::depthwise_multi ? e.between(1, 3) : 1));
  const std::size_t taps = std::size_t{s.kernel_height} * s.kernel_width;
  layer.weights = random_weights(taps * s.out_channels, e);
  layer.constants.assign(nn::weight_bytes(s.step), 0);
  for (std::size_t o = 0; o < s.out_channels; ++o) {
    layer.channels.push_back(channel(kernel, taps, e));
    const auto at = [&](std::size_t tap) { return tap * s.out_channels + o; };
    write_channel(layer.constants, nn::depthwise_channel(o, taps), layer.channels[o], fold(layer, o, taps, at));
    for (std::size_t tap = 0; tap < taps; ++tap)
      layer.constants[nn::depthwise_weight(tap, o, taps)] = static_cast<std::uint8_t>(layer.weights[at(tap)]);
  }
}

void random_fully_connected(Layer& layer, Kernel kernel, Entropy& e) {
  auto& s = make<FullyConnectedStep>(layer, kernel);
  s.in = static_cast<std::uint32_t>(e.between(1, 70));
  s.out = static_cast<std::uint16_t>(e.between(1, 11));
  s.batches = static_cast<std::uint16_t>(e.between(1, 3));
  // The quick kernel reads whole words: rows of a batch must start at words.
  if (kernel == Kernel::fully_connected && s.batches > 1) s.in = nn::round_up4(s.in);
  s.input_zero = layer.input_zero = e.edgy_byte();
  s.output_zero = e.edgy_byte();
  clamps(s.minimum, s.maximum, e);
  const std::size_t k4 = nn::round_up4(std::size_t{s.in});
  layer.weights = random_weights(std::size_t{s.in} * s.out, e);
  layer.constants.assign(nn::weight_bytes(s.step), 0);
  for (std::size_t o = 0; o < s.out; ++o) {
    layer.channels.push_back(channel(kernel, s.in, e));
    const bool any = kernel == Kernel::fully_connected_any;
    if (!any) {
      layer.channels[o].multiplier = layer.channels[0].multiplier;
      layer.channels[o].shift = layer.channels[0].shift;
    }
    const auto at = [&](std::size_t n) { return o * s.in + n; };
    write_channel(layer.constants,
                  any ? nn::fully_connected_any_channel(o, k4) : nn::fully_connected_channel(o, s.out, k4),
                  layer.channels[o], fold(layer, o, s.in, at));
    for (std::size_t n = 0; n < s.in; ++n)
      layer.constants[any ? nn::fully_connected_any_weight(o, n, k4) : nn::fully_connected_weight(o, n, s.out, k4)] =
          static_cast<std::uint8_t>(layer.weights[at(n)]);
  }
}

void random_pool(Layer& layer, Kernel kernel, Entropy& e) {
  auto& s = make<PoolStep>(layer, kernel);
  const Axis y(e, false, 5, false);
  const Axis x(e, false, 5, false);
  s.in_height = static_cast<std::uint16_t>(y.in);
  s.in_width = static_cast<std::uint16_t>(x.in);
  s.out_height = static_cast<std::uint16_t>(y.out);
  s.out_width = static_cast<std::uint16_t>(x.out);
  s.window_height = static_cast<std::uint16_t>(y.kernel);
  s.window_width = static_cast<std::uint16_t>(x.kernel);
  s.stride_height = static_cast<std::uint8_t>(y.stride);
  s.stride_width = static_cast<std::uint8_t>(x.stride);
  s.pad_top = static_cast<std::uint8_t>(y.pad);
  s.pad_left = static_cast<std::uint8_t>(x.pad);
  s.channels = static_cast<std::uint16_t>(e.between(1, 11));
  clamps(s.minimum, s.maximum, e);
}

void random_binary(Layer& layer, Kernel kernel, Entropy& e) {
  auto& s = make<BinaryStep>(layer, kernel);
  for (auto& dimension : s.shape) dimension = static_cast<std::uint16_t>(e.between(1, 4));
  const bool same = e.one_in(2);
  const auto strides = [&](std::array<std::uint32_t, 4>& stride, bool whole) {
    std::uint32_t size = 1;
    for (std::size_t d = 4; d-- > 0;) {
      const bool broadcast = !whole && e.one_in(2);
      stride[d] = broadcast ? 0 : size;
      if (!broadcast) size *= s.shape[d];
    }
  };
  const bool whole_first = e.one_in(2);
  strides(s.stride1, same || whole_first);
  strides(s.stride2, same || !whole_first);
  s.step.flags = static_cast<std::uint8_t>((same ? kSameShape : 0) | (e.one_in(3) ? kConstantOperand : 0));
  s.offset1 = -e.edgy_byte();
  s.offset2 = -e.edgy_byte();
  s.output_zero = e.edgy_byte();
  s.multiplier = multiplier(e);
  if (kernel == Kernel::add) {
    s.multiplier1 = multiplier(e);
    s.multiplier2 = multiplier(e);
    s.shift1 = static_cast<std::int8_t>(-e.between(0, e.one_in(4) ? 31 : 3));
    s.shift2 = static_cast<std::int8_t>(-e.between(0, e.one_in(4) ? 31 : 3));
    s.shift = static_cast<std::int8_t>(-(e.one_in(4) ? e.between(0, 31) : e.between(17, 21)));
  } else {
    s.shift = static_cast<std::int8_t>(e.one_in(4) ? e.between(-31, 8) : -e.between(5, 9));
  }
  clamps(s.minimum, s.maximum, e);
  if ((s.step.flags & kConstantOperand) != 0) fill(layer.constants, nn::extents(s.step).input2, e);
}

void random_mean(Layer& layer, Entropy& e) {
  auto& s = make<MeanStep>(layer, Kernel::mean);
  for (auto& dimension : s.shape) dimension = static_cast<std::uint16_t>(e.between(1, 5));
  s.axes = static_cast<std::uint8_t>(e.between(0, 15));
  for (std::size_t d = 0; d < 4; ++d)
    if ((s.axes >> d & 1) != 0) s.count *= s.shape[d];
  s.step.flags = e.one_in(4) ? kPlainMean : std::uint8_t{0};
  s.input_zero = e.edgy_byte();
  s.output_zero = e.edgy_byte();
  s.multiplier = multiplier(e);
  s.shift = static_cast<std::int8_t>(-e.between(0, 8));
}

void random_copy(Layer& layer, Entropy& e) {
  auto& s = make<CopyStep>(layer, Kernel::copy);
  s.element = e.one_in(3) ? 4 : 1;
  s.constant = e.one_in(4) ? 1 : 0;
  std::array<std::size_t, 4> order{0, 1, 2, 3};  // of the dimensions of a permuted output
  for (std::size_t d = 3; d > 0; --d)
    std::swap(order[d], order[static_cast<std::size_t>(e.between(0, static_cast<int>(d)))]);
  for (auto& dimension : s.shape) dimension = static_cast<std::uint16_t>(e.between(1, 4));
  std::int32_t in = 1;
  std::int32_t out = 1;
  for (std::size_t d = 4; d-- > 0;) {
    const int skip = e.between(1, 2);
    s.in_stride[d] = e.one_in(4) ? -in * skip : in * skip;
    in *= s.shape[d] * skip;
    const int gap = e.between(1, 2);
    s.out_stride[order[d]] = out * gap;
    out *= s.shape[order[d]] * gap;
  }
  if (s.constant != 0) fill(layer.constants, nn::extents(s.step).input, e);
}

void random_table(Layer& layer, Kernel kernel, Entropy& e) {
  if (kernel == Kernel::table) {
    auto& s = make<TableStep>(layer, kernel);
    s.count = static_cast<std::uint32_t>(e.between(1, 300));
    fill(layer.constants, 256, e);
    return;
  }
  auto& s = make<SoftmaxStep>(layer, kernel);
  s.rows = static_cast<std::uint32_t>(e.between(1, 4));
  s.depth = static_cast<std::uint32_t>(e.between(1, 40));
  // Now and then beyond the cut-off.
  const auto thousandths = e.between(0, 3) == 0 ? e.between(1, 40000) : e.between(1, 300);
  const auto scale = nn::softmax_scale(static_cast<float>(thousandths) / 1000.0F, 1.0F);
  s.multiplier = scale.multiplier;
  s.shift = scale.shift;
  s.limit = scale.limit;
}

void random_quantize(Layer& layer, Kernel kernel, Entropy& e) {
  auto& s = make<QuantizeStep>(layer, kernel);
  s.count = static_cast<std::uint32_t>(e.between(1, 60));
  s.scale = static_cast<float>(e.between(1, 4000)) / 10000.0F;
  s.zero_point = e.edgy_byte();
  if (kernel == Kernel::dequantize) return;
  layer.input.resize(4 * s.count);
  for (std::uint32_t n = 0; n < s.count; ++n) {
    const float value = static_cast<float>(e.between(-40000, 40000)) / 1000.0F * s.scale;
    std::memcpy(layer.input.data() + 4 * n, &value, sizeof value);
  }
}

std::uint32_t up(std::uint64_t n) { return static_cast<std::uint32_t>((n + 15) & ~std::uint64_t{15}); }

// From the lowest element that a copy reaches to the first that it visits.
std::uint32_t below(const Step& step, bool output) {
  if (step.kernel != Kernel::copy) return 0;
  const auto& s = reinterpret_cast<const CopyStep&>(step);
  std::int64_t low = 0;
  for (std::size_t d = 0; d < 4; ++d)
    low += std::min<std::int64_t>(0, std::int64_t{output ? s.out_stride[d] : s.in_stride[d]} * (s.shape[d] - 1));
  return static_cast<std::uint32_t>(-low * s.element);
}

bool input_in_constants(const Step& step) {
  return step.kernel == Kernel::copy && reinterpret_cast<const CopyStep&>(step).constant != 0;
}

std::uint32_t* second_input(Layer& layer) {
  if (layer.step().kernel != Kernel::add && layer.step().kernel != Kernel::mul) return nullptr;
  return (layer.step().flags & kConstantOperand) != 0 ? nullptr : &layer.as<BinaryStep>().input2;
}

}  // namespace

Layer random_layer(Kernel kernel, Entropy& e) {
  Layer layer;
  switch (kernel) {
    case Kernel::none:
    case Kernel::conv_1x1:
    case Kernel::conv:
    case Kernel::conv_any:
      random_conv(layer, kernel, e);
      break;
    case Kernel::depthwise:
    case Kernel::depthwise_3x3:
    case Kernel::depthwise_multi:
      random_depthwise(layer, kernel, e);
      break;
    case Kernel::fully_connected:
    case Kernel::fully_connected_any:
      random_fully_connected(layer, kernel, e);
      break;
    case Kernel::average_pool:
    case Kernel::max_pool:
      random_pool(layer, kernel, e);
      break;
    case Kernel::add:
    case Kernel::mul:
      random_binary(layer, kernel, e);
      break;
    case Kernel::mean:
      random_mean(layer, e);
      break;
    case Kernel::softmax:
    case Kernel::table:
      random_table(layer, kernel, e);
      break;
    case Kernel::copy:
      random_copy(layer, e);
      break;
    case Kernel::fill: {
      auto& s = make<FillStep>(layer, kernel);
      s.count = static_cast<std::uint32_t>(e.between(1, 100));
      s.value = static_cast<std::uint8_t>(e.byte());
      break;
    }
    case Kernel::quantize:
    case Kernel::dequantize:
      random_quantize(layer, kernel, e);
      break;
  }
  const nn::Extents extents = nn::extents(layer.step());
  if (layer.input.empty()) fill(layer.input, extents.input, e);
  if (second_input(layer) != nullptr) fill(layer.input2, extents.input2, e);
  // The table kernels' field is a byte offset as the others': everything starts at 0 of the layer's own constants.
  layer.step().layer = 1;
  return layer;
}

std::optional<std::uint32_t> place(Layer& layer, Placement placement) {
  Step& step = layer.step();
  const nn::Extents extents = nn::extents(step);
  std::uint32_t* second = second_input(layer);
  std::uint32_t end = 0;
  const auto take = [&end](std::uint64_t bytes) {
    const std::uint32_t at = end;
    end = up(at + bytes);
    return at;
  };

  step.input = input_in_constants(step) ? below(step, false) : 0;
  if (placement == Placement::apart) {
    if (!input_in_constants(step)) step.input = take(extents.input) + below(step, false);
    if (second != nullptr) *second = take(extents.input2);
    step.output = take(extents.output) + below(step, true);
    step.scratch = take(extents.scratch);
    return end;
  }
  const bool over_second = placement == Placement::overlaid_second;
  if (over_second && second == nullptr) return std::nullopt;
  const auto distance = nn::overlap_distance(step, over_second ? nn::Operand::input2 : nn::Operand::input);
  if (!distance) return std::nullopt;
  // The output comes first; the input lies `distance` behind it, word by word where floats ask for it.
  const bool floats = step.kernel == Kernel::quantize || step.kernel == Kernel::dequantize;
  const std::uint32_t gap = floats ? (*distance + 3) / 4 * 4 : *distance;
  step.output = 0;
  const std::uint64_t covered = over_second ? extents.input2 : extents.input;
  end = up(std::max(extents.output, gap + covered));
  if (over_second) {
    *second = gap;
    step.input = take(extents.input);
  } else {
    step.input = gap;
    if (second != nullptr) *second = take(extents.input2);
  }
  step.scratch = take(extents.scratch);
  return end;
}

std::optional<Bytes> run(const Layer& layer, std::uint32_t arena_bytes, const nn::KernelTable& table) {
  Memory arena(arena_bytes);
  Memory constants(std::max<std::size_t>(layer.constants.size(), 1));
  std::copy(layer.constants.begin(), layer.constants.end(), constants.data());
  Bytes record = layer.record;
  const Step& step = layer.step();
  if (!input_in_constants(step))
    std::copy(layer.input.begin(), layer.input.end(), arena.data() + step.input - below(step, false));
  if (!layer.input2.empty())
    std::copy(layer.input2.begin(), layer.input2.end(), arena.data() + layer.as<BinaryStep>().input2);
  table.of(step.kernel)(record.data(), constants.data(), arena.data());
  if (!arena.intact() || !constants.intact()) return std::nullopt;
  const std::uint8_t* output = arena.data() + step.output - below(step, true);
  return Bytes(output, output + nn::extents(step).output);
}

Bytes package(std::vector<Layer> layers) {
  Header header;
  Bytes steps;
  Bytes constants;
  for (Layer& layer : layers) {
    Step& step = layer.step();
    const auto base = static_cast<std::uint32_t>(constants.size());
    switch (step.kernel) {
      case Kernel::conv_1x1:
      case Kernel::conv:
      case Kernel::conv_any:
      case Kernel::depthwise:
      case Kernel::depthwise_3x3:
      case Kernel::depthwise_multi:
        layer.as<ConvStep>().weights += base;
        break;
      case Kernel::fully_connected:
      case Kernel::fully_connected_any:
        layer.as<FullyConnectedStep>().weights += base;
        break;
      case Kernel::table:
        layer.as<TableStep>().table += base;
        break;
      case Kernel::add:
      case Kernel::mul:
        if ((step.flags & kConstantOperand) != 0) layer.as<BinaryStep>().input2 += base;
        break;
      case Kernel::copy:
        if (layer.as<CopyStep>().constant != 0) step.input += base;
        break;
      default:
        break;
    }
    steps.insert(steps.end(), layer.record.begin(), layer.record.end());
    constants.insert(constants.end(), layer.constants.begin(), layer.constants.end());
    constants.resize(up(constants.size()));
    header.kernels |= std::uint64_t{1} << static_cast<unsigned>(step.kernel);
    header.arena_bytes = std::max(header.arena_bytes, [&] {
      const nn::Extents e = nn::extents(step);
      std::uint64_t need = std::max(step.output - below(step, true) + e.output, step.scratch + e.scratch);
      if (!input_in_constants(step)) need = std::max(need, step.input - below(step, false) + e.input);
      if (const std::uint32_t* second = second_input(layer)) need = std::max(need, *second + e.input2);
      return up(need);
    }());
    header.macs += static_cast<std::uint32_t>(nn::macs(step));
  }
  header.step_count = static_cast<std::uint16_t>(layers.size());
  const auto section = [](std::uint32_t& at, const Bytes& bytes) {
    Section s;
    if (bytes.empty()) return s;
    s.offset = at;
    s.bytes = static_cast<std::uint32_t>(bytes.size());
    at = up(at + s.bytes);
    return s;
  };
  std::uint32_t end = kHeaderBytes;
  header.steps = section(end, steps);
  header.constants = section(end, constants);
  header.total_bytes = end;
  const auto facts = [](std::uint32_t offset, std::uint32_t bytes) {
    TensorFacts t;
    t.type = ElementType::int8;
    t.rank = 1;
    t.shape = {bytes, 1, 1, 1};
    t.scale = 0.5F;
    t.arena_offset = offset;
    t.bytes = bytes;
    return t;
  };
  // The whole arena: tests see what every layer wrote.
  header.input = facts(0, header.arena_bytes);
  header.output = facts(0, header.arena_bytes);
  constexpr char kName[] = "random";
  std::copy(std::begin(kName), std::end(kName), header.name.begin());

  Bytes out(end, 0);
  std::memcpy(out.data(), &header, sizeof header);
  std::copy(steps.begin(), steps.end(), out.begin() + header.steps.offset);
  std::copy(constants.begin(), constants.end(), out.begin() + header.constants.offset);
  return out;
}

}  // namespace tml::test::nn
