// SPDX-License-Identifier: Apache-2.0
// Any bytes as a recording: records have rising times and bounded payloads, cutting the file anywhere changes nothing,
// and what was read is written again as the same bytes.
#include "forwarder/byte_log.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

struct Read {
  std::vector<std::string> records;
  bool broken = false;
  bool operator==(const Read&) const = default;
};

Read read_all(std::string_view bytes, std::size_t piece, std::string* again) {
  using namespace tml::forwarder;
  ByteLogReader reader;
  ByteLogWriter writer;
  Read all;
  tml::stream::Time last{0};
  for (std::size_t at = 0; at < bytes.size() && !all.broken; at += piece) {
    reader.push(bytes.substr(at, piece));
    while (true) {
      const auto record = reader.next();
      if (!record) all.broken = true;
      if (!record || !record->has_value()) break;
      const LogRecord& now = **record;
      if (now.at < last || now.payload.size() > kMaxLogPayload) std::abort();
      last = now.at;
      all.records.push_back(std::to_string(now.at.count()) + now.kind + std::string(now.payload));
      if (again != nullptr) writer.add(static_cast<LogKind>(now.kind), now.at, now.payload, *again);
    }
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string again;
  tml::forwarder::ByteLogWriter::begin(again);
  const Read whole = read_all(bytes, size == 0 ? 1 : size, &again);
  if (read_all(bytes, 1, nullptr) != whole) std::abort();
  Read second = read_all(again, again.size(), nullptr);
  if (second.broken || second.records != whole.records) std::abort();
  return 0;
}
