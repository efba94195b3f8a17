// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/sample_store.hpp"

#include <algorithm>

#include "common/wire/crc.hpp"
#include "firmware/app/flash_io.hpp"

namespace tml::fw::app {
namespace {

constexpr std::uint32_t kCleanMagic = 0x4C4D5443;  // "CTML"
constexpr std::uint32_t kUseMagic = 0x31464D54;    // "TMF1"
constexpr std::uint32_t kUseHead = 8;
constexpr std::uint32_t kHeadBytes = 32;
constexpr std::uint32_t kLabel = 32;
constexpr std::uint32_t kLabelCrc = 160;
constexpr std::uint32_t kCommit = 168;
constexpr std::uint32_t kUnlinked = 176;
constexpr std::uint32_t kReadMark = 180;
constexpr std::uint32_t kReadMagic = 0x44414552;  // "READ"
constexpr std::uint32_t kFirstHeadBytes = 184;
constexpr std::uint32_t kBlankWord = 0xFFFFFFFF;

using FirstHead = std::array<std::uint8_t, kFirstHeadBytes>;

std::uint32_t crc_of(std::span<const std::uint8_t> bytes) { return wire::Crc32c::of(std::as_bytes(bytes)); }

struct UseHead {
  bool valid = false;
  std::uint32_t number = 0;
  std::uint32_t index = 0;
};

UseHead parse_use_head(std::span<const std::uint8_t> head) {
  const auto use = head.subspan(kUseHead, 16);
  if (load_u32(use.data()) != kUseMagic || load_u32(use.data() + 12) != crc_of(use.first(12))) return {};
  return {true, load_u32(use.data() + 4), load_u32(use.data() + 8)};
}

bool is_clean(std::span<const std::uint8_t> head) {
  return load_u32(head.data()) == kCleanMagic && load_u32(head.data() + 4) == ~kCleanMagic &&
         is_blank(head.subspan(kUseHead, kHeadBytes - kUseHead));
}

std::array<std::uint8_t, 8> commit_record(std::uint32_t number, std::uint32_t size_bytes) {
  std::array<std::uint8_t, 8> key;
  store_u32(key.data(), number);
  store_u32(key.data() + 4, size_bytes);
  std::array<std::uint8_t, 8> record;
  store_u32(record.data(), size_bytes);
  store_u32(record.data() + 4, crc_of(key));
  return record;
}

bool label_valid(std::span<const std::uint8_t> first_head) {
  return first_head[kLabel] <= FileLabel::capacity() &&
         load_u32(first_head.data() + kLabelCrc) == crc_of(first_head.subspan(kLabel, kLabelCrc - kLabel));
}

/// `/fs/<label>.<n>`: wire reference 1.9.
void build_name(FileName& name, std::string_view label, std::uint32_t number) {
  Line line;
  line.put("/fs/").put(label).put('.').number(number);
  (void)name.assign(line.view());
}

}  // namespace

SampleStore::SampleStore(hal::Flash& flash, hal::FlashRegion region)
    : flash_(flash), region_(region), sectors_(std::min(region.size_bytes / hal::kFlashSectorBytes, kMaxSectors)) {}

std::uint32_t SampleStore::bytes_in(std::uint32_t sectors) {
  if (sectors == 0) return 0;
  return (hal::kFlashSectorBytes - kFirstContent) + (sectors - 1) * (hal::kFlashSectorBytes - kContent);
}

std::uint32_t SampleStore::sectors_for(std::uint32_t bytes) { return bytes == 0 ? 1 : place_of(bytes - 1).index + 1; }

SampleStore::Place SampleStore::place_of(std::uint32_t content_offset) {
  constexpr std::uint32_t kInFirst = hal::kFlashSectorBytes - kFirstContent;
  constexpr std::uint32_t kInOthers = hal::kFlashSectorBytes - kContent;
  if (content_offset < kInFirst) return {0, kFirstContent + content_offset, kInFirst - content_offset};
  const std::uint32_t beyond = content_offset - kInFirst;
  return {1 + beyond / kInOthers, kContent + beyond % kInOthers, kInOthers - beyond % kInOthers};
}

void SampleStore::mount() {
  live_.reset();
  clean_.reset();
  file_count_ = 0;
  keeper_ = kNone;
  highest_number_ = 0;
  last_read_ = 0;
  writing_ = false;
  std::uint32_t highest_index = 0;
  for (std::uint32_t sector = 0; sector < sectors_; ++sector) mount_sector(sector, highest_index);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < file_count_; ++i) {
    const FileInfo file = files_[i];
    if (!all_sectors_present(file)) continue;
    for (std::uint32_t k = 0; k < sectors_for(file.size_bytes); ++k) live_.set(ring(file.sector + k));
    files_[kept++] = file;
    if (file.read_out) last_read_ = file.number;
  }
  file_count_ = kept;
}

