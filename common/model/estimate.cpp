// SPDX-License-Identifier: Apache-2.0
#include "common/model/estimate.hpp"

#include <array>

#include "firmware/nn/check.hpp"

namespace tml::model {
namespace {

using namespace wire::model;

template <typename Record>
const Record& as(const Step& step) {
  return reinterpret_cast<const Record&>(step);
}

// Per multiply-accumulate, per input value gathered or widened, per output value, per call: fitted to what
// tests/qemu/kernels_check counts (docs/inference.md, Kernels for the Cortex-M4F).
struct Rates {
  double mac;
  double gathered;
  double output;
  double call;
};
constexpr Rates kPointwise{0.81, 1.4, 8, 150};
constexpr Rates kConv{0.81, 2.6, 8, 250};
constexpr Rates kDepthwise3x3{0.67, 2.4, 13, 400};
constexpr Rates kDepthwise{2.3, 5, 14, 400};
constexpr Rates kFullyConnected{1.28, 0.1, 9, 60};
constexpr Rates kPool{0, 2.6, 14, 120};

double up4(double n) { return static_cast<double>((static_cast<std::uint64_t>(n) + 3) / 4 * 4); }

}  // namespace

std::uint64_t estimated_instructions(const Step& step) {
  const auto e = fw::nn::extents(step);
  const auto in = static_cast<double>(e.input);
  const auto out = static_cast<double>(e.output);
  double total = 0;
  switch (step.kernel) {
    case Kernel::conv_1x1:
    case Kernel::conv:
    case Kernel::conv_any: {
      const auto& s = as<ConvStep>(step);
      const double patch = up4(static_cast<double>(s.kernel_height) * s.kernel_width * s.in_channels);
      const double pixels = static_cast<double>(s.out_height) * s.out_width;
      const auto& r = step.kernel == Kernel::conv_1x1 ? kPointwise : kConv;
      const double slow = step.kernel == Kernel::conv_any ? 20 : 1;
      total = slow * r.mac * patch * out + r.gathered * patch * pixels + r.output * out + r.call;
      break;
    }
    case Kernel::depthwise:
    case Kernel::depthwise_3x3:
    case Kernel::depthwise_multi: {
      const auto& s = as<ConvStep>(step);
      const double taps = static_cast<double>(s.kernel_height) * s.kernel_width;
      const double slow = step.kernel == Kernel::depthwise_multi ? 8 : 1;
      const auto& r = step.kernel == Kernel::depthwise_3x3 ? kDepthwise3x3 : kDepthwise;
      total = slow * r.mac * taps * out + r.gathered * in + r.output * out + r.call;
      break;
    }
    case Kernel::fully_connected:
    case Kernel::fully_connected_any: {
      const auto& s = as<FullyConnectedStep>(step);
      const double slow = step.kernel == Kernel::fully_connected ? 1 : 12;
      total = slow * kFullyConnected.mac * up4(s.in) * out + kFullyConnected.gathered * in +
              kFullyConnected.output * out + kFullyConnected.call;
      break;
    }
    case Kernel::average_pool:
    case Kernel::max_pool: {
      const auto& s = as<PoolStep>(step);
      total = kPool.gathered * out * s.window_height * s.window_width + kPool.output * out + kPool.call;
      break;
    }
    case Kernel::add:
      total = 15 * out + 80;
      break;
    case Kernel::mul:
      total = 12 * out + 80;
      break;
    case Kernel::mean:
      total = 4 * in + 25 * out + 100;
      break;
    case Kernel::softmax:
      total = 35 * out + 250;
      break;
    case Kernel::table:
      total = 4 * out + 30;
      break;
    case Kernel::copy:
      total = 4 * static_cast<double>(fw::nn::work(step)) + 100;
      break;
    case Kernel::fill:
      total = 0.5 * out + 30;
      break;
    case Kernel::quantize:
      total = 25 * out + 50;
      break;
    case Kernel::dequantize:
      total = 8 * in + 50;
      break;
    case Kernel::none:
      break;
  }
  return static_cast<std::uint64_t>(total);
}

std::string_view kernel_name(Kernel kernel) {
  constexpr std::array<std::string_view, kKernelCount> names{"none",
                                                             "conv_1x1",
                                                             "conv",
                                                             "depthwise",
                                                             "depthwise_multi",
                                                             "fully_connected",
                                                             "average_pool",
                                                             "max_pool",
                                                             "add",
                                                             "mul",
                                                             "mean",
                                                             "softmax",
                                                             "table",
                                                             "copy",
                                                             "fill",
                                                             "quantize",
                                                             "dequantize",
                                                             "conv_any",
                                                             "fully_connected_any",
                                                             "depthwise_3x3"};
  const auto n = static_cast<std::size_t>(kernel);
  return n < names.size() ? names[n] : "unknown";
}

}  // namespace tml::model
