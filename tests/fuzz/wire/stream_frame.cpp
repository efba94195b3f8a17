// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <array>

#include "common/wire/sensor_stream.hpp"
#include "tests/fuzz/wire/input.hpp"

// As a byte stream, and as the CBOR inside a frame: whatever is accepted is bounded, consistent, and can be written
// again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::wire;
  const auto input = fuzz::bytes(data, size);
  static std::array<std::byte, kMaxStreamFrame> memory;
  StreamFrameReader reader(memory);
  for (const auto byte : input) (void)reader.push(byte);
  (void)open_stream_frame(input);
  const auto item = decode_stream_item(input);
  if (!item) return 0;
  static std::array<std::byte, kMaxStreamCbor> out;
  if (const auto* batch = std::get_if<SensorBatch>(&*item)) {
    const std::size_t values = std::size_t{batch->count} * batch->channels;
    fuzz::require(batch->data.size() == values * batch_value_size(batch->format));
    for (std::size_t i = 0; i < values; ++i) (void)batch->value(i);
    if (size <= out.size() / 2) fuzz::require(encode_stream_item(*batch, out).has_value());
  } else if (const auto* reading = std::get_if<SensorReading>(&*item)) {
    fuzz::require(reading->count > 0 && reading->count <= kMaxStreamChannels);
  } else if (const auto* info = std::get_if<SessionInfo>(&*item)) {
    fuzz::require(encode_stream_item(*info, out).has_value());
  }
  return 0;
}
