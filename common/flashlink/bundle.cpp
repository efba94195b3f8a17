// SPDX-License-Identifier: Apache-2.0
#include "common/flashlink/bundle.hpp"

#include <algorithm>
#include <cstring>

namespace tml::flashlink {
namespace {

constexpr std::size_t kHeadBytes = 8;
constexpr std::size_t kEntryBytes = 8;
constexpr std::size_t kAlignment = 16;
constexpr std::string_view kMagic = "TMLU";
constexpr std::uint16_t kFormat = 1;

template <class Number>
void put(std::vector<std::byte>& out, Number value) {
  for (std::size_t n = 0; n < sizeof value; ++n) out.push_back(static_cast<std::byte>(value >> (8 * n)));
}

void append(std::vector<std::byte>& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

std::size_t aligned(std::size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

std::size_t size_of(const SignedObject& object) {
  return wire::flash::kManifestBytes + object.list.size() + object.payload.size();
}

Errc code_of(wire::Errc code) {
  if (code == wire::Errc::unsupported) return Errc::unsupported;
  if (code == wire::Errc::limit) return Errc::limit;
  return Errc::malformed;
}

}  // namespace

Result<std::vector<std::byte>> write_bundle(std::span<const SignedObject> objects) {
  if (objects.empty() || objects.size() > wire::flash::kMaxBundleObjects)
    return fail(Errc::usage, "a signed file holds 1 to " + std::to_string(wire::flash::kMaxBundleObjects) + " objects");
  std::vector<std::byte> file;
  append(file, std::as_bytes(std::span(kMagic)));
  put(file, kFormat);
  put(file, static_cast<std::uint16_t>(objects.size()));
  std::size_t offset = aligned(kHeadBytes + kEntryBytes * objects.size());
  for (const auto& object : objects) {
    put(file, static_cast<std::uint32_t>(offset));
    put(file, static_cast<std::uint32_t>(size_of(object)));
    offset = aligned(offset + size_of(object));
  }
  for (const auto& object : objects) {
    file.resize(aligned(file.size()));
    append(file, object.manifest_bytes());
    append(file, object.list);
    append(file, object.payload);
  }
  return file;
}

Result<std::vector<SignedObject>> read_bundle(std::span<const std::byte> file, std::string_view where) {
  const auto bundle = wire::flash::parse_bundle(file);
  if (!bundle)
    return fail(code_of(bundle.error()),
                "this is no signed file that can be read (" + std::string(wire::errc_name(bundle.error())) + ")",
                std::string(where), "Copy it again, or make it with tml-flash sign");
  std::vector<SignedObject> objects;
  for (std::size_t n = 0; n < bundle->count; ++n) {
    const auto& object = bundle->objects[n];
    if (auto good = check_hashes(object, where); !good) return pass(std::move(good.error()));
    objects.push_back(
        {object.manifest, {object.list.begin(), object.list.end()}, {object.payload.begin(), object.payload.end()}});
  }
  // Bytes between and behind the objects are not covered by any signature: there may be none but
  // padding.
  const auto again = write_bundle(objects);
  if (!again || !std::equal(again->begin(), again->end(), file.begin(), file.end()))
    return fail(Errc::malformed, "there is more in this signed file than what was signed", std::string(where),
                "Copy it again, or make it with tml-flash sign");
  return objects;
}

}  // namespace tml::flashlink
