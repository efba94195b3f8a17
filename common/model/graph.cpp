// SPDX-License-Identifier: Apache-2.0
#include "common/model/graph.hpp"

#include <array>

namespace tml::model {
namespace {

// In the order of their numbers, from 0; empty where the schema has none.
constexpr std::array<std::string_view, 154> kNames{"ADD",
                                                   "AVERAGE_POOL_2D",
                                                   "CONCATENATION",
                                                   "CONV_2D",
                                                   "DEPTHWISE_CONV_2D",
                                                   "DEPTH_TO_SPACE",
                                                   "DEQUANTIZE",
                                                   "EMBEDDING_LOOKUP",
                                                   "FLOOR",
                                                   "FULLY_CONNECTED",
                                                   "HASHTABLE_LOOKUP",
                                                   "L2_NORMALIZATION",
                                                   "L2_POOL_2D",
                                                   "LOCAL_RESPONSE_NORMALIZATION",
                                                   "LOGISTIC",
                                                   "LSH_PROJECTION",
                                                   "LSTM",
                                                   "MAX_POOL_2D",
                                                   "MUL",
                                                   "RELU",
                                                   "RELU_N1_TO_1",
                                                   "RELU6",
                                                   "RESHAPE",
                                                   "RESIZE_BILINEAR",
                                                   "RNN",
                                                   "SOFTMAX",
                                                   "SPACE_TO_DEPTH",
                                                   "SVDF",
                                                   "TANH",
                                                   "CONCAT_EMBEDDINGS",
                                                   "SKIP_GRAM",
                                                   "CALL",
                                                   "CUSTOM",
                                                   "EMBEDDING_LOOKUP_SPARSE",
                                                   "PAD",
                                                   "UNIDIRECTIONAL_SEQUENCE_RNN",
                                                   "GATHER",
                                                   "BATCH_TO_SPACE_ND",
                                                   "SPACE_TO_BATCH_ND",
                                                   "TRANSPOSE",
                                                   "MEAN",
                                                   "SUB",
                                                   "DIV",
                                                   "SQUEEZE",
                                                   "UNIDIRECTIONAL_SEQUENCE_LSTM",
                                                   "STRIDED_SLICE",
                                                   "BIDIRECTIONAL_SEQUENCE_RNN",
                                                   "EXP",
                                                   "TOPK_V2",
                                                   "SPLIT",
                                                   "LOG_SOFTMAX",
                                                   "DELEGATE",
                                                   "BIDIRECTIONAL_SEQUENCE_LSTM",
                                                   "CAST",
                                                   "PRELU",
                                                   "MAXIMUM",
                                                   "ARG_MAX",
                                                   "MINIMUM",
                                                   "LESS",
                                                   "NEG",
                                                   "PADV2",
                                                   "GREATER",
                                                   "GREATER_EQUAL",
                                                   "LESS_EQUAL",
                                                   "SELECT",
                                                   "SLICE",
                                                   "SIN",
                                                   "TRANSPOSE_CONV",
                                                   "SPARSE_TO_DENSE",
                                                   "TILE",
                                                   "EXPAND_DIMS",
                                                   "EQUAL",
                                                   "NOT_EQUAL",
                                                   "LOG",
                                                   "SUM",
                                                   "SQRT",
                                                   "RSQRT",
                                                   "SHAPE",
                                                   "POW",
                                                   "ARG_MIN",
                                                   "FAKE_QUANT",
                                                   "REDUCE_PROD",
                                                   "REDUCE_MAX",
                                                   "PACK",
                                                   "LOGICAL_OR",
                                                   "ONE_HOT",
                                                   "LOGICAL_AND",
                                                   "LOGICAL_NOT",
                                                   "UNPACK",
                                                   "REDUCE_MIN",
                                                   "FLOOR_DIV",
                                                   "REDUCE_ANY",
                                                   "SQUARE",
                                                   "ZEROS_LIKE",
                                                   "FILL",
                                                   "FLOOR_MOD",
                                                   "RANGE",
                                                   "RESIZE_NEAREST_NEIGHBOR",
                                                   "LEAKY_RELU",
                                                   "SQUARED_DIFFERENCE",
                                                   "MIRROR_PAD",
                                                   "ABS",
                                                   "SPLIT_V",
                                                   "UNIQUE",
                                                   "CEIL",
                                                   "REVERSE_V2",
                                                   "ADD_N",
                                                   "GATHER_ND",
                                                   "COS",
                                                   "WHERE",
                                                   "RANK",
                                                   "ELU",
                                                   "REVERSE_SEQUENCE",
                                                   "MATRIX_DIAG",
                                                   "QUANTIZE",
                                                   "MATRIX_SET_DIAG",
                                                   "ROUND",
                                                   "HARD_SWISH",
                                                   "IF",
                                                   "WHILE",
                                                   "NON_MAX_SUPPRESSION_V4",
                                                   "NON_MAX_SUPPRESSION_V5",
                                                   "SCATTER_ND",
                                                   "SELECT_V2",
                                                   "DENSIFY",
                                                   "SEGMENT_SUM",
                                                   "BATCH_MATMUL",
                                                   "",
                                                   "CUMSUM",
                                                   "CALL_ONCE",
                                                   "BROADCAST_TO",
                                                   "RFFT2D",
                                                   "CONV_3D",
                                                   "IMAG",
                                                   "REAL",
                                                   "COMPLEX_ABS",
                                                   "HASHTABLE",
                                                   "HASHTABLE_FIND",
                                                   "HASHTABLE_IMPORT",
                                                   "HASHTABLE_SIZE",
                                                   "REDUCE_ALL",
                                                   "CONV_3D_TRANSPOSE",
                                                   "VAR_HANDLE",
                                                   "READ_VARIABLE",
                                                   "ASSIGN_VARIABLE",
                                                   "BROADCAST_ARGS",
                                                   "RANDOM_STANDARD_NORMAL",
                                                   "BUCKETIZE",
                                                   "RANDOM_UNIFORM",
                                                   "MULTINOMIAL",
                                                   "GELU",
                                                   "DYNAMIC_UPDATE_SLICE",
                                                   "RELU_0_TO_1",
                                                   "UNSORTED_SEGMENT_PROD"};

}  // namespace

std::string_view type_name(TensorType type) {
  constexpr std::array<std::string_view, 10> names{"float32", "float16", "int32", "uint8",     "int64",
                                                   "string",  "bool",    "int16", "complex64", "int8"};
  const auto n = static_cast<std::size_t>(type);
  return n < names.size() ? names[n] : "other";
}

std::size_t type_bytes(TensorType type) {
  switch (type) {
    case TensorType::int8:
    case TensorType::uint8:
    case TensorType::boolean:
      return 1;
    case TensorType::float16:
    case TensorType::int16:
      return 2;
    case TensorType::float32:
    case TensorType::int32:
      return 4;
    case TensorType::int64:
    case TensorType::complex64:
      return 8;
    case TensorType::string:
    case TensorType::other:
      return 0;
  }
  return 0;
}

std::string op_name(std::int32_t code) {
  const auto n = static_cast<std::size_t>(code);
  if (code >= 0 && n < kNames.size() && !kNames[n].empty()) return std::string(kNames[n]);
  return "operator code " + std::to_string(code);
}

std::string shape_text(const std::vector<std::int32_t>& shape) {
  if (shape.empty()) return "scalar";
  std::string text;
  for (const auto extent : shape) text += (text.empty() ? "" : "x") + std::to_string(extent);
  return text;
}

}  // namespace tml::model
