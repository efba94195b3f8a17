// SPDX-License-Identifier: Apache-2.0
#include "uploader/journal.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/wire/crc.hpp"

namespace tml::uploader {
namespace {

constexpr std::string_view kMagic = "TMLUPLD1";
constexpr std::size_t kFrameHead = 8;  // Length and CRC.
constexpr std::size_t kEntryBytes = 1 + 16 + 8 + 8 + 32;
constexpr std::size_t kMaxFrameBytes = std::size_t{16} << 20U;
constexpr std::size_t kMaxTargetBytes = 4096;
constexpr std::size_t kMaxJournalBytes = std::size_t{4} << 30U;

void put_u64(std::string& out, std::uint64_t value) {
  for (unsigned i = 0; i < 8; ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xFFU));
}

void put_u32(std::string& out, std::uint32_t value) {
  for (unsigned i = 0; i < 4; ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xFFU));
}

std::uint64_t get_le(std::string_view in, std::size_t at, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value |= std::uint64_t{static_cast<unsigned char>(in[at + i])} << (8 * i);
  return value;
}

template <class Array>
void put_bytes(std::string& out, const Array& bytes) {
  out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

template <class Array>
void get_bytes(std::string_view in, std::size_t at, Array& bytes) {
  std::memcpy(bytes.data(), in.data() + at, bytes.size());
}

std::string framed(std::string_view payload) {
  std::string frame;
  frame.reserve(kFrameHead + payload.size());
  put_u32(frame, static_cast<std::uint32_t>(payload.size()));
  put_u32(frame, wire::Crc32c::of(payload));
  frame += payload;
  return frame;
}

/// The payload of the frame at `at`; empty when it is not whole.
std::string_view frame_at(std::string_view bytes, std::size_t at) {
  if (bytes.size() - at < kFrameHead) return {};
  const std::uint64_t size = get_le(bytes, at, 4);
  if (size == 0 || size > kMaxFrameBytes || size > bytes.size() - at - kFrameHead) return {};
  const std::string_view payload = bytes.substr(at + kFrameHead, size);
  return wire::Crc32c::of(payload) == get_le(bytes, at + 4, 4) ? payload : std::string_view{};
}

bool take_entries(std::string_view payload, std::vector<JournalEntry>& into) {
  if (payload.size() % kEntryBytes != 0) return false;
  for (std::size_t at = 0; at < payload.size(); at += kEntryBytes) {
    JournalEntry entry;
    const auto mark = static_cast<unsigned char>(payload[at]);
    if (mark < 1 || mark > 4) return false;
    entry.mark = static_cast<Mark>(mark);
    get_bytes(payload, at + 1, entry.key);
    entry.state.size = get_le(payload, at + 17, 8);
    entry.state.mtime_ns = static_cast<std::int64_t>(get_le(payload, at + 25, 8));
    get_bytes(payload, at + 33, entry.state.sha256);
    into.push_back(entry);
  }
  return true;
}

/// How many of the bytes could be written; fewer than all with errno set.
std::size_t write_all(int fd, std::string_view bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (put < 0 && errno != EINTR) break;
    if (put > 0) done += static_cast<std::size_t>(put);
  }
  return done;
}

tl::unexpected<Error> held_by_another(const std::filesystem::path& path) {
  return fail(Errc::busy, "another tml-uploader is at work with the journal", path.string(),
              "Wait for it, or give another --journal");
}

/// The lock is on the file, not on its name: it counts only when the name still leads to it afterwards.
Result<UniqueFd> open_locked(const std::filesystem::path& path, int flags) {
  UniqueFd fd(::open(path.c_str(), flags | O_RDWR | O_APPEND | O_CLOEXEC, 0600));
  if (!fd.valid()) return fail_errno(errno, "cannot open the journal", path.string());
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return held_by_another(path);
  struct stat locked {};
  struct stat named {};
  if (::fstat(fd.get(), &locked) != 0) return fail_errno(errno, "cannot open the journal", path.string());
  if (::stat(path.c_str(), &named) != 0 || locked.st_dev != named.st_dev || locked.st_ino != named.st_ino) {
    return held_by_another(path);
  }
  return fd;
}

