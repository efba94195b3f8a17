// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/image/jpeg.hpp"

#include <turbojpeg.h>

#include <memory>
#include <string>

namespace tml::image {
namespace {

struct Destroy {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using Handle = std::unique_ptr<void, Destroy>;

constexpr std::uint32_t kMaxSide = 65'500;
constexpr int kFullColourFrom = 90;

const unsigned char* octets(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

Result<std::vector<std::byte>> encode_jpeg(const Pixels& pixels, int quality) {
  const std::uint64_t count = std::uint64_t{pixels.width} * pixels.height;
  const bool colour = pixels.form == PixelForm::rgb;
  const std::string size = std::to_string(pixels.width) + "x" + std::to_string(pixels.height);
  if (pixels.width > kMaxSide || pixels.height > kMaxSide || count > kMaxPixels) {
    return fail(Errc::limit, "picture of " + size + " is too large for a JPEG");
  }
  if (count == 0 || pixels.bytes.size() != count * (colour ? 3 : 1)) {
    return fail(Errc::usage, std::to_string(pixels.bytes.size()) + " bytes are no picture of " + size);
  }
  if (quality < 1 || quality > 100) return fail(Errc::usage, "JPEG quality must be 1 to 100");
  const Handle handle(tjInitCompress());
  if (!handle) return fail(Errc::io, std::string("cannot start the JPEG encoder: ") + tjGetErrorStr2(nullptr));
  int sampling = quality >= kFullColourFrom ? TJSAMP_444 : TJSAMP_420;
  if (!colour) sampling = TJSAMP_GRAY;
  unsigned char* memory = nullptr;
  unsigned long bytes = 0;
  const int done = tjCompress2(handle.get(), octets(pixels.bytes), static_cast<int>(pixels.width), 0,
                               static_cast<int>(pixels.height), colour ? TJPF_RGB : TJPF_GRAY, &memory, &bytes,
                               sampling, quality, 0);
  const std::unique_ptr<unsigned char, decltype(&tjFree)> owned(memory, &tjFree);
  if (done != 0) return fail(Errc::io, std::string("cannot make a JPEG: ") + tjGetErrorStr2(handle.get()));
  const auto* const first = reinterpret_cast<const std::byte*>(memory);
  return std::vector<std::byte>(first, first + bytes);
}

Result<JpegInfo> check_jpeg(std::span<const std::byte> bytes) {
  const Handle handle(tjInitDecompress());
  if (!handle) return fail(Errc::io, std::string("cannot start the JPEG decoder: ") + tjGetErrorStr2(nullptr));
  int width = 0;
  int height = 0;
  int sampling = 0;
  int colours = 0;
  if (bytes.size() < 4 ||
      tjDecompressHeader3(handle.get(), octets(bytes), bytes.size(), &width, &height, &sampling, &colours) != 0) {
    return fail(Errc::malformed,
                std::string("no JPEG: ") + (bytes.size() < 4 ? "too short" : tjGetErrorStr2(handle.get())));
  }
  if (width <= 0 || height <= 0) return fail(Errc::malformed, "the JPEG is empty");
  std::size_t end = bytes.size();
  while (end > 2 && bytes[end - 1] == std::byte{0}) --end;
  if (bytes[end - 2] != std::byte{0xFF} || bytes[end - 1] != std::byte{0xD9}) {
    return fail(Errc::malformed, "the JPEG is cut short: it has no end marker");
  }
  return JpegInfo{static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height), colours != TJCS_GRAY};
}

}  // namespace tml::image
