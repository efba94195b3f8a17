# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The part of the public TensorFlow Lite schema (version 3, file identifier TFL3) that int8 networks use, as data for flatbuffer.py.
# Numbers and field order are facts of that format; fields that are never written stay out unless later ones need their place.
IDENTIFIER = b"TFL3"

TYPES = {"FLOAT32": 0, "FLOAT16": 1, "INT32": 2, "UINT8": 3, "INT64": 4, "STRING": 5, "BOOL": 6, "INT16": 7, "INT8": 9}
PADDING = {"SAME": 0, "VALID": 1}
ACTIVATION = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3, "TANH": 4, "SIGN_BIT": 5}

OPERATORS = {"ADD": 0, "AVERAGE_POOL_2D": 1, "CONCATENATION": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 4, "DEQUANTIZE": 6,
             "FULLY_CONNECTED": 9, "LOGISTIC": 14, "MAX_POOL_2D": 17, "MUL": 18, "RELU": 19, "RELU_N1_TO_1": 20, "RELU6": 21,
             "RESHAPE": 22, "SOFTMAX": 25, "TANH": 28, "CUSTOM": 32, "PAD": 34, "TRANSPOSE": 39, "MEAN": 40, "SUB": 41, "SQUEEZE": 43,
             "STRIDED_SLICE": 45, "SPLIT": 49, "PADV2": 60, "EXPAND_DIMS": 70, "PACK": 83, "LEAKY_RELU": 98, "QUANTIZE": 114,
             "HARD_SWISH": 117}

# The options table of each operator; operators that are not named here have none.
OPTIONS = {"ADD": "AddOptions", "AVERAGE_POOL_2D": "Pool2DOptions", "CONCATENATION": "ConcatenationOptions", "CONV_2D": "Conv2DOptions",
           "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions", "DEQUANTIZE": "DequantizeOptions", "FULLY_CONNECTED": "FullyConnectedOptions",
           "MAX_POOL_2D": "Pool2DOptions", "MUL": "MulOptions", "RESHAPE": "ReshapeOptions", "SOFTMAX": "SoftmaxOptions",
           "PAD": "PadOptions", "TRANSPOSE": "TransposeOptions", "MEAN": "ReducerOptions", "SUB": "SubOptions", "SQUEEZE": "SqueezeOptions",
           "STRIDED_SLICE": "StridedSliceOptions", "SPLIT": "SplitOptions", "PADV2": "PadV2Options", "EXPAND_DIMS": "ExpandDimsOptions",
           "PACK": "PackOptions", "LEAKY_RELU": "LeakyReluOptions", "QUANTIZE": "QuantizeOptions", "HARD_SWISH": "HardSwishOptions"}

FUSED = ("fused_activation_function", "int8", 0)

