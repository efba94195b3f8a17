// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/nn/kernels.hpp"

namespace tml::fw::nn::ref {

// In the order of wire::model::Kernel.
const KernelTable kTable{{nullptr,
                          conv_1x1,
                          conv,
                          depthwise,
                          depthwise_multi,
                          fully_connected,
                          average_pool,
                          max_pool,
                          add,
                          mul,
                          mean,
                          softmax,
                          table,
                          copy,
                          fill,
                          quantize,
                          dequantize,
                          conv_any,
                          fully_connected_any,
                          depthwise_3x3}};

}  // namespace tml::fw::nn::ref
