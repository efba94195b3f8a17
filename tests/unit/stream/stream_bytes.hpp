// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Frames and lines as a board writes them, for the tests of this folder.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "common/wire/sensor_stream.hpp"

namespace tml::stream::test {

using Blob = std::vector<std::byte>;

template <class Item>
Blob frame(const Item& item, bool crc = true) {
  std::array<std::byte, wire::kMaxStreamCbor> cbor{};
  std::array<std::byte, wire::kMaxStreamFrame + 32> out{};
  const auto body = wire::encode_stream_item(item, cbor);
  if (!body) return {};
  const auto framed = wire::encode_stream_frame(*body, crc, out);
  if (!framed) return {};
  return Blob(framed->begin(), framed->end());
}

inline wire::SessionInfo info(std::uint32_t sid, std::uint32_t dropped = 0) {
  wire::SessionInfo session;
  session.sid = sid;
  session.hz = 100;
  session.channels = 2;
  session.channel_name_count = 2;
  session.dropped = dropped;
  (void)session.channel_names[0].assign("accX");
  (void)session.channel_names[1].assign("accY");
  (void)session.name.assign("imu");
  return session;
}

inline wire::SensorReading reading(std::uint32_t seq, double x = 1, double y = 2) {
  wire::SensorReading r;
  r.seq = seq;
  r.ts_ms = seq * 10;
  r.count = 2;
  r.values[0] = x;
  r.values[1] = y;
  return r;
}

inline Blob join(std::initializer_list<Blob> parts) {
  Blob out;
  for (const Blob& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

}  // namespace tml::stream::test