void SampleStore::mount_sector(std::uint32_t sector, std::uint32_t& highest_index) {
  FirstHead head;
  if (!flash_.read(sector_offset(sector), std::span(head).first(kHeadBytes))) return;
  if (is_clean(head)) {
    clean_.set(sector);
    return;
  }
  const UseHead use = parse_use_head(head);
  if (!use.valid) return;
  const bool higher = use.number > highest_number_ || (use.number == highest_number_ && use.index >= highest_index);
  if (keeper_ == kNone || higher) {
    keeper_ = sector;
    highest_number_ = use.number;
    highest_index = use.index;
  }
  if (use.index != 0 || !flash_.read(sector_offset(sector), head)) return;
  const std::uint32_t size_bytes = load_u32(head.data() + kCommit);
  const auto expected = commit_record(use.number, size_bytes);
  const bool committed = std::equal(expected.begin(), expected.end(), head.begin() + kCommit);
  if (!committed || !label_valid(head) || load_u32(head.data() + kUnlinked) != kBlankWord) return;
  if (sectors_for(size_bytes) > sectors_) return;
  // A torn mark is no mark: then the file stays until it has been read again.
  const bool read_out = load_u32(head.data() + kReadMark) == kReadMagic;
  add_file({use.number, size_bytes, static_cast<std::uint16_t>(sector), read_out});
}

void SampleStore::add_file(const FileInfo& file) {
  if (file_count_ == kMaxFiles) return;
  std::size_t at = file_count_++;
  for (; at > 0 && files_[at - 1].number > file.number; --at) files_[at] = files_[at - 1];
  files_[at] = file;
}

bool SampleStore::all_sectors_present(const FileInfo& file) const {
  std::array<std::uint8_t, kHeadBytes> head;
  for (std::uint32_t k = 1; k < sectors_for(file.size_bytes); ++k) {
    if (!flash_.read(sector_offset(file.sector + k), head)) return false;
    const UseHead use = parse_use_head(head);
    if (!use.valid || use.number != file.number || use.index != k) return false;
  }
  return true;
}

bool SampleStore::read_label(const FileInfo& file, FileLabel& label) const {
  FirstHead head;
  if (!flash_.read(sector_offset(file.sector), head) || !label_valid(head)) return false;
  std::array<char, FileLabel::capacity()> text;
  const std::size_t size = head[kLabel];
  std::copy_n(head.begin() + kLabel + 1, size, text.begin());
  return label.assign(std::string_view(text.data(), size));
}

FileName SampleStore::name(const FileInfo& file) const {
  FileName name;
  FileLabel label;
  if (read_label(file, label)) build_name(name, label.view(), file.number);
  return name;
}

const FileInfo* SampleStore::find(std::string_view wanted) const {
  const std::size_t dot = wanted.rfind('.');
  if (dot == std::string_view::npos) return nullptr;
  std::uint32_t number = 0;
  for (const char c : wanted.substr(dot + 1)) {
    if (c < '0' || c > '9') return nullptr;
    number = number * 10 + static_cast<std::uint32_t>(c - '0');
  }
  for (std::size_t i = 0; i < file_count_; ++i) {
    if (files_[i].number == number) return name(files_[i]).view() == wanted ? &files_[i] : nullptr;
  }
  return nullptr;
}

bool SampleStore::read(const FileInfo& file, std::uint32_t offset, std::span<std::uint8_t> into) const {
  if (offset > file.size_bytes || into.size() > file.size_bytes - offset) return false;
  while (!into.empty()) {
    const Place place = place_of(offset);
    const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(place.room, into.size()));
    if (!flash_.read(sector_offset(file.sector + place.index) + place.within, into.first(count))) return false;
    into = into.subspan(count);
    offset += count;
  }
  return true;
}

bool SampleStore::unlink(const FileInfo& file) {
  const FileInfo gone = file;
  std::array<std::uint8_t, 4> zeros{};
  if (!flash_.program(sector_offset(gone.sector) + kUnlinked, zeros)) return false;
  for (std::uint32_t k = 0; k < sectors_for(gone.size_bytes); ++k) live_.reset(ring(gone.sector + k));
  std::size_t kept = 0;
  for (std::size_t i = 0; i < file_count_; ++i) {
    if (files_[i].number != gone.number) files_[kept++] = files_[i];
  }
  file_count_ = kept;
  return true;
}

