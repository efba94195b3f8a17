// SPDX-License-Identifier: Apache-2.0
#include "common/image/decode.hpp"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

namespace tml::image {
namespace {

tl::unexpected<Error> too_large() {
  return fail(Errc::limit, "the picture has more than 16 million pixels", {}, "Scale it down first");
}
tl::unexpected<Error> damaged(const std::string& why) {
  return fail(Errc::malformed, "the picture cannot be read (" + why + ")", {}, "Save it again as JPEG or PNG");
}

Result<Decoded> decode_jpeg(std::span<const std::byte> bytes) {
  const std::unique_ptr<void, int (*)(tjhandle)> handle(tjInitDecompress(), &tjDestroy);
  if (!handle) return fail(Errc::failed, "libjpeg-turbo cannot start");
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  int width = 0;
  int height = 0;
  int subsampling = 0;
  int colours = 0;
  if (tjDecompressHeader3(handle.get(), data, bytes.size(), &width, &height, &subsampling, &colours) != 0)
    return damaged(tjGetErrorStr2(handle.get()));
  if (static_cast<std::uint64_t>(width) * static_cast<std::uint64_t>(height) > kMaxDecodedPixels) return too_large();
  Decoded decoded;
  decoded.width = static_cast<std::uint32_t>(width);
  decoded.height = static_cast<std::uint32_t>(height);
  const bool grey = colours == TJCS_GRAY;
  decoded.form = grey ? PixelForm::grayscale : PixelForm::rgb;
  decoded.bytes.resize(std::size_t{decoded.width} * decoded.height * (grey ? 1 : 3));
  // A warning (a cut short file) leaves pixels that were never there.
  if (tjDecompress2(handle.get(), data, bytes.size(), reinterpret_cast<unsigned char*>(decoded.bytes.data()), width, 0,
                    height, grey ? TJPF_GRAY : TJPF_RGB, TJFLAG_ACCURATEDCT) != 0)
    return damaged(tjGetErrorStr2(handle.get()));
  return decoded;
}

Result<Decoded> decode_png(std::span<const std::byte> bytes) {
  png_image png;
  std::memset(&png, 0, sizeof png);
  png.version = PNG_IMAGE_VERSION;
  const std::unique_ptr<png_image, void (*)(png_image*)> cleanup(&png, [](png_image* image) { png_image_free(image); });
  if (png_image_begin_read_from_memory(&png, bytes.data(), bytes.size()) == 0) return damaged(png.message);
  if (static_cast<std::uint64_t>(png.width) * png.height > kMaxDecodedPixels) return too_large();
  const bool grey = (png.format & PNG_FORMAT_FLAG_COLOR) == 0;
  png.format = grey ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  Decoded decoded;
  decoded.width = png.width;
  decoded.height = png.height;
  decoded.form = grey ? PixelForm::grayscale : PixelForm::rgb;
  decoded.bytes.resize(PNG_IMAGE_SIZE(png));
  const png_color black{0, 0, 0};
  if (png_image_finish_read(&png, &black, decoded.bytes.data(), 0, nullptr) == 0) return damaged(png.message);
  return decoded;
}

}  // namespace

Result<Decoded> decode(std::span<const std::byte> bytes) {
  constexpr std::array<std::byte, 3> jpeg{std::byte{0xFF}, std::byte{0xD8}, std::byte{0xFF}};
  constexpr std::array<std::byte, 4> png{std::byte{0x89}, std::byte{'P'}, std::byte{'N'}, std::byte{'G'}};
  const auto starts = [&](const auto& magic) {
    return bytes.size() > magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
  };
  if (starts(jpeg)) return decode_jpeg(bytes);
  if (starts(png)) return decode_png(bytes);
  return fail(Errc::unsupported, "the picture is neither JPEG nor PNG", {}, "Save it as JPEG or PNG");
}

}  // namespace tml::image
