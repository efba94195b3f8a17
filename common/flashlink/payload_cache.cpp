// SPDX-License-Identifier: Apache-2.0
#include "common/flashlink/payload_cache.hpp"

#include <algorithm>
#include <string>
#include <system_error>

#include "common/base/file.hpp"
#include "common/wire/flash_frame.hpp"

namespace tml::flashlink {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMaxPayload = wire::flash::kMaxChunks * wire::flash::kChunkBytes;
constexpr std::size_t kNameLength = 2 * wire::flash::kHashBytes;

struct Kept {
  fs::path path;
  fs::file_time_type used;
  std::uint64_t bytes = 0;
};

/// Removes what was unused for longest until `most` bytes are left. Other people's files are not touched.
void trim(const fs::path& folder, std::uint64_t most) {
  std::vector<Kept> kept;
  std::uint64_t total = 0;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.size() != kNameLength || name.find_first_not_of("0123456789abcdef") != std::string::npos) continue;
    std::error_code ignored;
    kept.push_back({it->path(), it->last_write_time(ignored), it->file_size(ignored)});
    total += kept.back().bytes;
  }
  std::sort(kept.begin(), kept.end(), [](const Kept& a, const Kept& b) { return a.used < b.used; });
  for (const auto& file : kept) {
    if (total <= most) return;
    fs::remove(file.path, error);
    total -= file.bytes;
  }
}

}  // namespace

PayloadCache::PayloadCache(fs::path folder, std::uint64_t most_bytes)
    : folder_(std::move(folder)), most_bytes_(most_bytes) {}

std::optional<std::vector<std::byte>> PayloadCache::find(const Hash& hash) const {
  const fs::path path = folder_ / hex(hash);
  const auto text = read_file(path, kMaxPayload);
  if (!text) return std::nullopt;
  const auto bytes = std::as_bytes(std::span(*text));
  std::error_code ignored;
  if (sha256(bytes) != hash) {
    fs::remove(path, ignored);
    return std::nullopt;
  }
  fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

bool PayloadCache::keep(const Hash& hash, std::span<const std::byte> payload) const {
  if (payload.size() > most_bytes_ || sha256(payload) != hash || !make_private_dir(folder_)) return false;
  const std::string_view content(reinterpret_cast<const char*>(payload.data()), payload.size());
  if (!write_file_atomic(folder_ / hex(hash), content, 0600)) return false;
  trim(folder_, most_bytes_);
  return true;
}

}  // namespace tml::flashlink