bool SampleStore::mark_read(const FileInfo& file) {
  const auto end = files_.begin() + static_cast<std::ptrdiff_t>(file_count_);
  const std::uint32_t number = file.number;
  const auto found = std::find_if(files_.begin(), end, [number](const FileInfo& f) { return f.number == number; });
  if (found == end) return false;
  last_read_ = number;
  if (found->read_out) return true;
  std::array<std::uint8_t, 4> mark;
  store_u32(mark.data(), kReadMagic);
  if (!flash_.program(sector_offset(found->sector) + kReadMark, mark)) return false;
  found->read_out = true;
  return true;
}

SampleStore::Run SampleStore::find_run(const Sectors& live, std::uint32_t wanted) const {
  Run best;
  Run run;
  const std::uint32_t first = keeper_ == kNone ? 0 : keeper_ + 1;
  const std::uint32_t usable = keeper_ == kNone ? sectors_ : sectors_ - 1;
  for (std::uint32_t k = 0; k < usable; ++k) {
    const std::uint32_t sector = ring(first + k);
    if (live.test(sector)) {
      run.length = 0;
      continue;
    }
    if (run.length == 0) run.start = sector;
    ++run.length;
    if (run.length > best.length) best = run;
    if (best.length >= wanted) break;
  }
  return best;
}

std::uint32_t SampleStore::largest_free_bytes() const {
  return bytes_in(find_run_without(evictable_count(), kMaxSectors + 1).length);
}

std::size_t SampleStore::evictable_count() const {
  const auto end = files_.begin() + static_cast<std::ptrdiff_t>(file_count_);
  return static_cast<std::size_t>(
      std::count_if(files_.begin(), end, [this](const FileInfo& file) { return evictable(file); }));
}

SampleStore::Run SampleStore::find_run_without(std::size_t evicted, std::uint32_t wanted) const {
  Sectors live = live_;
  for (std::size_t i = 0; i < file_count_ && evicted > 0; ++i) {
    const FileInfo& file = files_[i];
    if (!evictable(file)) continue;
    for (std::uint32_t k = 0; k < sectors_for(file.size_bytes); ++k) live.reset(ring(file.sector + k));
    --evicted;
  }
  return find_run(live, wanted);
}

bool SampleStore::overlaps(const FileInfo& file, const Run& run) const {
  const std::uint32_t behind = ring(file.sector + sectors_ - run.start);
  return behind < run.length || behind + sectors_for(file.size_bytes) > sectors_;
}

bool SampleStore::evict(const Run& run) {
  for (std::size_t i = 0; i < file_count_;) {
    if (!evictable(files_[i]) || !overlaps(files_[i], run)) {
      ++i;
    } else if (!unlink(files_[i])) {
      return false;
    }
  }
  if (file_count_ < kMaxFiles) return true;
  std::size_t oldest = 0;
  while (!evictable(files_[oldest])) ++oldest;
  return unlink(files_[oldest]);
}

StoreError SampleStore::reserve(std::string_view label, std::uint32_t capacity_bytes) {
  writing_ = false;
  const std::size_t evictable_files = evictable_count();
  if (file_count_ == kMaxFiles && evictable_files == 0) return StoreError::too_many_files;
  const std::uint32_t wanted = sectors_for(capacity_bytes);
  Run run = find_run_without(evictable_files, wanted);
  if (run.length < wanted) return StoreError::no_space;
  // The fewest of the oldest, by bisection: with more files gone the longest run never gets shorter.
  std::size_t too_few = 0;
  std::size_t enough = evictable_files;
  while (too_few < enough) {
    const std::size_t middle = (too_few + enough) / 2;
    if (find_run_without(middle, wanted).length < wanted) {
      too_few = middle + 1;
    } else {
      enough = middle;
    }
  }
  run = find_run_without(enough, wanted);
  if (!evict(run)) return StoreError::flash;
  (void)label_.assign(label);
  number_ = highest_number_ + 1;
  build_name(name_, label_.view(), number_);
  run_ = {run.start, wanted};
  erased_ = 0;
  written_ = 0;
  page_size_ = 0;
  writing_ = true;
  return StoreError::none;
}

bool SampleStore::make_clean(std::uint32_t sector) {
  std::array<std::uint8_t, 8> mark;
  store_u32(mark.data(), kCleanMagic);
  store_u32(mark.data() + 4, ~kCleanMagic);
  if (!kill_and_erase(flash_, sector_offset(sector), kHeadBytes)) return false;
  if (!flash_.program(sector_offset(sector), mark)) return false;
  clean_.set(ring(sector));
  return true;
}

