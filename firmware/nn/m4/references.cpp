// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Kernels for which the portable reference, compiled for the Cortex-M4F, is all there is.
#include "firmware/nn/kernels.hpp"

#define TML_NN_REFERENCE(kernel)                                                                \
  void kernel(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) { \
    ref::kernel(record, constants, arena);                                                      \
  }                                                                                             \
  static_assert(true)

namespace tml::fw::nn::m4 {

TML_NN_REFERENCE(depthwise_multi);
TML_NN_REFERENCE(mul);
TML_NN_REFERENCE(mean);
TML_NN_REFERENCE(softmax);
TML_NN_REFERENCE(table);
TML_NN_REFERENCE(copy);
TML_NN_REFERENCE(fill);
TML_NN_REFERENCE(quantize);
TML_NN_REFERENCE(dequantize);
TML_NN_REFERENCE(conv_any);
TML_NN_REFERENCE(fully_connected_any);

}  // namespace tml::fw::nn::m4
