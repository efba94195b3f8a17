// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/nn/kernels.hpp"

namespace tml::fw::nn::fast {

// In the order of wire::model::Kernel. What the compiler vectorises as it stands, or what is rare, is the reference's.
const KernelTable kTable{{nullptr,
                          conv_1x1,
                          conv,
                          depthwise,
                          ref::depthwise_multi,
                          fully_connected,
                          ref::average_pool,
                          ref::max_pool,
                          ref::add,
                          ref::mul,
                          ref::mean,
                          ref::softmax,
                          ref::table,
                          ref::copy,
                          ref::fill,
                          ref::quantize,
                          ref::dequantize,
                          ref::conv_any,
                          ref::fully_connected_any,
                          depthwise}};

}  // namespace tml::fw::nn::fast
