// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/config_store.hpp"

#include <algorithm>
#include <bit>

#include "common/wire/crc.hpp"
#include "firmware/app/flash_io.hpp"

namespace tml::fw::app {
namespace {

constexpr std::uint32_t kMagic = 0x31474643;  // "CFG1"

std::uint32_t crc_of(std::span<const std::uint8_t> bytes) { return wire::Crc32c::of(std::as_bytes(bytes)); }

struct FieldWriter {
  std::span<std::uint8_t> into;
  std::size_t size = 0;
  bool all;

  void raw(std::uint8_t id, std::span<const std::uint8_t> value) {
    into[size++] = id;
    into[size++] = static_cast<std::uint8_t>(value.size());
    std::copy(value.begin(), value.end(), into.begin() + static_cast<std::ptrdiff_t>(size));
    size += value.size();
  }
  void word(std::uint8_t id, std::uint32_t value) {
    std::array<std::uint8_t, 4> bytes;
    store_u32(bytes.data(), value);
    raw(id, bytes);
  }
  template <std::size_t N>
  void operator()(std::uint8_t id, const Text<N>& next, const Text<N>& previous) {
    if (!all && next == previous) return;
    std::array<std::uint8_t, N> bytes;
    std::copy(next.view().begin(), next.view().end(), bytes.begin());
    raw(id, std::span(bytes).first(next.view().size()));
  }
  void operator()(std::uint8_t id, const std::uint32_t& next, const std::uint32_t& previous) {
    if (all || next != previous) word(id, next);
  }
  void operator()(std::uint8_t id, const float& next, const float& previous) {
    const auto bits = std::bit_cast<std::uint32_t>(next);
    if (all || bits != std::bit_cast<std::uint32_t>(previous)) word(id, bits);
  }
};

struct FieldReader {
  std::uint8_t wanted;
  std::span<const std::uint8_t> value;

