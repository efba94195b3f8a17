// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/picture.hpp"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <memory>
#include <optional>
#include <string_view>

#include "common/base/file.hpp"

namespace tml::fw::native {
namespace {

struct TurboJpeg {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using TurboJpegHandle = std::unique_ptr<void, TurboJpeg>;

const unsigned char* octets(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

Result<Picture> sized(std::uint64_t width, std::uint64_t height, const std::string& where) {
  if (width == 0 || height == 0) return fail(Errc::malformed, "the picture is empty", where);
  if (width > kMaxPicturePixels || height > kMaxPicturePixels || width * height > kMaxPicturePixels) {
    return fail(Errc::limit,
                "the picture has " + std::to_string(width) + " x " + std::to_string(height) + " pixels, more than " +
                    std::to_string(kMaxPicturePixels),
                where, "Scale it down");
  }
  Picture out;
  out.width = static_cast<std::uint32_t>(width);
  out.height = static_cast<std::uint32_t>(height);
  out.rgb.resize(static_cast<std::size_t>(width * height * 3));
  return out;
}

Result<Picture> decode_jpeg(std::span<const std::byte> bytes, const std::string& where) {
  const TurboJpegHandle handle(tjInitDecompress());
  if (!handle) return fail(Errc::io, "cannot start the JPEG decoder", where);
  int width = 0;
  int height = 0;
  int subsampling = 0;
  int colours = 0;
  if (tjDecompressHeader3(handle.get(), octets(bytes), bytes.size(), &width, &height, &subsampling, &colours) != 0) {
    return fail(Errc::malformed, std::string("no JPEG: ") + tjGetErrorStr2(handle.get()), where);
  }
  auto out =
      sized(static_cast<std::uint64_t>(std::max(width, 0)), static_cast<std::uint64_t>(std::max(height, 0)), where);
  if (!out) return out;
  if (tjDecompress2(handle.get(), octets(bytes), bytes.size(), out->rgb.data(), width, 0, height, TJPF_RGB, 0) != 0) {
    return fail(Errc::malformed, std::string("damaged JPEG: ") + tjGetErrorStr2(handle.get()), where);
  }
  return out;
}

Result<Picture> decode_png(std::span<const std::byte> bytes, const std::string& where) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  const auto damaged = [&image, &where]() {
    std::string what = std::string("damaged PNG: ") + image.message;
    png_image_free(&image);
    return fail(Errc::malformed, std::move(what), where);
  };
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0) return damaged();
  auto out = sized(image.width, image.height, where);
  if (!out) {
    png_image_free(&image);
    return out;
  }
  image.format = PNG_FORMAT_RGB;
  const png_color black{0, 0, 0};
  if (png_image_finish_read(&image, &black, out->rgb.data(), 0, nullptr) == 0) return damaged();
  return out;
}

/// The next number of a Netpbm header: blanks and comments before it are skipped, the one blank behind it is taken.
std::optional<std::uint32_t> header_number(std::string_view& text) {
  for (;;) {
    if (text.empty()) return std::nullopt;
    if (text.front() == '#') {
      text.remove_prefix(std::min(text.find('\n'), text.size()));
    } else if (std::isspace(static_cast<unsigned char>(text.front())) != 0) {
      text.remove_prefix(1);
    } else {
      break;
    }
  }
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.empty() || std::isspace(static_cast<unsigned char>(text.front())) == 0) return std::nullopt;
  text.remove_prefix(1);
  return value;
}

Result<Picture> decode_netpbm(std::string_view text, const std::string& where) {
  const bool colour = text[1] == '6';
  text.remove_prefix(2);
  const auto width = header_number(text);
  const auto height = header_number(text);
  const auto most = header_number(text);
  if (!width || !height || !most) return fail(Errc::malformed, "damaged PGM or PPM header", where);
  if (*most != 255) {
    return fail(Errc::unsupported, "PGM or PPM with a maximum of " + std::to_string(*most) + ", not 255", where,
                "Save it with 8 bits per colour");
  }
  // Before there is memory for what the header promises.
  const std::uint64_t pixels = std::uint64_t{*width} * *height;
  if (pixels <= kMaxPicturePixels && text.size() < (colour ? 3 : 1) * pixels) {
    return fail(Errc::malformed, "the PGM or PPM is cut short", where);
  }
  auto out = sized(*width, *height, where);
  if (!out) return out;
  for (std::size_t i = 0; i < out->rgb.size(); ++i) out->rgb[i] = static_cast<std::uint8_t>(text[colour ? i : i / 3]);
  return out;
}

}  // namespace