SCHEMA = {
    "union BuiltinOptions": """Conv2DOptions DepthwiseConv2DOptions ConcatEmbeddingsOptions LSHProjectionOptions Pool2DOptions SVDFOptions
        RNNOptions FullyConnectedOptions SoftmaxOptions ConcatenationOptions AddOptions L2NormOptions LocalResponseNormalizationOptions
        LSTMOptions ResizeBilinearOptions CallOptions ReshapeOptions SkipGramOptions SpaceToDepthOptions EmbeddingLookupSparseOptions
        MulOptions PadOptions GatherOptions BatchToSpaceNDOptions SpaceToBatchNDOptions TransposeOptions ReducerOptions SubOptions
        DivOptions SqueezeOptions SequenceRNNOptions StridedSliceOptions ExpOptions TopKV2Options SplitOptions LogSoftmaxOptions
        CastOptions DequantizeOptions MaximumMinimumOptions ArgMaxOptions LessOptions NegOptions PadV2Options GreaterOptions
        GreaterEqualOptions LessEqualOptions SelectOptions SliceOptions TransposeConvOptions SparseToDenseOptions TileOptions
        ExpandDimsOptions EqualOptions NotEqualOptions ShapeOptions PowOptions ArgMinOptions FakeQuantOptions PackOptions LogicalOrOptions
        OneHotOptions LogicalAndOptions LogicalNotOptions UnpackOptions FloorDivOptions SquareOptions ZerosLikeOptions FillOptions
        BidirectionalSequenceLSTMOptions BidirectionalSequenceRNNOptions UnidirectionalSequenceLSTMOptions FloorModOptions RangeOptions
        ResizeNearestNeighborOptions LeakyReluOptions SquaredDifferenceOptions MirrorPadOptions AbsOptions SplitVOptions UniqueOptions
        ReverseV2Options AddNOptions GatherNdOptions CosOptions WhereOptions RankOptions ReverseSequenceOptions MatrixDiagOptions
        QuantizeOptions MatrixSetDiagOptions HardSwishOptions""".split(),
    "Conv2DOptions": [("padding", "int8", 0), ("stride_w", "int32", 0), ("stride_h", "int32", 0), FUSED,
                      ("dilation_w_factor", "int32", 1), ("dilation_h_factor", "int32", 1)],
    "DepthwiseConv2DOptions": [("padding", "int8", 0), ("stride_w", "int32", 0), ("stride_h", "int32", 0), ("depth_multiplier", "int32", 0),
                               FUSED, ("dilation_w_factor", "int32", 1), ("dilation_h_factor", "int32", 1)],
    "Pool2DOptions": [("padding", "int8", 0), ("stride_w", "int32", 0), ("stride_h", "int32", 0), ("filter_width", "int32", 0),
                      ("filter_height", "int32", 0), FUSED],
    "FullyConnectedOptions": [FUSED, ("weights_format", "int8", 0), ("keep_num_dims", "bool", False),
                              ("asymmetric_quantize_inputs", "bool", False)],
    "SoftmaxOptions": [("beta", "float", 0.0)],
    "ConcatenationOptions": [("axis", "int32", 0), FUSED],
    "AddOptions": [FUSED, ("pot_scale_int16", "bool", True)],
    "SubOptions": [FUSED, ("pot_scale_int16", "bool", True)],
    "MulOptions": [FUSED],
    "ReshapeOptions": [("new_shape", "[int32]", None)],
    "SqueezeOptions": [("squeeze_dims", "[int32]", None)],
    "ReducerOptions": [("keep_dims", "bool", False)],
    "StridedSliceOptions": [("begin_mask", "int32", 0), ("end_mask", "int32", 0), ("ellipsis_mask", "int32", 0),
                            ("new_axis_mask", "int32", 0), ("shrink_axis_mask", "int32", 0), ("offset", "bool", False)],
    "SplitOptions": [("num_splits", "int32", 0)],
    "PackOptions": [("values_count", "int32", 0), ("axis", "int32", 0)],
    "LeakyReluOptions": [("alpha", "float", 0.0)],
    "PadOptions": [], "PadV2Options": [], "TransposeOptions": [], "DequantizeOptions": [], "QuantizeOptions": [], "ExpandDimsOptions": [],
    "HardSwishOptions": [],
    "QuantizationParameters": [("min", "[float]", None), ("max", "[float]", None), ("scale", "[float]", None),
                               ("zero_point", "[int64]", None), ("details", "union QuantizationDetails", None),
                               ("quantized_dimension", "int32", 0)],
    "union QuantizationDetails": ["CustomQuantization"],
    "Tensor": [("shape", "[int32]", None), ("type", "int8", 0), ("buffer", "uint32", 0), ("name", "string", None),
               ("quantization", "QuantizationParameters", None), ("is_variable", "bool", False)],
    "OperatorCode": [("deprecated_builtin_code", "int8", 0), ("custom_code", "string", None), ("version", "int32", 1),
                     ("builtin_code", "int32", 0)],
    "Operator": [("opcode_index", "uint32", 0), ("inputs", "[int32]", None), ("outputs", "[int32]", None),
                 ("builtin_options", "union BuiltinOptions", None), ("custom_options", "[uint8]", None)],
    "SubGraph": [("tensors", "[Tensor]", None), ("inputs", "[int32]", None), ("outputs", "[int32]", None), ("operators", "[Operator]", None),
                 ("name", "string", None)],
    "Buffer": [("data", "[uint8@16]", None), ("offset", "uint64", 0), ("size", "uint64", 0)],
    "Metadata": [("name", "string", None), ("buffer", "uint32", 0)],
    "Model": [("version", "uint32", 0), ("operator_codes", "[OperatorCode]", None), ("subgraphs", "[SubGraph]", None),
              ("description", "string", None), ("buffers", "[Buffer]", None), ("metadata_buffer", "[int32]", None),
              ("metadata", "[Metadata]", None)],
}
