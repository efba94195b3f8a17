// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A camera: what it can do, one picture at a time, and the picture's bytes read in pieces, so that the application
// needs no frame buffer of its own: a driver reads them from its DMA buffer or from the camera's FIFO.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tml::fw::hal {

inline constexpr std::size_t kMaxResolutions = 8;

struct CameraResolution {
  std::uint16_t width = 0;   ///< Pixels, at least 1.
  std::uint16_t height = 0;  ///< Pixels, at least 1.
};

/// `Color depth` of wire reference 1.6; decides how many bytes a raw pixel has.
enum class ColourDepth : std::uint8_t {
  grayscale,  ///< One byte per pixel.
  rgb         ///< Three bytes per pixel: red, green, blue.
};

/// Constant for the life of the camera.
struct CameraInfo {
  std::span<const CameraResolution> resolutions;  ///< 1 to kMaxResolutions, smallest first.
  ColourDepth depth = ColourDepth::rgb;
};

/// Non-blocking, application's thread only. One picture at a time:
///
///     start(resolution)  ->  state() is busy until ready_us()  ->  ready: frame_bytes(), read() in any order  ->
///     stop()
///
/// The picture stays readable until the next start() or stop().
class Camera {
 public:
  enum class State : std::uint8_t {
    idle,    ///< Not started, or stopped.
    busy,    ///< Exposing or transferring; look again at ready_us().
    ready,   ///< The picture can be read.
    failed,  ///< The camera did not answer, or the picture was lost. stop(), then start() tries again.
  };

  [[nodiscard]] virtual const CameraInfo& info() const = 0;

  /// Begins a picture in one of info().resolutions; what was there before is given up. False: the camera does not
  /// answer.
  [[nodiscard]] virtual bool start(CameraResolution resolution) = 0;

  [[nodiscard]] virtual State state() = 0;

  /// While busy: device time (Clock::device_us) at which state() is worth asking again.
  [[nodiscard]] virtual std::uint64_t ready_us() const = 0;

  /// Size of the picture once it is ready: width x height x bytes per pixel, row by row from the top left; or the size
  /// of a JPEG (AT 1.8, wire reference 1.5), which begins FF D8 and is never of one of the two raw sizes.
  [[nodiscard]] virtual std::uint32_t frame_bytes() const = 0;

  /// Copies bytes of the picture from `offset` on; offset + into.size() <= frame_bytes(). False: the picture is lost.
  [[nodiscard]] virtual bool read(std::uint32_t offset, std::span<std::uint8_t> into) = 0;

  /// Gives the picture up; the camera may sleep. Harmless when idle.
  virtual void stop() = 0;

 protected:
  ~Camera() = default;
};

}  // namespace tml::fw::hal