  template <std::size_t N>
  void operator()(std::uint8_t id, Text<N>& field, const Text<N>&) const {
    if (id != wanted) return;
    std::array<char, 255> text;
    std::copy(value.begin(), value.end(), text.begin());
    (void)field.assign(std::string_view(text.data(), value.size()));
  }
  void operator()(std::uint8_t id, std::uint32_t& field, const std::uint32_t&) const {
    if (id == wanted && value.size() == 4) field = load_u32(value.data());
  }
  void operator()(std::uint8_t id, float& field, const float&) const {
    if (id == wanted && value.size() == 4) field = std::bit_cast<float>(load_u32(value.data()));
  }
};

void apply(Config& config, std::span<const std::uint8_t> fields) {
  while (fields.size() >= 2) {
    const std::uint8_t id = fields[0];
    const std::size_t size = fields[1];
    fields = fields.subspan(2);
    if (size > fields.size()) return;
    const FieldReader reader{id, fields.first(size)};
    for_each_field(config, config, reader);
    fields = fields.subspan(size);
  }
}

}  // namespace

void ConfigStore::mount() {
  config_ = Config{};
  mounted_sector_ = false;
  torn_ = false;
  sequence_ = 0;
  Scan scan;
  for (unsigned sector = 0; sector < 2; ++sector) {
    scan_sector(sector, scan);
    const bool newer = !mounted_sector_ || static_cast<std::int32_t>(scan.sequence - sequence_) > 0;
    if (!scan.valid || !newer) continue;
    mounted_sector_ = true;
    active_ = sector;
    sequence_ = scan.sequence;
    end_ = scan.end;
    torn_ = scan.torn;
    config_ = scan.config;
  }
}

std::size_t ConfigStore::read_record(std::uint32_t offset, std::uint32_t room) {
  if (room < 8) return 0;
  if (!flash_.read(offset, std::span(record_).first(4))) return 0;
  const std::size_t size = record_[0] | static_cast<std::size_t>(record_[1]) << 8;
  const std::size_t complement = record_[2] | static_cast<std::size_t>(record_[3]) << 8;
  if ((size ^ complement) != 0xFFFF || size > kMaxFields || size + 8 > room) return 0;
  if (!flash_.read(offset, std::span(record_).first(size + 8))) return 0;
  const std::uint32_t crc = crc_of(std::span<const std::uint8_t>(record_).first(size + 4));
  return crc == load_u32(record_.data() + size + 4) ? size + 8 : 0;
}

void ConfigStore::scan_sector(unsigned sector, Scan& scan) {
  scan.valid = false;
  scan.torn = false;
  scan.config = Config{};
  const std::uint32_t base = sector_offset(sector);
  std::array<std::uint8_t, kHeadBytes> head;
  if (!flash_.read(base, head)) return;
  if (load_u32(head.data()) != kMagic) return;
  if (load_u32(head.data() + 8) != crc_of(std::span<const std::uint8_t>(head).first(8))) return;
  scan.sequence = load_u32(head.data() + 4);
  std::uint32_t at = kHeadBytes;
  for (;;) {
    const std::size_t size = read_record(base + at, hal::kFlashSectorBytes - at);
    if (size == 0) break;
    apply(scan.config, std::span<const std::uint8_t>(record_).subspan(4, size - 8));
    at += static_cast<std::uint32_t>(size);
    scan.valid = true;
  }
  scan.end = at;
  // A cut program may have cleared bits anywhere in its range without touching the size: only a blank rest can be
  // appended to.
  std::array<std::uint8_t, 64> part;
  while (at < hal::kFlashSectorBytes && !scan.torn) {
    const auto count = std::min<std::size_t>(part.size(), hal::kFlashSectorBytes - at);
    const auto chunk = std::span(part).first(count);
    scan.torn = !flash_.read(base + at, chunk) || !is_blank(chunk);
    at += static_cast<std::uint32_t>(count);
  }
}

std::size_t ConfigStore::build_record(const Config& next, const Config* previous) {
  FieldWriter writer{std::span(record_).subspan(4, kMaxFields), 0, previous == nullptr};
  const Config& base = previous == nullptr ? next : *previous;
  for_each_field(next, base, writer);
  const std::size_t size = writer.size;
  if (size == 0) return 0;
  record_[0] = static_cast<std::uint8_t>(size);
  record_[1] = static_cast<std::uint8_t>(size >> 8);
  record_[2] = static_cast<std::uint8_t>(~record_[0]);
  record_[3] = static_cast<std::uint8_t>(~record_[1]);
  store_u32(record_.data() + 4 + size, crc_of(std::span<const std::uint8_t>(record_).first(size + 4)));
  return size + 8;
}

bool ConfigStore::compact(const Config& next) {
  const unsigned target = mounted_sector_ ? 1 - active_ : 0;
  const std::uint32_t base = sector_offset(target);
  if (!kill_and_erase(flash_, base, kHeadBytes)) return false;
  std::array<std::uint8_t, 12> head;
  store_u32(head.data(), kMagic);
  store_u32(head.data() + 4, sequence_ + 1);
  store_u32(head.data() + 8, crc_of(std::span<const std::uint8_t>(head).first(8)));
  if (!program_range(flash_, base, head)) return false;
  const std::size_t size = build_record(next, nullptr);
  if (!program_range(flash_, base + kHeadBytes, std::span<const std::uint8_t>(record_).first(size))) return false;
  active_ = target;
  mounted_sector_ = true;
  torn_ = false;
  ++sequence_;
  end_ = kHeadBytes + static_cast<std::uint32_t>(size);
  config_ = next;
  return true;
}

bool ConfigStore::update(const Config& next) {
  const std::size_t size = build_record(next, &config_);
  if (size == 0) return true;
  if (!mounted_sector_ || torn_ || end_ + size > hal::kFlashSectorBytes) return compact(next);
  if (!program_range(flash_, sector_offset(active_) + end_, std::span<const std::uint8_t>(record_).first(size))) {
    // The range is spoiled now; the next update goes to the other sector.
    torn_ = true;
    return false;
  }
  end_ += static_cast<std::uint32_t>(size);
  config_ = next;
  return true;
}

bool ConfigStore::reset() {
  if (!compact(Config{})) return false;
  return kill_and_erase(flash_, sector_offset(1 - active_), kHeadBytes);
}

}  // namespace tml::fw::app