SampleStore::EraseStep SampleStore::erase_step() {
  if (!writing_) return EraseStep::failed;
  while (erased_ < run_.length && clean_.test(ring(run_.start + erased_))) ++erased_;
  if (erased_ == run_.length) return EraseStep::done;
  if (!make_clean(run_.start + erased_)) return EraseStep::failed;
  ++erased_;
  return erased_ == run_.length ? EraseStep::done : EraseStep::more;
}

bool SampleStore::erase_ahead() {
  const std::uint32_t first = keeper_ == kNone ? 0 : keeper_ + 1;
  const std::uint32_t usable = keeper_ == kNone ? sectors_ : sectors_ - 1;
  for (std::uint32_t k = 0; k < usable; ++k) {
    const std::uint32_t sector = ring(first + k);
    if (!live_.test(sector) && !clean_.test(sector)) return make_clean(sector);
  }
  return false;
}

bool SampleStore::program_use_head(std::uint32_t sector, std::uint32_t number, std::uint32_t index) {
  std::array<std::uint8_t, 16> use;
  store_u32(use.data(), kUseMagic);
  store_u32(use.data() + 4, number);
  store_u32(use.data() + 8, index);
  store_u32(use.data() + 12, crc_of(std::span<const std::uint8_t>(use).first(12)));
  clean_.reset(ring(sector));
  // A program of its own, before anything else in the sector: a clean mark then proves that the rest of the sector is
  // untouched.
  if (!flash_.program(sector_offset(sector) + kUseHead, use)) return false;
  keeper_ = ring(sector);
  highest_number_ = number;
  return true;
}

bool SampleStore::open() {
  if (!writing_ || erased_ != run_.length) return false;
  if (!program_use_head(run_.start, number_, 0)) return false;
  std::array<std::uint8_t, kLabelCrc + 4 - kLabel> block{};
  const std::string_view label = label_.view();
  block[0] = static_cast<std::uint8_t>(label.size());
  std::copy(label.begin(), label.end(), block.begin() + 1);
  store_u32(block.data() + kLabelCrc - kLabel, crc_of(std::span<const std::uint8_t>(block).first(kLabelCrc - kLabel)));
  return flash_.program(sector_offset(run_.start) + kLabel, block);
}

bool SampleStore::flush_page() {
  if (page_size_ == 0) return true;
  const auto bytes = std::span<const std::uint8_t>(page_).first(page_size_);
  page_size_ = 0;
  return flash_.program(page_offset_, bytes);
}

bool SampleStore::append(std::span<const std::uint8_t> bytes) {
  if (!writing_) return false;
  while (!bytes.empty()) {
    const Place place = place_of(written_);
    if (place.index >= run_.length) return false;
    const std::uint32_t sector = run_.start + place.index;
    if (place.index > 0 && place.within == kContent && !program_use_head(sector, number_, place.index)) return false;
    const std::uint32_t at = sector_offset(sector) + place.within;
    if (page_size_ == 0) page_offset_ = at;
    const std::uint32_t page_room = hal::kFlashPageBytes - at % hal::kFlashPageBytes;
    const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(page_room, bytes.size()));
    std::copy_n(bytes.begin(), count, page_.begin() + page_size_);
    page_size_ += count;
    written_ += count;
    bytes = bytes.subspan(count);
    if (count == page_room && !flush_page()) return false;
  }
  return true;
}

bool SampleStore::patch(std::uint32_t offset, std::span<const std::uint8_t> bytes) {
  if (!writing_ || offset > written_ || bytes.size() > written_ - offset || !flush_page()) return false;
  while (!bytes.empty()) {
    const Place place = place_of(offset);
    const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(place.room, bytes.size()));
    if (!program_range(flash_, sector_offset(run_.start + place.index) + place.within, bytes.first(count)))
      return false;
    bytes = bytes.subspan(count);
    offset += count;
  }
  return true;
}

bool SampleStore::commit() {
  if (!writing_ || !flush_page()) return false;
  const auto record = commit_record(number_, written_);
  if (!flash_.program(sector_offset(run_.start) + kCommit, record)) return false;
  writing_ = false;
  for (std::uint32_t k = 0; k < sectors_for(written_); ++k) live_.set(ring(run_.start + k));
  add_file({number_, written_, static_cast<std::uint16_t>(ring(run_.start)), false});
  return true;
}

}  // namespace tml::fw::app