/// Lexically; as fs::absolute and lexically_normal, which cost more than hashing a small file.
std::string absolute_path(const std::string& path) {
  static const std::string here = [] {
    std::error_code ignored;
    return std::filesystem::current_path(ignored).string() + "/";
  }();
  std::string whole = path.starts_with('/') ? path : here + path;
  const bool plain = whole.find("/.") == std::string::npos && whole.find("//") == std::string::npos;
  return plain ? whole : std::filesystem::path(whole).lexically_normal().string();
}

bool key_less(const JournalEntry& a, const JournalEntry& b) { return a.key < b.key; }

}  // namespace

FileKey file_key(const Upload& upload) {
  std::string text = absolute_path(upload.path);
  text += '\0';
  text += sample::category_name(upload.category);
  text += '\0';
  text += std::to_string(static_cast<int>(upload.label.kind));
  text += upload.label.text;
  text += '\0';
  text += upload.name;
  // The same file with other boxes, ranges, keys or metadata is another sample.
  if (upload.has_side_files()) {
    for (const SideFile& side : side_files(upload)) text += '\0' + side.name + '\0' + side.json + '\0' + side.path;
  }
  for (const auto& [key, value] : upload.metadata) text += '\0' + key + '\0' + value;
  const sample::Digest digest = sample::sha256(sample::as_bytes(text));
  FileKey key{};
  std::copy_n(digest.begin(), key.size(), key.begin());
  return key;
}

std::string envelope_id(const RunId& run, const FileKey& key, const sample::Digest& content) {
  std::array<std::byte, 64> seed{};
  std::copy(run.begin(), run.end(), seed.begin());
  std::copy(key.begin(), key.end(), seed.begin() + 16);
  std::copy(content.begin(), content.end(), seed.begin() + 32);
  sample::Digest digest = sample::sha256(seed);
  digest[6] = (digest[6] & std::byte{0x0F}) | std::byte{0x80};
  digest[8] = (digest[8] & std::byte{0x3F}) | std::byte{0x80};
  std::string id = sample::hex(sample::Bytes(digest).first(16));
  for (const std::size_t at : {8U, 13U, 18U, 23U}) id.insert(at, 1, '-');
  return id;
}

std::string journal_header(const RunId& run, std::string_view target) {
  std::string payload;
  put_bytes(payload, run);
  payload += target.substr(0, kMaxTargetBytes);
  return std::string(kMagic) + framed(payload);
}

std::string journal_frame(std::span<const JournalEntry> entries) {
  std::string payload;
  payload.reserve(entries.size() * kEntryBytes);
  for (const JournalEntry& entry : entries) {
    payload.push_back(static_cast<char>(entry.mark));
    put_bytes(payload, entry.key);
    put_u64(payload, entry.state.size);
    put_u64(payload, static_cast<std::uint64_t>(entry.state.mtime_ns));
    put_bytes(payload, entry.state.sha256);
  }
  return framed(payload);
}

Result<JournalContent> read_journal(std::string_view bytes, std::string_view where) {
  const auto damaged = [where] {
    return fail(Errc::malformed, "this is no journal of tml-uploader", std::string(where), "Start without --resume");
  };
  if (!bytes.starts_with(kMagic)) return damaged();
  std::size_t at = kMagic.size();
  JournalContent content;
  const std::string_view head = frame_at(bytes, at);
  if (head.size() < content.run.size() || head.size() > content.run.size() + kMaxTargetBytes) return damaged();
  get_bytes(head, 0, content.run);
  content.target = head.substr(content.run.size());
  at += kFrameHead + head.size();
  while (true) {
    content.whole_bytes = at;
    const std::string_view payload = frame_at(bytes, at);
    if (payload.empty() || !take_entries(payload, content.entries)) return content;
    at += kFrameHead + payload.size();
  }
}