bool is_picture_name(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::array<std::string_view, 5> kKnown{".jpg", ".jpeg", ".png", ".pgm", ".ppm"};
  return std::find(kKnown.begin(), kKnown.end(), extension) != kKnown.end();
}

Result<Picture> decode_picture(std::span<const std::byte> bytes, const std::string& where) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("\xFF\xD8")) return decode_jpeg(bytes, where);
  if (text.starts_with("\x89PNG")) return decode_png(bytes, where);
  if (text.starts_with("P5") || text.starts_with("P6")) return decode_netpbm(text, where);
  return fail(Errc::unsupported, "neither JPEG, PNG, PGM (P5) nor PPM (P6)", where);
}

Result<Picture> load_picture(const std::filesystem::path& path) {
  Result<std::string> bytes = read_file(path, kMaxPictureBytes);
  if (!bytes) return pass(std::move(bytes.error()));
  return decode_picture(std::as_bytes(std::span(*bytes)), path.string());
}

Picture fit_picture(const Picture& picture, std::uint32_t width, std::uint32_t height) {
  if (picture.width == width && picture.height == height) return picture;
  // The largest part of the wanted shape, from the middle.
  std::uint64_t part_width = picture.width;
  std::uint64_t part_height = picture.height;
  if (part_width * height > part_height * width) {
    part_width = std::max<std::uint64_t>(1, part_height * width / height);
  } else {
    part_height = std::max<std::uint64_t>(1, part_width * height / width);
  }
  const std::uint64_t left = (picture.width - part_width) / 2;
  const std::uint64_t top = (picture.height - part_height) / 2;
  Picture out{width, height, std::vector<std::uint8_t>(std::size_t{width} * height * 3)};
  std::size_t at = 0;
  for (std::uint64_t y = 0; y < height; ++y) {
    const std::uint64_t y0 = top + y * part_height / height;
    const std::uint64_t y1 = std::max(y0 + 1, top + (y + 1) * part_height / height);
    for (std::uint64_t x = 0; x < width; ++x) {
      const std::uint64_t x0 = left + x * part_width / width;
      const std::uint64_t x1 = std::max(x0 + 1, left + (x + 1) * part_width / width);
      std::array<std::uint64_t, 3> sum{};
      for (std::uint64_t row = y0; row < y1; ++row) {
        for (std::uint64_t column = x0; column < x1; ++column) {
          const std::size_t pixel = static_cast<std::size_t>((row * picture.width + column) * 3);
          for (std::size_t c = 0; c < 3; ++c) sum[c] += picture.rgb[pixel + c];
        }
      }
      const std::uint64_t count = (y1 - y0) * (x1 - x0);
      for (const std::uint64_t s : sum) out.rgb[at++] = static_cast<std::uint8_t>((s + count / 2) / count);
    }
  }
  return out;
}

std::vector<std::uint8_t> to_grayscale(const Picture& picture) {
  std::vector<std::uint8_t> out(picture.rgb.size() / 3);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const unsigned luma =
        299U * picture.rgb[3 * i] + 587U * picture.rgb[3 * i + 1] + 114U * picture.rgb[3 * i + 2] + 500U;
    out[i] = static_cast<std::uint8_t>(luma / 1000U);
  }
  return out;
}

Result<std::vector<std::uint8_t>> to_jpeg(const Picture& picture, int quality) {
  const TurboJpegHandle handle(tjInitCompress());
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  const int width = static_cast<int>(picture.width);
  const int height = static_cast<int>(picture.height);
  const bool done = handle && tjCompress2(handle.get(), picture.rgb.data(), width, 0, height, TJPF_RGB, &memory, &size,
                                          TJSAMP_420, quality, 0) == 0;
  const std::unique_ptr<unsigned char, decltype(&tjFree)> owned(memory, &tjFree);
  if (!done) return fail(Errc::io, "cannot make a JPEG");
  return std::vector<std::uint8_t>(memory, memory + size);
}

}  // namespace tml::fw::native