Result<Journal> Journal::create(const std::filesystem::path& file, std::string_view target, Random& random) {
  std::error_code error;
  if (file.has_parent_path() && !std::filesystem::exists(file.parent_path(), error)) {
    if (auto made = make_private_dir(file.parent_path()); !made) return pass(made.error());
  }
  // Whoever replaces the file holds it until the new one is there.
  const auto held = open_locked(file, O_CREAT);
  if (!held) return pass(held.error());
  RunId run{};
  random.fill(run);
  const std::string header = journal_header(run, target);
  // Whole or not at all: a torn header would stand in the way of the next --resume.
  if (auto written = write_file_atomic(file, header); !written) return pass(written.error());
  auto fd = open_locked(file, 0);
  if (!fd) return pass(fd.error());
  // Another process may have been first to lock the new file, and have replaced it too.
  const auto there = read_file(file, kMaxJournalBytes);
  if (!there) return pass(there.error());
  if (*there != header) return held_by_another(file);
  Journal journal(file, *std::move(fd));
  journal.run_ = run;
  return journal;
}

Result<Journal> Journal::resume(const std::filesystem::path& file, std::string_view target) {
  auto fd = open_locked(file, 0);
  if (!fd) return pass(fd.error());
  auto bytes = read_file(file, kMaxJournalBytes);
  if (!bytes) return pass(bytes.error());
  auto content = read_journal(*bytes, file.string());
  if (!content) return pass(content.error());
  if (content->target != target.substr(0, kMaxTargetBytes)) {
    return fail(Errc::usage,
                "the journal belongs to an upload to " + content->target + ", not to " + std::string(target),
                file.string(), "Give the same --host and --project, or another --journal");
  }
  Journal journal(file, *std::move(fd));
  if (content->whole_bytes < bytes->size() &&
      ::ftruncate(journal.fd_.get(), static_cast<off_t>(content->whole_bytes)) != 0) {
    return fail_errno(errno, "cannot mend the journal", file.string());
  }
  journal.run_ = content->run;
  journal.known_ = std::move(content->entries);
  // The last mark of each key counts; a stable sort leaves the marks of one key in their order.
  std::stable_sort(journal.known_.begin(), journal.known_.end(), key_less);
  auto kept = journal.known_.begin();
  for (auto at = journal.known_.begin(); at != journal.known_.end(); ++at) {
    if (std::next(at) != journal.known_.end() && std::next(at)->key == at->key) continue;
    *kept++ = *at;
  }
  journal.known_.erase(kept, journal.known_.end());
  journal.known_.shrink_to_fit();
  return journal;
}

std::optional<JournalEntry> Journal::find(const FileKey& key) const {
  JournalEntry probe;
  probe.key = key;
  const auto found = std::lower_bound(known_.begin(), known_.end(), probe, key_less);
  if (found == known_.end() || found->key != key) return std::nullopt;
  return *found;
}

Result<void> Journal::append(std::span<const JournalEntry> entries) {
  if (entries.empty()) return {};
  if (torn_) return fail(Errc::io, "cannot write the journal behind a torn frame:", path_.string());
  const std::string frame = journal_frame(entries);
  const std::size_t done = write_all(fd_.get(), frame);
  if (done == frame.size()) return {};
  auto failed = fail_errno(errno, "cannot write the journal", path_.string());
  struct stat info {};
  // Whatever followed a torn frame would be lost to the next --resume.
  torn_ = done > 0 &&
          (::fstat(fd_.get(), &info) != 0 || ::ftruncate(fd_.get(), info.st_size - static_cast<off_t>(done)) != 0);
  return failed;
}

Result<void> Journal::sync() {
  if (::fdatasync(fd_.get()) != 0) return fail_errno(errno, "cannot write the journal", path_.string());
  return {};
}

void Journal::retire(const std::filesystem::path& to) {
  std::error_code ignored;
  std::filesystem::rename(path_, to, ignored);
}

}  // namespace tml::uploader
